"""The logs of a run and of those below it as one, ordered by time.

Where a reader stands is an offset in each log, so no line is lost or told twice whatever the clocks of nodes say.
Lines keep their order within a log; a line of unknown time stands at that of the line before it.
"""

import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db import connection

from runs import children
from runs.lines.asked import Search
from runs.lines.matching import Found
from runs.lines.searching import SECONDS
from runs.lines.windows import shown_line
from runs.logs import marks
from runs.logs.models import Log
from runs.logs.searching import look_at
from runs.models import Run
from runs.queries import get_run_briefly
from studio.kernel.actors import Actor
from zaffre.protocol import FINAL_STATES

#: Runs of one view, and lines of one answer.
MOST_RUNS, MOST_LINES = 50, 1000
#: Bytes and chunks that are looked at of each log for one answer.
WINDOW, CHUNKS = 128 * 1024, 200


@dataclass(frozen=True)
class Source:
    """One log of the view."""

    log: int
    run: str
    name: str
    attempt: int
    final: bool


@dataclass(frozen=True)
class Line:
    #: The index of its source, and its number there.
    source: int
    line: int
    time: int
    stream: str
    text: str


@dataclass(frozen=True)
class Merged:
    """Lines that follow each other; `next` and `previous` say where to go on, `previous` is empty at the beginning."""

    sources: list[Source] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    next: str = ""
    previous: str = ""
    live: bool = False


@dataclass(frozen=True)
class _Row:
    time: int
    source: int
    begin: int
    end: int
    number: int
    stream: str
    data: bytes


def read_merged(
    slug: str, run_id: str, *, actor: Actor, after: str = "", before: str = "", only: str = "", count: int = 500
) -> Merged:
    """At most `count` lines after or before a place; those at the end without one.

    `only` names runs, with commas between them. Fewer lines where much was written at once. Raises as get_run does.
    """
    logs, sources, begins = _sources(slug, run_id, only, actor=actor)
    live = any(not source.final for source in sources)
    if not logs:
        return Merged(sources, live=live)
    count = max(1, min(count, MOST_LINES))
    at = _places(after or before)
    if after:
        rows, stands = _forwards(logs, sources, begins, [at.get(log.pk, 0) for log in logs], count)
        return Merged(sources, _told(rows), _word(logs, stands), after, live)
    ends = [at.get(log.pk, 0) if before else log.length for log in logs]
    rows, stands, ends = _backwards(logs, sources, begins, ends, count)
    previous = _word(logs, stands) if any(stands) else ""
    return Merged(sources, _told(rows), _word(logs, ends), previous, live)


def search_merged(
    slug: str, run_id: str, asked: Search, *, actor: Actor, only: str = "", stopped: Callable[[], bool]
) -> tuple[Found, list[tuple[int, Any]], list[Source]]:
    """(what was found in all, [(source, hit)], the sources), one log after the other, the run's own first."""
    logs, sources, _ = _sources(slug, run_id, only, actor=actor)
    hits: list[tuple[int, Any]] = []
    all_, until = Found(), time.monotonic() + SECONDS
    for at, log in enumerate(logs):
        left = asked.limit - len(hits)
        found = look_at(log, replace(asked, first=1, limit=max(1, left)), stopped, until)
        hits += [(at, hit) for hit in found.hits[:left]]
        all_.count += found.count
        if not found.whole:
            all_.whole = False
            break
    return all_, hits, sources


def _sources(slug: str, run_id: str, only: str, *, actor: Actor) -> tuple[list[Log], list[Source], list[int]]:
    run = get_run_briefly(slug, run_id, actor=actor)
    below = children.list_children(slug, run_id, actor=actor, recursive=True, limit=MOST_RUNS)
    wanted = set(only.split(",")) if only else None
    runs: dict[str, Run] = {one.pk: one for one in [run, *below] if wanted is None or one.pk in wanted}
    rows = [log for log in Log.objects.filter(run_id__in=runs) if log.attempt == runs[log.run_id].attempt_no]
    rows.sort(key=lambda log: (log.run_id != run_id, log.run_id))
    sources, begins = [], []
    for log in rows:
        one = runs[log.run_id]
        sources.append(Source(log.pk, one.pk, one.name, log.attempt, one.status in FINAL_STATES))
        begins.append(int((one.started or one.created).timestamp() * 1000))
    return rows, sources, begins


def _places(word: str) -> dict[int, int]:
    """Where a reader stands in each log. What cannot be read counts as the beginning."""
    pairs = [one.partition(":") for one in word[:4000].split(",")]
    return {int(log): int(at) for log, _, at in pairs if log.isdecimal() and at.isdecimal() and len(log + at) < 36}


def _word(logs: list[Log], stands: Iterable[int]) -> str:
    return ",".join(f"{log.pk}:{at}" for log, at in zip(logs, stands, strict=True))


