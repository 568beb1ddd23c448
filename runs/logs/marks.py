"""When and by which stream the bytes of a log were written: marks, each of which holds until the next one. Pure.

Marks are hints of the sender about bytes that are right without them: what cannot be read is left out.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from zaffre.protocol import MAX_LOG_CHUNK

Numbers = npt.NDArray[np.int64]

#: Who wrote: nobody knows or the node itself, standard output, standard error.
OTHER, OUT, ERR = 0, 1, 2
STREAMS = {"out": OUT, "err": ERR, "other": OTHER}
#: Nothing is known from here on.
_SILENT = (0, OTHER)
_LATEST = 2**53
_WORD = re.compile(r"(\d{1,9})\.(-?\d{1,16})\.([012])\Z")
#: Characters of the header that are looked at.
_MOST = 16 * 1024

Mark = tuple[int, int, int]


def parse(header: str, start: int) -> list[Mark]:
    """The marks [(offset, ms, stream)] of a piece that begins at `start`, as far as they can be read."""
    marks: list[Mark] = []
    offset, time = start, 0
    for word in header[:_MOST].split():
        match = _WORD.match(word)
        if not match:
            break
        offset, time = offset + int(match[1]), time + int(match[2])
        if offset >= start + MAX_LOG_CHUNK or not 0 <= time < _LATEST:
            break
        marks.append((offset, time, int(match[3])))
    return marks


def within(marks: Sequence[Mark], start: int, end: int) -> list[Mark]:
    """What the marks say of bytes [start, end), beginning at `start`; nothing when they say nothing."""
    found: list[Mark] = []
    for offset, time, stream in marks:
        if offset >= end:
            break
        if offset <= start:
            found = [(start, time, stream)]
        else:
            found.append((offset, time, stream))
    return [silence(start), *found] if found and found[0][0] > start else found


def pack(marks: Iterable[Mark]) -> bytes:
    """Sixteen bytes a mark, so that those of chunks that are joined are joined by `+`."""
    rows = [(offset, time << 2 | stream) for offset, time, stream in marks]
    return np.array(rows, "<i8").tobytes()


def unpack(data: bytes | None) -> tuple[Numbers, Numbers, Numbers]:
    """(offsets, times, streams) of what `pack` made."""
    rows = np.frombuffer(data or b"", "<i8").reshape(-1, 2)
    return rows[:, 0], rows[:, 1] >> 2, rows[:, 1] & 3


def at(marks: tuple[Numbers, Numbers, Numbers], offsets: Numbers) -> tuple[Numbers, Numbers]:
    """(times, streams) that hold at each of the offsets."""
    begins, times, streams = marks
    if not len(begins):
        return np.zeros(len(offsets), np.int64), np.full(len(offsets), OTHER, np.int64)
    found = np.searchsorted(begins, offsets, side="right") - 1
    known = found >= 0
    return np.where(known, times[found], 0), np.where(known, streams[found], OTHER)


def silence(offset: int) -> Mark:
    """From here on nothing is known."""
    return (offset, *_SILENT)


def columns(marks: Sequence[Mark]) -> tuple[Numbers, Numbers, Numbers]:
    """Marks as `at` wants them."""
    return unpack(pack(marks))


def letters(streams: Numbers) -> str:
    """A letter for each of the streams: `-` unknown, `o` output, `e` errors."""
    return "".join("-oe"[one] for one in streams.tolist())
