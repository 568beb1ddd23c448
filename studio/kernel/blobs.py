"""Bytes named by their SHA-256. A blob without a row is garbage; a row without a blob cannot exist."""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import connection, transaction

from studio.kernel import db
from studio.kernel.errors import Invalid, NotFound, TooLarge
from studio.kernel.models import BlobRef
from zaffre.protocol import SHA256_RE

PIECE = 1024 * 1024
MAX_BLOB = 5 * 1024**3
#: Any number, the same everywhere.
STORE_LOCK = 7_305_163


def _path(sha256: str) -> Path:
    if not SHA256_RE.match(sha256):
        raise Invalid(f"{sha256[:80]!r} is not a SHA-256 in lower-case hexadecimal.")
    return settings.BLOB_DIR / sha256[:2] / sha256[2:4] / sha256


class Incoming:
    """A blob on its way in: hashed while written, visible only when whole.

    Use as a context manager; `keep()` makes it durable, leaving without it drops the bytes.
    """

    def __init__(self, *, limit: int = MAX_BLOB) -> None:
        handle, self._name = tempfile.mkstemp(dir=staging())
        self._file = os.fdopen(handle, "wb")
        self._hash = hashlib.sha256()
        self._limit = limit
        self.size = 0

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        Path(self._name).unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Add bytes. Raises TooLarge past the limit."""
        self.size += len(piece)
        if self.size > self._limit:
            raise TooLarge(f"The file is larger than {self._limit} bytes, the most one file may be.")
        self._hash.update(piece)
        self._file.write(piece)

    def keep(self, *, workspace_id: int, expected: str | None = None) -> tuple[str, int]:
        """Make it durable for the workspace; return (sha256, size). Raises Invalid on a wrong hash."""
        sha256 = self._hash.hexdigest()
        if expected is not None and sha256 != expected:
            raise Invalid(
                "The bytes do not have the announced SHA-256: they were changed or cut on the way.",
                code="digest_mismatch",
                hint="Send the file again.",
                expected=expected,
                received=sha256,
            )
        self._file.flush()
        adopt(Path(self._name), sha256, workspace_id=workspace_id)
        return sha256, self.size


def staging() -> Path:
    """Where bytes wait until they are whole. Who writes to nothing there for an hour is given up."""
    folder = settings.BLOB_DIR / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def adopt(staged: Path, sha256: str, *, workspace_id: int) -> None:
    """Make a whole file of the staging folder, whose hash the caller has taken, a blob of the workspace."""
    target = _path(sha256)
    size = staged.stat().st_size
    synced = not target.exists()
    if synced:
        _sync(staged)
    with transaction.atomic():
        lock_store()
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if not synced:
                _sync(staged)
            os.replace(staged, target)
            _sync(target.parent)
            with target.open("rb") as kept:  # whoever calls has just hashed it
                _good[sha256] = _state(kept)
        hold([(workspace_id, sha256, size)])


def lock_store(*, alone: bool = False) -> None:
    """Until the commit, files come into the store; with `alone` they go, and none comes."""
    with connection.cursor() as cursor:
        # Shared by all who add: they do not wait for each other.
        cursor.execute(f"SELECT pg_advisory_xact_lock{'' if alone else '_shared'}(%s)", [STORE_LOCK])


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(pieces: Iterable[bytes], *, workspace_id: int, expected: str | None = None) -> tuple[str, int]:
    """Store bytes for a workspace; return (sha256, size)."""
    with Incoming() as incoming:
        for piece in pieces:
            incoming.write(piece)
        return incoming.keep(workspace_id=workspace_id, expected=expected)


def put_many(files: Sequence[tuple[str, bytes]], *, workspace_id: int) -> int:
    """Store small files under the hashes they are announced with, all or none; return how many bytes they have.

    Raises Invalid `digest_mismatch` for the first whose bytes are others.
    """
    for at, (sha256, data) in enumerate(files):
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Invalid(
                f"The bytes of file {at + 1} do not have the announced SHA-256: they were changed or cut on the way.",
                code="digest_mismatch",
                hint="Send the files again.",
                expected=sha256,
            )
    held = dict(files)
    with Arriving(held) as arriving, transaction.atomic():
        arriving.move(held)
        hold([(workspace_id, sha256, len(data)) for sha256, data in held.items()])
    return sum(len(data) for _, data in files)


class Arriving:
    """Small files that are in memory, on their way in together. The caller has taken their hashes.

    As a context manager: made durable at once, beside each other; `move` makes them blobs, and what was not moved goes.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._staged: dict[str, Path] = {}

    def __enter__(self) -> "Arriving":
        new = [sha256 for sha256 in self._files if not _path(sha256).exists()]
        try:
            folder = staging()
            made = (map if len(new) == 1 else _writers().map)(lambda sha256: _stage(self._files[sha256], folder), new)
            self._staged.update(zip(new, made, strict=True))
        except BaseException:
            self.__exit__()
            raise
        return self

    def move(self, sha256s: Iterable[str]) -> None:
        """Into the store, inside of the transaction that says who holds them (`hold`)."""
        lock_store()
        # Also what was there a moment ago and was collected since.
        lacking = [sha256 for sha256 in sha256s if not _path(sha256).exists()]
        for sha256 in lacking:
            _path(sha256).parent.mkdir(parents=True, exist_ok=True)
            if sha256 not in self._staged:
                self._staged[sha256] = _stage(self._files[sha256], staging())
            os.replace(self._staged.pop(sha256), _path(sha256))
        folders = {_path(sha256).parent for sha256 in lacking}
        list((map if len(folders) == 1 else _writers().map)(_sync, folders))

    def __exit__(self, *_: object) -> None:
        for place in self._staged.values():
            place.unlink(missing_ok=True)


