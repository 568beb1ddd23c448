"""When and by which stream a log was written: a small file beside each file of the spool.

It is made of marks of 16 bytes: an offset and what holds from there on. It is written before the bytes it speaks of, is
never longer than half of them, and is lost without harm: then lines have no time, and no byte is missing.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

#: Who wrote: nobody knows or the node itself, standard output, standard error.
OTHER, OUT, ERR = 0, 1, 2

_MARK = struct.Struct("<QQ")
#: A stream that goes on within so many milliseconds needs no new mark.
_SAME_MOMENT = 10
#: What a file of marks may have beyond half of its log.
_SPARE = 128 * 1024
#: Marks of one piece, so that the header stays below what proxies let through.
MOST_TOLD = 300


class Mark(NamedTuple):
    """From `offset` on the bytes came at `time` (ms since 1970; 0 = unknown) by `stream`."""

    offset: int
    time: int
    stream: int


def beside(file: Path) -> Path:
    """Where the marks of a file of the spool lie."""
    return file.with_name(f"{file.name}.when")


class MarkWriter:
    """Writes the marks of one file of the spool."""

    def __init__(self, file: Path) -> None:
        self._handle: Optional[int] = None
        self._size = 0
        self._last = (OTHER, -1)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        with suppress(OSError):
            self._handle = os.open(str(beside(file)), flags, 0o600)
            self._size = os.fstat(self._handle).st_size

    def note(self, offset: int, written: int, time: int, stream: int) -> None:
        """`stream` goes on at `offset`, which is `written` bytes into the file. Never raises."""
        if self._handle is None:
            return
        if self._size > written // 2 + _SPARE:
            time = stream = 0  # more marks than the log is worth: from here on nothing is said
        before, when = self._last
        if stream == before and (time == when or 0 <= time - when < _SAME_MOMENT):
            return
        self._last = (stream, time)
        try:
            self._size += os.write(self._handle, _MARK.pack(offset, time << 2 | stream))
        except OSError:
            self.close()

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def read(file: Path, start: int, end: int) -> List[Mark]:
    """What is known of bytes [start, end) of a file of the spool, the mark that holds at `start` first."""
    try:
        handle = os.open(str(beside(file)), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        count = os.fstat(handle).st_size // _MARK.size
        low, high = 0, count
        while low < high:  # the first mark behind `start`
            middle = (low + high) // 2
            found = _MARK.unpack(os.pread(handle, _MARK.size, middle * _MARK.size))
            low, high = (middle + 1, high) if found[0] <= start else (low, middle)
        first = max(0, low - 1)
        data = os.pread(handle, (MOST_TOLD + 2) * _MARK.size, first * _MARK.size)
    except (OSError, struct.error):
        return []
    finally:
        os.close(handle)
    whole = len(data) - len(data) % _MARK.size
    marks = [Mark(max(offset, start), what >> 2, what & 3) for offset, what in _MARK.iter_unpack(data[:whole])]
    return [mark for mark in marks if mark.offset < end]


def told(marks: List[Mark], start: int, size: int) -> Tuple[str, int]:
    """The header of a piece that begins at `start`, and how many of its `size` bytes the header reaches over."""
    if len(marks) > MOST_TOLD:
        size = marks[MOST_TOLD].offset - start
        marks = marks[:MOST_TOLD]
    words, offset, time = [], start, 0
    for mark in marks:
        words.append(f"{mark.offset - offset}.{mark.time - time}.{mark.stream}")
        offset, time = mark.offset, mark.time
    return " ".join(words), size
