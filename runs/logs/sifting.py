"""Lines of one stream or of a part of the time: which they are, in a log of any length.

A chunk's marks say whether it can hold any, so of a log of 200 MB with ten errors a few chunks are read.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from django.db import connection, connections

from runs.lines import windows
from runs.lines.windows import LONGEST, MOST_LINES, shown_line
from runs.logs import marks
from runs.logs.lines import LogText, open_log
from runs.logs.models import Log, LogChunk
from runs.logs.queries import bytes_between, marks_between
from studio.kernel.actors import Actor

#: The longest that one question works, and the bytes and rows that it reads at once.
SECONDS = 10.0
BATCH_BYTES, BATCH_ROWS = 4 * 1024 * 1024, 500

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sift:
    """What is wanted: a stream (None = any), and moments in ms since 1970, both of them included."""

    stream: int | None = None
    since: int | None = None
    until: int | None = None

    def __bool__(self) -> bool:
        return self != Sift()

    def keeps(self, times: marks.Numbers, streams: marks.Numbers) -> Mask:
        kept = np.ones(len(times), np.bool_)
        if self.stream is not None:
            kept &= streams == self.stream
        if self.since is not None or self.until is not None:
            kept &= times > 0  # nobody knows when: it is in no part of the time
        if self.since is not None:
            kept &= times >= self.since
        if self.until is not None:
            kept &= times <= self.until
        return kept


@dataclass
class Kept:
    """Lines that were kept, by their numbers."""

    numbers: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    streams: str = ""
    cut: dict[int, int] = field(default_factory=dict)
    #: From where to go on, forwards as `line` and backwards as `before`; null where nothing more can come.
    next: int | None = None
    previous: int | None = None
    #: As those of a page of all lines.
    open: bool = False
    end: int = 0
    resume: int = 0
    length: int = 0
    total: int = 0
    attempt: int = 0


def sift_lines(
    slug: str,
    run_id: str,
    sift: Sift,
    *,
    actor: Actor,
    line: int | None = None,
    before: int | None = None,
    count: int = 500,
    attempt: int | None = None,
) -> Kept:
    """At most `count` of the lines that are wanted: from number `line` on, or the last ones before number `before`.

    Without both those at the end. Fewer when it takes too long: `next` and `previous` say where to go on. Raises as
    get_run does.
    """
    log, number = open_log(slug, run_id, actor=actor, attempt=attempt)
    if log is None:
        return Kept(attempt=number)
    count = max(1, min(count, MOST_LINES))
    text = LogText(log)
    ends_open = windows.open_end(text)
    total = text.newlines + ends_open
    resume = windows.begin_of_last(text) if ends_open else log.length
    facts = Kept(open=ends_open, end=log.length, resume=resume, length=log.length, total=total, attempt=number)
    if line is not None:
        return _forwards(log, sift, max(1, line), count, facts)
    return _backwards(log, sift, total + 1 if before is None else min(before, total + 1), count, facts)


def _forwards(log: Log, sift: Sift, line: int, count: int, facts: Kept) -> Kept:
    start, _ = LogText(log).place_of(line)
    chunks = _promising(log, sift, start, log.length)
    found, upto = _collect(log, sift, chunks, lambda number: number >= line, count)
    facts.next = found[-1][0] + 1 if len(found) == count else upto
    facts.previous = line if line > 1 else None
    return _told(log, found, facts)


def _backwards(log: Log, sift: Sift, before: int, count: int, facts: Kept) -> Kept:
    end = LogText(log).place_of(before - 1)[0] + 1 if before > 1 else 0
    chunks = _promising(log, sift, 0, end)[::-1]
    found, upto = _collect(log, sift, chunks, lambda number: number < before, count, backwards=True)
    found = found[::-1]
    facts.previous = found[0][0] if len(found) == count else upto
    facts.next = before if before <= facts.total else None
    return _told(log, found, facts)


@dataclass(frozen=True)
class _Chunk:
    pk: int
    offset: int
    length: int
    first_line: int
    marks: tuple[marks.Numbers, marks.Numbers, marks.Numbers]


_Line = tuple[int, int, int, int]  # number, offset, time, stream


def _promising(log: Log, sift: Sift, start: int, end: int) -> list[_Chunk]:
    """The chunks of [start, end) that may hold lines which are wanted."""
    rows = LogChunk.objects.filter(log=log, marks__isnull=False, offset__lt=end)
    found = []
    for pk, offset, length, first, data in rows.order_by("offset").values_list(
        "pk", "offset", "length", "first_line", "marks"
    ):
        if offset + length <= start:
            continue
        told = marks.unpack(bytes(data or b""))
        if sift.keeps(told[1], told[2]).any():
            found.append(_Chunk(pk, offset, length, first or 0, told))
    return found


def _collect(
    log: Log, sift: Sift, chunks: list[_Chunk], wanted: Callable[[int], bool], count: int, *, backwards: bool = False
) -> tuple[list[_Line], int | None]:
    """(lines, the number of one to go on from when the time was over)."""
    found: list[_Line] = []
    until = time.monotonic() + SECONDS
    for chunk, data, whole in _read(chunks):
        here = [row for row in _lines_of(log, sift, chunk, data, whole) if wanted(row[0])]
        found += here[::-1] if backwards else here
        if len(found) >= count:
            break
        if time.monotonic() > until:
            # All of this chunk was looked at: the next look ends before it, or begins behind it.
            if backwards:
                return found, chunk.first_line + (1 if whole else 2)
            return found, chunk.first_line + data.count(b"\n") + (1 if data.endswith(b"\n") else 2)
    return found[:count], None


def _read(chunks: list[_Chunk]) -> Iterator[tuple[_Chunk, bytes, bool]]:
    """The chunks with their bytes, and whether each begins with a line of its own."""
    at = 0
    while at < len(chunks):
        size = 0
        batch: list[_Chunk] = []
        while at < len(chunks) and len(batch) < BATCH_ROWS and (not batch or size + chunks[at].length <= BATCH_BYTES):
            size += chunks[at].length
            batch.append(chunks[at])
            at += 1
        with connection.cursor() as cursor:
            cursor.execute(_DATA, [[chunk.pk for chunk in batch]])
            held = {pk: (bytes(data), ends is None or bytes(ends) == b"\n") for pk, data, ends in cursor}
        connections.close_all()
        for chunk in batch:
            if chunk.pk in held:  # else a flood pushed it out of the log, or it was joined to another
                yield chunk, *held[chunk.pk]


# The last byte of what lies before a chunk says whether the chunk begins with a line.
_DATA = """
SELECT chunk.id, chunk.data, (
    SELECT substr(past.data, past.length, 1) FROM logs_logchunk past
    WHERE past.log_id = chunk.log_id AND past."offset" < chunk."offset" ORDER BY past."offset" DESC LIMIT 1)
