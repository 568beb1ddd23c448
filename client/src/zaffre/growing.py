"""A folder that follows files which grow elsewhere, such as logs and event files.

Whoever reads such a file keeps it open and reads on from where it was, so what was added is added here, too, to the
same file; one that became another gets a new file in its place. Nothing is believed without its hash.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, Iterable, Tuple

from zaffre.protocol import FileEntry

if TYPE_CHECKING:
    from hashlib import _Hash

#: `fetch(entry, start, take)`: give `take` the bytes of the file from `start` on, piece by piece.
Fetch = Callable[[FileEntry, int, Callable[[bytes], object]], object]
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")


class Damaged(Exception):
    """What came is not what its hash says."""


@dataclass
class _Held:
    sha256: str
    size: int
    #: Of all its bytes so far; a copy of it goes on where they end.
    digest: "_Hash"


class Mirror:
    """The files below one folder. Not for several threads at once.

    With `tails` only what was added is asked for; without, the whole file, of which the beginning is compared.
    """

    def __init__(self, folder: Path, fetch: Fetch, *, tails: bool) -> None:
        self.folder, self._fetch, self._tails = folder, fetch, tails
        self._held: Dict[str, _Held] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lacking(self, entries: Iterable[FileEntry]) -> "list[FileEntry]":
        """Those of the files that are not here as they are now."""
        return [one for one in entries if one["path"] not in self._held or self._stale(one)]

    def _stale(self, entry: FileEntry) -> bool:
        return self._held[entry["path"]].sha256 != entry["sha256"]

    def forget(self, paths: "set[str]") -> None:
        """Remove every file that is none of `paths`."""
        for path in set(self._held) - paths:
            del self._held[path]
            self.place(path).unlink(missing_ok=True)

    def follow(self, entry: FileEntry) -> None:
        """Bring one file up to date. Raises Damaged, ValueError for a path that leads out, and what `fetch` does."""
        target, held = self.place(entry["path"]), self._held.get(entry["path"])
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if held is not None and held.size < entry["size"] and self._grow(target, entry, held):
            return
        part, digest = self._download(entry, 0, hashlib.sha256())
        try:
            if digest.hexdigest() != entry["sha256"]:
                raise Damaged(f"What came for {entry['path'][:200]} is not what its hash says.")
            if held is None or not self._append(target, part, held):
                os.replace(str(part), str(target))
        finally:
            part.unlink(missing_ok=True)
        self._held[entry["path"]] = _Held(entry["sha256"], entry["size"], digest)

    def _grow(self, target: Path, entry: FileEntry, held: _Held) -> bool:
        """Have what was added, and add it; False when the file became another."""
        if not self._tails:
            return False
        part, digest = self._download(entry, held.size, held.digest.copy())
        try:
            if digest.hexdigest() != entry["sha256"]:
                return False
            with target.open("ab") as file:
                file.write(part.read_bytes())
        finally:
            part.unlink(missing_ok=True)
        self._held[entry["path"]] = _Held(entry["sha256"], entry["size"], digest)
        return True

    def _append(self, target: Path, part: Path, held: _Held) -> bool:
        """Add what the whole file has more than what is here; False when its beginning is another."""
        begin = hashlib.sha256()
        with part.open("rb") as whole:
            left = held.size
            while left > 0 and (piece := whole.read(min(1 << 20, left))):
                begin.update(piece)
                left -= len(piece)
            if left or begin.digest() != held.digest.digest():
                return False
            with target.open("ab") as file:
                file.write(whole.read())
        return True

    def _download(self, entry: FileEntry, start: int, digest: "_Hash") -> "Tuple[Path, _Hash]":
        part = self.folder / ".part"
        try:
            with part.open("wb") as file:

                def take(piece: bytes) -> None:
                    digest.update(piece)
                    file.write(piece)

                self._fetch(entry, start, take)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return part, digest

    def place(self, path: str) -> Path:
        """Where a file lies. Raises ValueError for a path that could mean another place."""
        parts = path.split("/")
        if _UNSAFE.search(path) or any(part in {"", ".", ".."} for part in parts) or parts[0] == ".part":
            raise ValueError(f"{path[:80]!r} is not a plain relative path")
        return self.folder.joinpath(*parts)
