"""Small files that are whole or absent, and paths that stay inside their folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional

_PART_BYTES = 255
_PATH_CHARS = 1024


class UnsafePath(ValueError):
    """A path of a manifest that could leave its folder."""


def write_json(path: Path, value: Any, *, mode: int = 0o600, sync: bool = True) -> None:
    """Replace `path` with `value` as JSON: readers see the old or the new content, never half of it.

    Without `sync` that holds for a killed process and not for a machine that loses its power: enough for what is
    about processes, which such a machine loses, too.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(str(temporary), mode)
        os.replace(str(temporary), str(path))
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Optional[Any]:
    """The content of a file written by `write_json`; None when it is absent or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def create_once(path: Path) -> bool:
    """Create an empty file; False when somebody else had done it. Exactly one caller gets True."""
    try:
        os.close(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file lock `path`; waits for whoever holds it. It is free again when its holder dies."""
    handle = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def try_lock(path: Path) -> Optional[int]:
    """A handle that holds the lock until it is closed, or None when another process holds it."""
    handle = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    return handle


def is_locked(path: Path) -> bool:
    """True while some process holds the lock."""
    if not path.exists():
        return False
    handle = try_lock(path)
    if handle is None:
        return True
    os.close(handle)
    return False


def safe_parts(path: str) -> "tuple[str, ...]":
    """The parts of a plain relative path. Raises UnsafePath for anything that could mean another place."""
    if not path or len(path) > _PATH_CHARS or "\\" in path or path[1:2] == ":":
        raise UnsafePath(f"{path[:80]!r} is not a plain relative path")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in path):
        raise UnsafePath(f"{path[:80]!r} holds control characters")
    parts = tuple(path.split("/"))
    if any(part in {"", ".", ".."} or len(part.encode()) > _PART_BYTES for part in parts):
        raise UnsafePath(f"{path[:80]!r} would leave its folder")
    return parts
