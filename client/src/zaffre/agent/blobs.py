"""The node's cache of content: each file of snapshots, data and models is fetched once and checked."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, List

from zaffre.agent.disk import UnsafePath, safe_parts
from zaffre.agent.door import Door, Refused, Stopped, Unreachable, rest
from zaffre.packs import in_packs, unpack
from zaffre.protocol import PACK_BELOW, SHA256_RE, FileEntry

#: A checked blob carries this time; one that was changed afterwards carries another and is checked again.
_CHECKED = 1_000_000_000
_TRIES = 3


class DamagedContent(Exception):
    """What came is not what its hash says, several times."""


class Blobs:
    """Files by SHA-256 below one folder. Threads and agents may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        if not SHA256_RE.match(sha256):
            raise UnsafePath(f"{sha256[:80]!r} is no SHA-256")
        return self.folder / sha256[:2] / sha256

    def held(self, sha256: str) -> bool:
        """True when the blob is here and its bytes are the right ones; a changed one is removed."""
        path = self.path(sha256)
        try:
            facts = path.stat()
        except FileNotFoundError:
            return False
        if facts.st_mtime_ns == _CHECKED * 10**9:
            return True
        if file_hash(path) == sha256:
            os.utime(str(path), (_CHECKED, _CHECKED))
            return True
        path.unlink(missing_ok=True)
        return False

    def fetch(self, sha256: str, *, door: Door, address: str, until: Callable[[], bool]) -> Path:
        """The path of a blob, downloaded from `address` if it is not held.

        Waits for a studio that is away. Raises Refused, Stopped when `until()`, DamagedContent.
        """
        path = self.path(sha256)
        damaged, pause = 0, 0.2
        while not self.held(sha256):
            if until():
                raise Stopped("stopped while downloading")
            try:
                self._download(path, sha256, door, address)
            except Unreachable as error:
                rest(max(pause, error.retry_after), until)
                pause = min(pause * 2, 5.0)
            except DamagedContent:
                damaged += 1
                if damaged >= _TRIES:
                    raise
        return path

    def _fetch_small(self, files: List[FileEntry], *, door: Door, address: str, until: Callable[[], bool]) -> None:
        """Have what comes in packs; what is left or damaged then is fetched by itself, as the rest."""
        small = {entry["sha256"]: entry["size"] for entry in files if entry["size"] < PACK_BELOW}
        lacking = [sha256 for sha256 in small if not self.held(sha256)]
        for group in in_packs(lacking, lambda sha256: small[sha256]):
            if len(group) == 1:
                continue
            try:
                answer = door.insist("POST", f"{address}/pack", {"files": group}, until=until, timeout=60)
                found = unpack(answer.body)
            except (Refused, ValueError):
                return  # whoever asks for each by itself is told what is wrong, and with which
            for sha256, data in found:
                if sha256 in small and hashlib.sha256(data).hexdigest() == sha256:
                    self._keep(self.path(sha256), data)

    def _keep(self, path: Path, data: bytes) -> None:
        with _new_blob(path) as file:
            file.write(data)

    def _download(self, path: Path, sha256: str, door: Door, address: str) -> None:
        digest = hashlib.sha256()
        with _new_blob(path) as file:

            def take(piece: bytes) -> None:
                digest.update(piece)
                file.write(piece)

            door.call("GET", f"{address}/{sha256}", stream_to=take, timeout=60)
            if digest.hexdigest() != sha256:
                raise DamagedContent(f"What came for {sha256[:12]}… has the hash {digest.hexdigest()[:12]}….")

    def lay_out(
        self,
        files: List[FileEntry],
        folder: Path,
        *,
        door: Door,
        address: str,
        until: Callable[[], bool],
        link: bool = False,
    ) -> int:
        """Put the files of a manifest into the new or empty `folder`; returns the number of bytes.

        With `link` they share their bytes with the cache and are read-only; without, they are copies that
        may be written. All paths are judged before the first is made. Raises UnsafePath and as `fetch`.
        """
        wanted = [(safe_parts(entry["path"]), entry) for entry in files]
        if len({parts for parts, _ in wanted}) != len(wanted):
            raise UnsafePath("the manifest names a file twice")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fetch_small(files, door=door, address=address, until=until)
        total = 0
        for parts, entry in wanted:
            source = self.fetch(entry["sha256"], door=door, address=address, until=until)
            target = folder.joinpath(*parts)
            try:
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                total += _place(source, target, link=link, executable=bool(entry.get("mode", 0) & 0o111))
            except (FileExistsError, NotADirectoryError):
                raise UnsafePath(f"{entry['path']!r} is a file and a folder at once") from None
        return total


@contextmanager
def _new_blob(path: Path) -> Iterator[BinaryIO]:
    """A file to write; it is the checked blob at `path` when the block ends well, and else not there."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=str(path.parent))
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, 0o444)
        os.utime(name, (_CHECKED, _CHECKED))
        os.replace(name, str(path))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while True:
            piece = file.read(1 << 20)
            if not piece:
                return digest.hexdigest()
            digest.update(piece)


def _place(source: Path, target: Path, *, link: bool, executable: bool) -> int:
    if link:
        try:
            os.link(str(source), str(target))
            return target.stat().st_size
        except FileExistsError:
            raise
        except OSError:
            pass  # another file system, or too many links: copy
    size = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    mode = 0o400 if link else (0o700 if executable else 0o600)
    with source.open("rb") as reading, os.fdopen(os.open(str(target), flags, mode), "wb") as writing:
        while True:
            piece = reading.read(1 << 20)
            if not piece:
                return size
            writing.write(piece)
            size += len(piece)