def _stage(data: bytes, folder: Path) -> Path:
    # Few calls of the system for each: a pack has hundreds of files.
    place = folder / secrets.token_hex(16)
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    return place


@cache
def _writers() -> ThreadPoolExecutor:
    """A disk makes many files durable at once for little more than the price of one."""
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="blobs")


def hold(files: Iterable[tuple[int, str, int]]) -> None:
    """Write down which workspaces hold these blobs: (workspace, hash, size) of each, in the transaction of `move`."""
    # In one order everywhere: two transactions with the same hashes must not wait for each other.
    columns = zip(*sorted(set(files)), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [list(column) for column in columns] or [[], [], []])


_HOLD = """
INSERT INTO kernel_blobref (workspace_id, sha256, size, created)
SELECT new.*, now() FROM unnest(%s::bigint[], %s::varchar[], %s::bigint[]) AS new(workspace_id, sha256, size)
ON CONFLICT (workspace_id, sha256) DO UPDATE SET unnamed = NULL
"""


def missing(sha256s: Iterable[str], *, workspace_id: int) -> list[str]:
    """Return which of the hashes this workspace does not hold, in the order asked."""
    asked = list(dict.fromkeys(sha256s))
    for sha256 in asked:
        _path(sha256)
    rows = BlobRef.objects.filter(workspace_id=workspace_id, sha256__in=asked)
    rows.filter(unnamed__isnull=False).update(unnamed=None)
    # A file that was set aside or lost counts as missing: whoever sends it again repairs it for all.
    held = {sha256 for sha256 in rows.values_list("sha256", flat=True) if _path(sha256).exists()}
    return [sha256 for sha256 in asked if sha256 not in held]


def is_there(sha256: str) -> bool:
    """Whether the file lies in the store: one that rows name may have been lost, or set aside as damaged."""
    return _path(sha256).exists()


def sizes(sha256s: Iterable[str], *, workspace_id: int) -> dict[str, int]:
    """Return the size in bytes of each hash that this workspace holds, for a list that will name them."""
    asked = {"workspace": workspace_id, "hashes": list(sha256s)}
    # Waits for a collection that is taking them away, and keeps the next one from it.
    db.ask(_NAMED, asked)
    return dict(db.ask(_SIZES, asked))


_NAMED = """
UPDATE kernel_blobref SET unnamed = NULL
WHERE workspace_id = %(workspace)s AND sha256 = ANY(%(hashes)s) AND unnamed IS NOT NULL RETURNING id
"""
_SIZES = "SELECT sha256, size FROM kernel_blobref WHERE workspace_id = %(workspace)s AND sha256 = ANY(%(hashes)s)"


def open_blob(sha256: str) -> BinaryIO:
    """Open for reading. The caller has found the hash in a row that the actor may read."""
    try:
        return _path(sha256).open("rb")
    except FileNotFoundError:
        raise NotFound("The bytes of this file are no longer in the store.", code="blob_missing") from None


def read_small(sha256: str) -> bytes:
    """The bytes of a file that fits into memory. Raises NotFound `blob_missing`, `blob_damaged`."""
    return b"".join(read(sha256))


def read(sha256: str) -> Iterator[bytes]:
    """Yield the bytes in pieces, and fail before the last one when they are not what they were.

    A file larger than a piece is hashed once for as long as the disk describes it as it did then.
    """
    digest = hashlib.sha256()
    held = b""
    with open_blob(sha256) as source:
        if _good.get(sha256) == _state(source) and os.fstat(source.fileno()).st_size > PIECE:
            while piece := source.read(PIECE):
                yield piece
            return
        while piece := source.read(PIECE):
            if held:
                yield held
            digest.update(piece)
            held = piece
        if digest.hexdigest() != sha256:
            raise NotFound("The stored bytes are damaged and were not served.", code="blob_damaged")
        _good[sha256] = _state(source)
    yield held


def read_part(sha256: str, start: int, end: int) -> Iterator[bytes]:
    """Yield bytes [start, end). The whole file is checked first, unless it was since it last changed on the disk.

    Raises NotFound `blob_damaged`.
    """
    with open_blob(sha256) as source:
        if _good.get(sha256) != _state(source):
            for _ in read(sha256):
                pass
        source.seek(start)
        while start < end and (piece := source.read(min(PIECE, end - start))):
            yield piece
            start += len(piece)


def _state(source: BinaryIO) -> tuple[int, int, int, int]:
    facts = os.fstat(source.fileno())
    while len(_good) > 10_000:
        _good.pop(next(iter(_good)), None)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


#: Files whose hash this process has checked, as the disk described them then.
_good: dict[str, tuple[int, int, int, int]] = {}


def path_of(sha256: str) -> Path:
    """The file behind a blob, for readers that need a path on this host."""
    return _path(sha256)