def _forwards(
    logs: list[Log], sources: list[Source], begins: list[int], starts: list[int], count: int
) -> tuple[list[_Row], list[int]]:
    held = [log.span.reading(start)[0] for log, start in zip(logs, starts, strict=True)]
    wanted = [(log.pk, start, log.length) for log, start in zip(logs, held, strict=True) if start < log.length]
    windows = _windows(_AFTER, wanted)
    per, more = [], []
    for nth, (log, start) in enumerate(zip(logs, held, strict=True)):
        rows, end = _rows(nth, windows.get(log.pk, []), start, log, sources[nth].final, begins[nth])
        per.append(rows)
        more.append(end < log.length and bool(rows))
    found: list[_Row] = []
    left, stands = [len(rows) for rows in per], list(held)
    for row in heapq.merge(*per, key=_order):
        if len(found) == count:
            break
        found.append(row)
        stands[row.source] = row.end
        left[row.source] -= 1
        if not left[row.source] and more[row.source]:
            break  # what comes next in this log was not looked at, and may belong before the others'
    return found, stands


def _backwards(
    logs: list[Log], sources: list[Source], begins: list[int], ends: list[int], count: int
) -> tuple[list[_Row], list[int], list[int]]:
    """(lines, where they begin in each log, where they end)."""
    wanted = [(log.pk, 0, end) for log, end in zip(logs, ends, strict=True) if end > 0]
    windows = _windows(_BEFORE, wanted)
    per, more, stands = [], [], list(ends)
    for nth, log in enumerate(logs):
        window = windows.get(log.pk, [])
        start = window[0][0] if window else 0
        # The first line of a window that begins in the middle of the log may have begun before it.
        inside = start > 0 and start != log.span.tail
        rows, end = _rows(nth, window, start, log, sources[nth].final, begins[nth], until=ends[nth])
        rows = rows[1:] if inside and len(rows) > 1 else rows
        stands[nth] = ends[nth] = min(ends[nth], end)
        per.append(rows[::-1])
        more.append(inside)
    found: list[_Row] = []
    left = [len(rows) for rows in per]
    for row in heapq.merge(*per, key=_order, reverse=True):
        if len(found) == count:
            break
        found.append(row)
        stands[row.source] = row.begin
        left[row.source] -= 1
        if not left[row.source] and more[row.source]:
            break
    done = len(found) < count and not any(more)
    return found[::-1], [0] * len(stands) if done else stands, ends


def _order(row: _Row) -> tuple[int, int, int]:
    return row.time, row.source, row.begin


_Chunk = tuple[int, int, bytes, bytes]


def _windows(sql: str, wanted: list[tuple[int, int, int]]) -> dict[int, list[_Chunk]]:
    """By log its chunks (offset, lines before, bytes, marks) in order: one question for all logs."""
    found: dict[int, list[_Chunk]] = {}
    if wanted:
        with connection.cursor() as cursor:
            columns = [list(column) for column in zip(*wanted, strict=True)]
            cursor.execute(sql, [*columns, CHUNKS, WINDOW])
            for log, offset, first, data, told in cursor:
                found.setdefault(log, []).append((offset, first or 0, bytes(data), bytes(told or b"")))
    return {log: sorted(chunks) for log, chunks in found.items()}


_ASKED = """
SELECT asked.log, part."offset", part.first_line, part.data, part.marks
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS asked(log, start, stop) CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT near.*, sum(near.length) OVER (ORDER BY near."offset" {way}) - near.length AS past FROM (
            SELECT * FROM logs_logchunk chunk WHERE chunk.log_id = asked.log
            AND chunk."offset" < asked.stop AND chunk."offset" + chunk.length > asked.start
            ORDER BY chunk."offset" {way} LIMIT %s) near
    ) counted WHERE counted.past < %s) part
"""
_AFTER, _BEFORE = _ASKED.format(way="ASC"), _ASKED.format(way="DESC")


def _rows(
    source: int, window: list[_Chunk], start: int, log: Log, final: bool, base: int, until: int | None = None
) -> tuple[list[_Row], int]:
    """(lines from `start` on, the offset after the last of them). A line that may go on is left for later."""
    if not window:
        return [], start
    first, before = window[0][0], window[0][1]
    data, told, at = b"", b"", first
    for offset, _, piece, said in window:
        if offset != at:
            break  # something is left out here
        data, told, at = data + piece, told + (said or marks.pack([marks.silence(offset)])), offset + len(piece)
    data = data[: (at if until is None else min(at, until)) - first]
    number = before + data[: start - first].count(b"\n") + 1
    ends = np.flatnonzero(np.frombuffer(data, np.uint8)[start - first :] == 10) + start + 1
    last = int(ends[-1]) if len(ends) else start
    whole = first + len(data)
    if last < whole and (not len(ends) or (final and whole == log.length)):
        if not len(ends) and whole == log.length and not final:
            return [], start
        ends, last = np.append(ends, whole), whole
    begins = np.r_[start, ends[:-1]].astype(np.int64)[: len(ends)]
    times, streams = marks.at(marks.unpack(told), begins)
    times = np.maximum.accumulate(np.where(times > 0, times, base)) if len(begins) else times
    letters = marks.letters(streams)
    rows = [
        _Row(
            int(times[nth]), source, int(begin), int(end), number + nth, letters[nth], data[begin - first : end - first]
        )
        for nth, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]
    return rows, last


def _told(rows: list[_Row]) -> list[Line]:
    return [
        Line(row.source, row.number, row.time, row.stream, shown_line(row.data.removesuffix(b"\n"))[0]) for row in rows
    ]
