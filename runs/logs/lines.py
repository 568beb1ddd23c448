"""A log by the numbers of its lines, which are those of the program's whole output."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runs.logs import marks, services
from runs.logs.models import Log, LogChunk
from runs.logs.queries import bytes_between, marks_between
from runs.queries import get_run_briefly
from studio.kernel.actors import Actor

#: Lines of one answer, and the bytes that are read for it.
MOST_LINES = 1000
MOST_BYTES = 512 * 1024
#: Characters of a line that are shown; the rest is in the download.
LONGEST = 20_000
#: Bytes of a line without an end that are sent again when it goes on.
SHORT = 64 * 1024


@dataclass(frozen=True)
class Gap:
    """What is left out: after a part of line `line` the log goes on with the rest of line `next`."""

    line: int
    next: int
    size: int
    #: The lines in between were counted, so that the numbers behind them are the program's.
    counted: bool


@dataclass(frozen=True)
class Page:
    """Lines of a log that follow each other, with colours, each as a terminal would show it at last."""

    first: int = 1
    lines: list[str] = field(default_factory=list)
    #: By the index of a line: how many bytes of it are not shown.
    cut: dict[int, int] = field(default_factory=dict)
    #: When each line was begun, in ms since 1970 (0 = unknown), and by which stream, a letter a line: `-`, `o` or `e`.
    times: list[int] = field(default_factory=list)
    streams: str = ""
    #: The last line has no end (yet); nothing comes after it.
    open: bool = False
    #: The offset after the last byte, and from where to go on: an open line that is short is read again.
    end: int = 0
    resume: int = 0
    length: int = 0
    #: How many lines the log has, the open one included.
    total: int = 0
    gap: Gap | None = None
    attempt: int = 0


def read_lines(
    slug: str,
    run_id: str,
    *,
    actor: Actor,
    line: int | None = None,
    count: int = 500,
    attempt: int | None = None,
) -> Page:
    """At most `count` lines from number `line` on; without it those at the end.

    Fewer when they are long. Never over the place where bytes are left out: a line in there begins after it. Raises
    as get_run does.
    """
    log, number = open_log(slug, run_id, actor=actor, attempt=attempt)
    if log is None:
        return Page(attempt=number)
    count = max(1, min(count, MOST_LINES))
    ends_open = log.length > 0 and bytes_between(log.pk, log.length - 1, log.length) != b"\n"
    facts: dict[str, Any] = {
        "length": log.length,
        "total": (log.newlines or 0) + ends_open,
        "gap": _gap(log),
        "attempt": number,
    }
    start, first = _end(log, count) if line is None else place_of(log, line)
    shown = _forward(log, start, first, count)
    is_open = ends_open and shown.end == log.length
    resume = begin_of_last(log) if is_open else shown.end
    times, streams = when(log, shown.begins)
    facts |= {"times": times, "streams": streams, "lines": shown.lines, "cut": shown.cut, "end": shown.end}
    return Page(first=first, open=is_open, resume=resume, **facts)


def when(log: Log, begins: marks.Numbers) -> tuple[list[int], str]:
    """The times and streams of lines that begin at those offsets, in order."""
    if not len(begins):
        return [], ""
    found = marks_between(log.pk, int(begins[0]), int(begins[-1]) + 1)
    times, streams = marks.at(marks.columns(found), begins)
    return times.tolist(), marks.letters(streams)


def open_log(slug: str, run_id: str, *, actor: Actor, attempt: int | None) -> tuple[Log | None, int]:
    """The log of an attempt (the present one when not given), its lines counted, and the attempt's number."""
    run = get_run_briefly(slug, run_id, actor=actor)
    number = run.attempt_no if attempt is None else attempt
    rows = Log.objects.filter(run=run, attempt=number)
    log = next(iter(rows), None)
    if log is not None and log.newlines is None:
        services.count_lines(log.pk, actor=actor)
        log = rows.get()
    return log, number


