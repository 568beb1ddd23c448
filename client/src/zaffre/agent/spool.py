"""The log of an attempt on the node's disk: its beginning in one file, its end in a few that follow each other.

The supervisor writes and the agent reads, in other processes: a file is only ever appended to, and removed when it
is too far from the end. So a reader needs no lock, and a flood of output takes no more disk than the two limits.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import List, Tuple

from zaffre.agent import marks
from zaffre.agent.marks import OTHER, Mark, MarkWriter

HEAD_BYTES = TAIL_BYTES = 32 * 1024 * 1024
#: The end is kept in files of this size, so one more of it than the limit.
SEGMENT = 4 * 1024 * 1024


class Spool:
    """Bytes of the program's output by their offset. `head` and `tail` are what the studio keeps of a log."""

    def __init__(self, path: Path, *, head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> None:
        self.path = path
        self.head = head
        self.tail = tail

    def segments(self) -> List[Tuple[int, Path]]:
        """(offset, file) of what is kept of the end, in order."""
        front = f"{self.path.name}."
        found = []
        for file in self.path.parent.glob(f"{front}*"):
            number = file.name[len(front) :]
            if number.isdigit():
                found.append((int(number), file))
        return sorted(found)

    def files(self) -> List[Tuple[int, Path]]:
        return [(0, self.path), *self.segments()]

    @property
    def length(self) -> int:
        """How many bytes the program has written."""
        for offset, file in reversed(self.files()):
            try:
                return offset + file.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def read(self, start: int, most: int) -> Tuple[int, bytes]:
        """(offset, bytes): up to `most` bytes from `start`, or from the first place after it that is kept."""
        files = self.files()
        for at, (offset, file) in enumerate(files):
            try:
                with file.open("rb") as source:
                    size = os.fstat(source.fileno()).st_size
                    if offset + size <= start:
                        continue
                    begin = max(start, offset)
                    source.seek(begin - offset)
                    data = source.read(most)
            except FileNotFoundError:
                # Removed since it was listed: what follows it is the nearest that is left. The first file is never
                # removed: without it nothing was written.
                if at and at == len(files) - 1:
                    return self.read(start, most)
                continue
            return begin, data
        return start, b""

    def marks(self, start: int, end: int) -> List[Mark]:
        """When and by which stream bytes [start, end) were written, as far as that is known and kept."""
        for offset, file in reversed(self.files()):
            if offset <= start:
                return marks.read(file, start, end)
        return []

    def append(self, data: bytes) -> None:
        """Write at the end from a process that does not hold the program's pipe."""
        writer = SpoolWriter(self)
        try:
            writer.write(data)
        finally:
            writer.close()


class SpoolWriter:
    """The one who writes at a time. Bytes that the disk does not take count, too, and are lost."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._offset, file = spool.files()[-1]
        self._file = file
        self._handle = _open(file)
        self._size = os.fstat(self._handle).st_size
        self._end = self._offset + self._size
        self._marks = MarkWriter(file)
        #: The file does not reach to the end any more: bytes were lost.
        self._broken = False
        #: How many bytes.
        self.lost = 0

    def write(self, data: bytes, stream: int = OTHER) -> None:
        """Append what a stream said just now, and let go of what is too far from the end."""
        view, moment = memoryview(data), int(time.time() * 1000)
        while view:
            if (self._broken or self._size >= self._most) and not self._begin():
                break
            self._marks.note(self._end, self._size, moment, stream)
            try:
                done = os.write(self._handle, view[: self._most - self._size])
            except OSError:
                break
            self._size += done
            self._end += done
            view = view[done:]
        if view:
            # A full disk must not stop the program: the name of the next file says where the bytes go on.
            self._end += len(view)
            self.lost += len(view)
            self._broken = True

    @property
    def _most(self) -> int:
        return SEGMENT if self._offset else max(1, self.spool.head)

    def _begin(self) -> bool:
        """Go on in a new file; False when there can be none."""
        file = self.spool.path.with_name(f"{self.spool.path.name}.{self._end}")
        try:
            handle = _open(file)
        except OSError:
            return False
        os.close(self._handle)
        self._marks.close()
        if self._size == 0 and self._offset and self._file != file:
            _forget(self._file)
        self._marks = MarkWriter(file)
        self._handle, self._file, self._offset, self._size, self._broken = handle, file, self._end, 0, False
        segments = self.spool.segments()
        for at, (following, _) in enumerate(segments[1:]):
            if following <= self._end - self.spool.tail:
                _forget(segments[at][1])
        return True

    def sync(self) -> None:
        os.fsync(self._handle)

    def close(self) -> None:
        os.close(self._handle)
        self._marks.close()


def _forget(file: Path) -> None:
    file.unlink(missing_ok=True)
    marks.beside(file).unlink(missing_ok=True)


def _open(file: Path) -> int:
    return os.open(str(file), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
