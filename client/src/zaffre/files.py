"""Files by their SHA-256: sending those that the studio lacks, and fetching with a check."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from zaffre.errors import Refused, SnapshotException, UserErrorException, ZaffreError
from zaffre.packs import in_packs, pack, unpack
from zaffre.parts import open_path, send_parts
from zaffre.progress import Bar
from zaffre.protocol import MAX_HASHES_PER_QUESTION, PACK_BELOW, UPLOAD_FROM_BYTES, FileEntry
from zaffre.transport import Client, rest_of_path

_PIECE = 1 << 20
_AT_ONCE = 4


@dataclass
class LocalFile:
    """A file of this machine under the path that it gets in the studio. `sha256` is empty until hashed."""

    path: str
    place: Path
    size: int
    mode: int = 0o644
    sha256: str = ""

    def entry(self) -> FileEntry:
        return {"path": self.path, "sha256": self.sha256, "size": self.size, "mode": self.mode}


def local_file(path: str, place: Path) -> LocalFile:
    """A regular file with its size. Raises UserErrorException when there is none."""
    try:
        facts = place.stat()
    except OSError as error:
        raise UserErrorException(f"{place} cannot be read: {error.strerror}.") from None
    if not place.is_file():
        raise UserErrorException(f"{place} is no regular file.")
    return LocalFile(path, place, facts.st_size, 0o755 if facts.st_mode & 0o100 else 0o644)


def send(client: Client, blobs: str, files: Sequence[LocalFile], *, uploads: str = "") -> List[FileEntry]:
    """Hash `files`, upload those whose bytes the studio lacks, and return the manifest.

    `blobs` is the address of the door, such as …/workspaces/lab/blobs; `uploads`, if there is one, that of a door
    that takes large files in parts. Raises Refused, Unreachable, and
    SnapshotException when a file changes meanwhile.
    """
    manifest = hashed(files)
    by_hash: Dict[str, LocalFile] = {file.sha256: file for file in files}
    lacking: List[LocalFile] = []
    asked = list(by_hash)
    for at in range(0, len(asked), MAX_HASHES_PER_QUESTION):
        question = asked[at : at + MAX_HASHES_PER_QUESTION]
        answer = client.post(f"{blobs}/missing", {"sha256": question})
        lacking += [by_hash[one] for one in answer["missing"]]
    with Bar("Uploading", sum(file.size for file in lacking)) as bar:
        whole = [file for file in lacking if file.size >= PACK_BELOW and (not uploads or file.size < UPLOAD_FROM_BYTES)]
        packs = in_packs([file for file in lacking if file.size < PACK_BELOW], lambda file: file.size)
        _upload_all([partial(_upload_pack, client, blobs, pack, bar) for pack in packs])
        _upload_all([partial(_upload, client, blobs, file, bar) for file in whole])
        for file in lacking:
            if uploads and file.size >= UPLOAD_FROM_BYTES:
                _upload_in_parts(client, uploads, file, bar)
    return manifest


def hashed(files: Sequence[LocalFile]) -> List[FileEntry]:
    """Hash those `files` that are not yet, and return the manifest. Raises UserErrorException for one that cannot be
    read."""
    new = [file for file in files if not file.sha256]
    with Bar("Reading  ", sum(file.size for file in new)) as bar:
        for file in new:
            _hash(file, bar)
    return [file.entry() for file in files]


def _hash(file: LocalFile, bar: Bar) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with file.place.open("rb") as source:
            for piece in iter(lambda: source.read(_PIECE), b""):
                digest.update(piece)
                size += len(piece)
                bar.add(len(piece))
    except OSError as error:
        raise UserErrorException(f"{file.place} cannot be read: {error.strerror}.") from None
    file.sha256, file.size = digest.hexdigest(), size


def _upload_all(calls: "List[Callable[[], None]]") -> None:
    if not calls:
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(calls))) as workers:
        waiting = [workers.submit(call) for call in calls]
        try:
            for one in waiting:
                one.result()
        except BaseException:
            for one in waiting:
                one.cancel()
            raise


def _upload_pack(client: Client, blobs: str, files: List[LocalFile], bar: Bar) -> None:
    body = pack((file.sha256, _reread(file)) for file in files)
    client.call("POST", blobs, make_body=lambda: body)
    bar.add(sum(file.size for file in files))


def _reread(file: LocalFile) -> bytes:
    try:
        data = file.place.read_bytes()
    except OSError as error:
        raise SnapshotException(f"{file.place} cannot be read any more: {error}.") from None
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise _changed(file)
    return data


def _changed(file: LocalFile) -> SnapshotException:
    return SnapshotException(f"{file.path} changed while it was uploaded.", hint="Try again when nothing writes to it.")


def _upload(client: Client, blobs: str, file: LocalFile, bar: Bar) -> None:
    def make_body() -> BinaryIO:
        return file.place.open("rb")

    try:
        # http.client asks a file for its length by itself only in part of the versions that we support.
        client.call("PUT", f"{blobs}/{file.sha256}", make_body=make_body, headers={"Content-Length": str(file.size)})
    except Refused as error:
        if error.code == "digest_mismatch":
            raise _changed(file) from None
        raise
    except OSError as error:
        raise SnapshotException(f"{file.place} cannot be read any more: {error}.") from None
    bar.add(file.size)


def _upload_in_parts(client: Client, uploads: str, file: LocalFile, bar: Bar) -> None:
    def ask(method: str, path: str, value: Any, body: Optional[bytes], headers: Dict[str, str]) -> Dict[str, Any]:
        make_body = None if body is None else lambda: body
        return dict(client.call(method, path, value, make_body=make_body, headers=headers).json())

    opened = lambda: open_path(file.place)  # noqa: E731
    try:
        send_parts(ask, uploads, opened, size=file.size, sha256=file.sha256, moved=bar.add)
    except Refused as error:
        if error.code == "digest_mismatch":
            raise _changed(file) from None
        raise
    except OSError as error:
        raise SnapshotException(f"{file.place} cannot be read any more: {error}.") from None


def fetch(
    client: Client,
    address: Callable[[FileEntry], str],
    entries: Sequence[FileEntry],
    folder: Path,
    *,
    overwrite: bool = False,
    packs: str = "",
    name: Callable[[FileEntry], str] = lambda entry: entry["path"],
) -> List[Path]:
    """Download `entries` below `folder`, each under its path, checked by its hash; returns the paths.

    `packs`, if there is one, is the address of a door that gives small files together, by their `name`.
    Raises UserErrorException for a file that exists (unless `overwrite`, or with the same bytes) and for a
    path that would leave the folder, ZaffreError for damaged bytes.
    """
    folder = folder.expanduser().absolute()
    targets = [folder / Path(*safe_parts(entry["path"])) for entry in entries]
    wanted = []
    for entry, target in zip(entries, targets):  # noqa: B905 - Python 3.9 has no `strict`
        if target.exists() and not overwrite:
            if entry.get("sha256") and _digest(target) == entry["sha256"]:
                continue
            raise UserErrorException(f"{target} exists with other content.", hint="Choose another folder.")
        wanted.append((entry, target))
    with Bar("Fetching ", sum(int(entry.get("size") or 0) for entry, _ in wanted)) as bar:
        small: List[Tuple[FileEntry, Path]] = []
        rest: List[Tuple[FileEntry, Path]] = []
        for entry, target in wanted:
            packed = packs and entry.get("sha256") and entry["size"] < PACK_BELOW
            (small if packed else rest).append((entry, target))
        for group in in_packs(small, lambda one: one[0]["size"]):
            _fetch_pack(client, packs, [(name(entry), target) for entry, target in group], bar)
        for entry, target in rest:
            fetch_one(client, address(entry), target, sha256=entry.get("sha256"), bar=bar)
    return targets


def _fetch_pack(client: Client, packs: str, files: "List[Tuple[str, Path]]", bar: Bar) -> None:
    while files:
        answer = client.call("POST", packs, {"files": [name for name, _ in files]})
        try:
            found = unpack(answer.body)
        except ValueError as error:
            raise ZaffreError(f"The answer of the studio is no pack of files: {error}.") from None
        if not found:
            raise ZaffreError(f"The studio gave none of {len(files)} files.", hint="Try again.")
        for (_, target), (sha256, data) in zip(files, found):  # noqa: B905 - the rest is asked for next
            with _new_file(target) as file:
                file.write(data)
                _check(target, hashlib.sha256(data).hexdigest(), sha256)
            bar.add(len(data))
        files = files[len(found) :]


def fetch_one(
    client: Client, address: str, target: Path, *, sha256: Optional[str] = None, bar: Optional[Bar] = None
) -> None:
    """Download one file; it appears under its name only when it is whole. Raises ZaffreError for damaged bytes."""
    digest = hashlib.sha256()
    with _new_file(target) as file:

        def take(piece: bytes) -> None:
            digest.update(piece)
            file.write(piece)
            if bar:
                bar.add(len(piece))

        client.call("GET", address, stream_to=take)
        _check(target, digest.hexdigest(), sha256)


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write; it appears under its name when the block ends well, and else not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", dir=str(target.parent))
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, str(target))
    except BaseException:
        if os.path.exists(name):
            os.unlink(name)
        raise


def _check(target: Path, found: str, wanted: Optional[str]) -> None:
    if wanted and found != wanted:
        raise ZaffreError(f"The bytes of {target.name} were damaged on the way.", hint="Try again.")


def safe_parts(path: str) -> "tuple[str, ...]":
    """The parts of a relative path from the studio. Raises ZaffreError when it would leave its folder."""
    parts = tuple(path.split("/"))
    if not path or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts) or path[1:2] == ":":
        raise ZaffreError(f"The studio named a file {path[:80]!r}, which would leave its folder.")
    return parts


def quoted(path: str) -> str:
    return rest_of_path(path)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        for piece in iter(lambda: source.read(_PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()
