"""Reading zip files from outside: every promise of the directory is checked before a byte is believed.

Our own walk of the central directory, because the standard library's reader accepts what must not pass here:
overlapping entries (a small file that unpacks to terabytes), doubled names, links, and names that differ
between the directory and the entry. Nothing is ever unpacked to a path; members are read as streams.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from studio.kernel import paths
from studio.kernel.errors import Invalid, TooLarge

PIECE = 1024 * 1024
#: Above this size a member, and all of them together, may be at most so many times larger than packed.
SMALL = 10 * 1024 * 1024
MAX_RATIO = 200
#: A directory of 2000 files takes about 300 kB.
MAX_DIRECTORY = 16 * 1024 * 1024

STORED, DEFLATED = 0, 8
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_DOS_FOLDER = 0x10

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 65535


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file inside of an archive."""

    path: str
    size: int
    packed: int
    executable: bool
    crc: int
    method: int
    #: Where its packed bytes begin.
    start: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the directory as it stands there."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    offset: int


def open_zip(file: BinaryIO, *, max_files: int, max_bytes: int) -> list[Member]:
    """Return the files of a zip in the order of its directory; folders are left out.

    Raises Invalid for whatever is no plain, honest zip of regular files with safe names, TooLarge over a
    limit. The contents are checked by `read`.
    """
    length = file.seek(0, os.SEEK_END)
    at, count, size, offset = _end(file, length)
    # Folders are entries too, and every file may have one of its own.
    if count > 2 * max_files:
        raise TooLarge(f"{count} entries, and at most {max_files} files are allowed.", code="too_many_files")
    file.seek(offset)
    entries = _entries(file.read(size), count)
    members: list[Member] = []
    folders: set[str] = set()
    ranges: list[tuple[int, int, str]] = []
    for entry in entries:
        path, is_folder = _named(entry)
        start, end = _local(file, entry, path, directory=at - size)
        ranges.append((entry.offset, end, path))
        if is_folder:
            folders.add(path)
            continue
        _refuse_bomb(path, entry.size, entry.packed)
        members.append(
            Member(
                path=path,
                size=entry.size,
                packed=entry.packed,
                executable=bool(entry.attributes >> 16 & 0o100),
                crc=entry.crc,
                method=entry.method,
                start=start,
            )
        )
    _refuse_overlaps(ranges)
    _refuse_doubles(members, folders)
    _refuse_size(members, max_files=max_files, max_bytes=max_bytes)
    return members