FROM logs_logchunk chunk WHERE chunk.id = ANY(%s)
"""


def _lines_of(log: Log, sift: Sift, chunk: _Chunk, data: bytes, whole: bool) -> list[_Line]:
    """The lines that begin in a chunk and are wanted."""
    data = data[: chunk.length]
    ends = windows.ends_in(data)
    begins = ends[ends < len(data) - 1] + 1
    numbers = chunk.first_line + 2 + np.arange(len(begins))
    if (whole or chunk.offset == log.span.tail) and data:
        begins, numbers = np.r_[0, begins], np.r_[chunk.first_line + 1, numbers]
    offsets = begins + chunk.offset
    times, streams = marks.at(chunk.marks, offsets)
    kept = sift.keeps(times, streams)
    if log.elided:
        kept &= (offsets < log.span.head) | (offsets >= log.span.tail)
    columns = [one[kept].tolist() for one in (numbers, offsets, times, streams)]
    return list(zip(*columns, strict=True))


def _told(log: Log, found: list[_Line], facts: Kept) -> Kept:
    kept = replace(facts)
    texts, cut = _texts(log, [offset for _, offset, _, _ in found])
    kept.numbers, kept.times = [row[0] for row in found], [row[2] for row in found]
    kept.streams = marks.letters(np.array([row[3] for row in found], np.int64))
    kept.lines, kept.cut = texts, cut
    return kept


def _texts(log: Log, offsets: list[int]) -> tuple[list[str], dict[int, int]]:
    """What stands in the lines that begin at those offsets, read in one go where they are near each other."""
    texts: list[str] = []
    cut: dict[int, int] = {}
    most = 4 * LONGEST
    base, data = 0, b""
    for at, offset in enumerate(offsets):
        end = data.find(b"\n", offset - base) if base <= offset < base + len(data) else -1
        if end < 0 and not base <= offset <= base + len(data) - most:
            ahead = next((one for one in reversed(offsets) if one - offset < BATCH_BYTES // 8), offset)
            base, data = offset, bytes_between(log.pk, offset, min(ahead + most, log.length))
            end = data.find(b"\n")
        piece = data[offset - base : end if end >= 0 else offset - base + most]
        text, left = shown_line(piece)
        texts.append(text)
        if left:
            cut[at] = left
    return texts, cut


class Sieve:
    """Which lines of a log are wanted, told in order while it is read, and asked by their numbers."""

    def __init__(self, sift: Sift, log_id: int) -> None:
        self._sift = sift
        self._log_id = log_id
        self._firsts: list[int] = []
        self._masks: list[Mask] = []

    def learn(self, start: int, data: bytes, *, line: int, whole: bool) -> int:
        """Bytes from `start` on, in line `line`, which begins there if `whole`; returns the line that follows them."""
        ends = windows.ends_in(data)
        begins = np.r_[0, ends + 1] if whole else ends + 1
        begins = begins[begins < len(data)]
        told = marks.columns(marks_between(self._log_id, start, start + len(data)))
        self._firsts.append(line if whole else line + 1)
        self._masks.append(self._sift.keeps(*marks.at(told, begins + start)))
        return line + len(ends)

    def __call__(self, line: int) -> bool:
        at = bisect_right(self._firsts, line) - 1
        # Of parts that begin in the same line the last one knows it, if it begins there at all.
        while at >= 0:
            nth = line - self._firsts[at]
            if nth < len(self._masks[at]):
                return bool(self._masks[at][nth])
            at -= 1
        return False
