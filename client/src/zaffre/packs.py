"""Many small files in one body, on both sides of the border between the studio and its clients and nodes."""

from __future__ import annotations

import json
from typing import Callable, Iterable, Iterator, List, Tuple, TypeVar

from zaffre.protocol import MAX_PACK_BYTES, MAX_PACK_FILES, SHA256_RE

One = TypeVar("One")


def pack(files: Iterable[Tuple[str, bytes]]) -> bytes:
    """One body of the contents of several files: a line of JSON, [[sha256, size], …], and then their bytes."""
    held = list(files)
    line = json.dumps([[sha256, len(data)] for sha256, data in held], separators=(",", ":"))
    return b"".join([line.encode(), b"\n", *(data for _, data in held)])


def unpack(body: bytes) -> List[Tuple[str, bytes]]:
    """What `pack` made a body of; nobody has hashed it yet. Raises ValueError when it is no pack."""
    line, found, rest = body.partition(b"\n")
    files, at = [], 0
    table = json.loads(line) if found else None
    if not isinstance(table, list) or len(table) > MAX_PACK_FILES:
        raise ValueError(f"it begins with a line of at most {MAX_PACK_FILES} pairs of a hash and a size")
    for entry in table:
        if not isinstance(entry, list) or len(entry) != 2 or type(entry[1]) is not int or entry[1] < 0:
            raise ValueError("each entry of its first line is [sha256, size]")
        if not isinstance(entry[0], str) or not SHA256_RE.match(entry[0]):
            raise ValueError(f"{str(entry[0])[:80]!r} is no SHA-256 in lower-case hexadecimal")
        files.append((entry[0], rest[at : at + entry[1]]))
        at += entry[1]
    if at != len(rest):
        raise ValueError(f"its first line tells of {at} bytes, and {len(rest)} follow")
    return files


def in_packs(files: Iterable[One], size: Callable[[One], int]) -> Iterator[List[One]]:
    """The files in groups that fit into one pack each. `size` tells the bytes of one."""
    group: List[One] = []
    held = 0
    for one in files:
        if group and (len(group) >= MAX_PACK_FILES or held + size(one) > MAX_PACK_BYTES):
            yield group
            group, held = [], 0
        group.append(one)
        held += size(one)
    if group:
        yield group