def read(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """Yield a member's bytes in pieces, never more than its directory promised.

    Raises Invalid `damaged` when they are not what the directory says; the last piece is then not yielded.
    """
    crc = size = 0
    held = b""
    for piece in _unpacked(file, member):
        if held:
            yield held
        size += len(piece)
        if size > member.size:
            raise _damaged(member, "is longer than announced")
        crc = zlib.crc32(piece, crc)
        held = piece
    if size != member.size:
        raise _damaged(member, "is shorter than announced")
    if crc != member.crc:
        raise _damaged(member, "does not have its checksum")
    yield held


def verify(file: BinaryIO, members: list[Member]) -> None:
    """Read everything once and keep nothing. Raises Invalid `damaged` for the first member that is not whole."""
    for member in members:
        for _ in read(file, member):
            pass


def _bad(text: str, *, code: str = "bad_zip", **details: object) -> Invalid:
    return Invalid(text, code=code, hint="Pack the folder again with an ordinary zip program.", **details)


def _damaged(member: Member, what: str) -> Invalid:
    return _bad(f"The file {member.path} in the archive {what}.", code="damaged", path=member.path)


def _end(file: BinaryIO, length: int) -> tuple[int, int, int, int]:
    """(where the end record is, number of entries, size and offset of the directory)."""
    tail = min(length, _END.size + _MAX_COMMENT)
    file.seek(length - tail)
    data = file.read(tail)
    found = data.rfind(b"PK\5\6")
    if found < 0 or len(data) - found < _END.size:
        raise _bad("This is not a zip file.")
    _, disk, first, here, count, size, offset, comment = _END.unpack_from(data, found)
    at = length - tail + found
    if 0xFFFF in (disk, first, here, count) or 0xFFFFFFFF in (size, offset):
        raise _bad("This zip file is of the kind for more than 4 GB (Zip64), which is not taken here.")
    if disk or first or here != count:
        raise _bad("This zip file is one part of several.")
    if at + _END.size + comment != length or offset + size != at:
        raise _bad("This zip file has bytes before its beginning or after its end, or is cut.")
    if size > MAX_DIRECTORY:
        raise TooLarge(f"The directory of the archive is {size} bytes, and at most {MAX_DIRECTORY} are read.")
    return at, count, size, offset


def _entries(data: bytes, count: int) -> list[_Entry]:
    found: list[_Entry] = []
    at = 0
    while at < len(data):
        if len(data) - at < _ENTRY.size or data[at : at + 4] != b"PK\1\2":
            raise _bad("The directory of the archive is damaged.")
        (_, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, attributes, offset) = (
            _ENTRY.unpack_from(data, at)
        )
        name_end = at + _ENTRY.size + name
        if name_end + extra + comment > len(data) or disk:
            raise _bad("The directory of the archive is damaged.")
        found.append(
            _Entry(
                name=data[at + _ENTRY.size : name_end],
                flags=flags,
                method=method,
                crc=crc,
                packed=packed,
                size=size,
                attributes=attributes,
                offset=offset,
            )
        )
        at = name_end + extra + comment
    if len(found) != count:
        raise _bad("The directory of the archive does not hold as many entries as it says.")
    return found


def _named(entry: _Entry) -> tuple[str, bool]:
    """(safe path, whether it is a folder). Raises Invalid for names and kinds that are not taken."""
    # Without the flag the standard says code page 437, which gives every byte some character.
    try:
        text = entry.name.decode("utf-8" if entry.flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise _bad("A name in the archive is not valid UTF-8.") from None
    is_folder = text.endswith("/")
    path = paths.clean(text[:-1] if is_folder else text)
    if entry.flags & _ENCRYPTED:
        raise _bad(f"The file {path} in the archive is encrypted.", code="encrypted", path=path)
    if entry.method not in (STORED, DEFLATED):
        raise _bad(f"The file {path} is packed by a method that is not taken here ({entry.method}).", path=path)
    # Unix keeps the kind of a file in the upper half. Whatever system the entry names, a link is none of ours.
    kind = stat.S_IFMT(entry.attributes >> 16)
    if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG):
        raise _bad(f"{path} in the archive is no regular file.", code="not_a_file", path=path)
    if not is_folder and entry.attributes & _DOS_FOLDER:
        raise _bad(f"{path} in the archive is a file and a folder at once.", code="not_a_file", path=path)
    if is_folder and entry.size:
        raise _bad(f"The folder {path} in the archive holds bytes of its own.", path=path)
    if entry.method == STORED and entry.size != entry.packed:
        raise _bad(f"The file {path} is stored, and yet has two sizes.", path=path)
    return path, is_folder


def _local(file: BinaryIO, entry: _Entry, path: str, *, directory: int) -> tuple[int, int]:
    """(beginning, end) of an entry's bytes, as its own header says. Raises Invalid when the two do not agree."""
    file.seek(entry.offset)
    head = file.read(_LOCAL.size)
    if entry.offset + _LOCAL.size > directory or head[:4] != b"PK\3\4":
        raise _bad(f"The entry of {path} in the archive is damaged.", path=path)
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack(head)
    start = entry.offset + _LOCAL.size + name + extra
    if file.read(name) != entry.name or method != entry.method or (flags ^ entry.flags) & (_ENCRYPTED | _UTF8):
        raise _bad(f"The archive calls {path} by two names or kinds.", path=path)
    # With this flag the sizes come after the bytes, and these are zero; in a Zip64 header they are all ones.
    announced = (crc, packed, size)
    if not flags & 0x8 and 0xFFFFFFFF not in announced and announced != (entry.crc, entry.packed, entry.size):
        raise _bad(f"The archive gives {path} two sizes.", path=path)
    if start + entry.packed > directory:
        raise _bad(f"The bytes of {path} reach beyond their place in the archive.", path=path)
    return start, start + entry.packed


def _refuse_overlaps(ranges: list[tuple[int, int, str]]) -> None:
    end = 0
    for begin, until, path in sorted(ranges):
        if begin < end:
            raise _bad(f"{path} shares its bytes with another file of the archive.", code="overlap", path=path)
        end = until


def _refuse_doubles(members: list[Member], folders: set[str]) -> None:
    seen: set[str] = set()
    for member in members:
        if member.path in seen:
            raise _bad(f"The archive holds {member.path} twice.", path=member.path)
        seen.add(member.path)
    for path in [*folders, *(member.path for member in members)]:
        parent = path if path in folders else path.rpartition("/")[0]
        while parent:
            if parent in seen:
                raise _bad(f"{parent} in the archive is a file and a folder at once.", path=parent)
            parent = parent.rpartition("/")[0]


def _refuse_bomb(what: str, size: int, packed: int) -> None:
    if size > SMALL and size > MAX_RATIO * packed:
        raise _bad(f"{what} is more than {MAX_RATIO} times as large as packed.", code="bomb", path=what)


def _refuse_size(members: list[Member], *, max_files: int, max_bytes: int) -> None:
    if len(members) > max_files:
        raise TooLarge(f"{len(members)} files, and at most {max_files} are allowed.", code="too_many_files")
    total = sum(member.size for member in members)
    if total > max_bytes:
        biggest = sorted(members, key=lambda member: -member.size)[:10]
        raise TooLarge(
            f"The files are {total} bytes together, and at most {max_bytes} are allowed, {biggest[0].path} first.",
            biggest=[{"path": member.path, "size": member.size} for member in biggest],
        )
    _refuse_bomb("The whole archive", total, sum(member.packed for member in members))


def _unpacked(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """What a member's packed bytes give, in pieces of at most PIECE bytes."""
    # Each read says where: another reader may have moved the file since the last piece.
    at, left = member.start, member.packed
    if member.method == STORED:
        while left:
            file.seek(at)
            piece = file.read(min(PIECE, left))
            if not piece:
                raise _damaged(member, "is cut")
            at, left = at + len(piece), left - len(piece)
            yield piece
        return
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while left and not unpacker.eof:
            file.seek(at)
            packed = file.read(min(PIECE, left))
            if not packed:
                raise _damaged(member, "is cut")
            at, left = at + len(packed), left - len(packed)
            while packed and not unpacker.eof:
                yield unpacker.decompress(packed, PIECE)
                packed = unpacker.unconsumed_tail
    except zlib.error:
        raise _damaged(member, "cannot be unpacked") from None
    if not unpacker.eof or unpacker.unused_data or left:
        raise _damaged(member, "does not end where it should")