def place_of(log: Log, line: int) -> tuple[int, int]:
    """(offset, number) of where a line begins. Where it is left out, those of the first one after it."""
    line = min(line, (log.newlines or 0) + 1)
    if line <= 1:
        return log.span.reading(0)[0], 1
    rows = LogChunk.objects.filter(log=log, first_line__lt=line - 1).order_by("-offset")
    found = next(iter(rows.values_list("offset", "first_line", "data")[:1]), None)
    offset, before, data = found or (0, 0, b"")
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    span, nth = log.span, line - 2 - (before or 0)
    start = offset + int(ends[nth]) + 1 if nth < len(ends) else span.tail
    if span.elided and span.head <= start <= span.tail:
        return span.tail, line_at(log, span.tail)
    return start, line


def line_at(log: Log, offset: int) -> int:
    """The number of the line that a byte lies in."""
    rows = LogChunk.objects.filter(log=log, offset__lte=offset).order_by("-offset")
    found = next(iter(rows.values_list("offset", "first_line", "data")[:1]), None)
    start, before, data = found or (0, 0, b"")
    return int(before or 0) + bytes(data[: offset - start]).count(b"\n") + 1


def _gap(log: Log) -> Gap | None:
    if not log.elided:
        return None
    head, tail = log.span.head, log.span.tail
    return Gap(line_at(log, head), line_at(log, tail), log.elided, not log.uncounted)


def begin_of_last(log: Log) -> int:
    """Where the line begins that has no end, the end of the log when that is far away."""
    start = log.span.last(SHORT)
    at = bytes_between(log.pk, start, log.length).rfind(b"\n") + 1
    return start + at if at or start in (0, log.span.tail) else log.length


def _end(log: Log, count: int) -> tuple[int, int]:
    """(offset, number) of the first of the last `count` lines, as far as they are not too long."""
    start = log.span.last(MOST_BYTES)
    data = bytes_between(log.pk, start, log.length)
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    # An end that is the log's last byte begins no line.
    begins = ends[ends < len(data) - 1] + 1
    if len(begins) >= count:
        at = int(begins[-count])
    elif start in (0, log.span.tail) or not len(begins):
        at = 0
    else:
        at = int(begins[0])
    before = (log.newlines or 0) - int(np.count_nonzero(ends >= at))
    return start + at, before + 1


@dataclass(frozen=True)
class _Shown:
    lines: list[str]
    cut: dict[int, int]
    #: The offset after them, and those where each begins.
    end: int
    begins: marks.Numbers


def _forward(log: Log, start: int, first: int, count: int) -> _Shown:
    _, until = log.span.reading(start)
    data = bytes_between(log.pk, start, min(start + MOST_BYTES, until))
    pieces = data.split(b"\n", count)
    rest = pieces.pop()
    whole = len(pieces) < count and start + len(data) == until
    if whole and rest:
        pieces.append(rest)
        end = until
    elif not pieces and rest:
        return _giant(log, start, first, until)
    else:
        end = start + len(data) - (0 if whole else len(rest))
    shown = [shown_line(piece) for piece in pieces]
    begins = start + np.cumsum([0, *(len(piece) + 1 for piece in pieces[:-1])], dtype=np.int64)[: len(pieces)]
    return _Shown([text for text, _ in shown], {at: left for at, (_, left) in enumerate(shown) if left}, end, begins)


def _giant(log: Log, start: int, first: int, until: int) -> _Shown:
    """A line that is longer than an answer: how it ends, for a progress bar overwrites itself in one line."""
    end, number = place_of(log, first + 1)
    if number != first + 1 or not start < end <= until:
        end = until
    # The last line of all ends where the log does, if it has no end of its own.
    tail = bytes_between(log.pk, max(start, end - 4 * LONGEST), end).removesuffix(b"\n")
    text, left = shown_line(tail if b"\r" in tail else bytes_between(log.pk, start, start + 4 * LONGEST))
    size = len(text.encode("utf-8", "replace"))
    return _Shown([text], {0: max(left, end - start - size)}, end, np.array([start]))


def shown_line(data: bytes) -> tuple[str, int]:
    """What a terminal shows of a line at last, and how many bytes are not shown because it is too long.

    What a progress bar overwrote (`\\r`) counts as shown.
    """
    last = data.removesuffix(b"\r").rpartition(b"\r")[2]
    text = last.decode("utf-8", "replace")
    if len(text) <= LONGEST:
        return text, 0
    return text[:LONGEST], len(last) - len(text[:LONGEST].encode("utf-8", "replace"))
