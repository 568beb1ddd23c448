"""A log by the numbers of its lines, which are those of the program's whole output."""

from dataclasses import dataclass, replace

from runs.lines import windows
from runs.lines.span import Span
from runs.lines.windows import Gap, Page
from runs.logs import marks, services
from runs.logs.models import Log, LogChunk
from runs.logs.queries import bytes_between, marks_between
from runs.queries import get_run_briefly
from studio.kernel.actors import Actor


@dataclass(frozen=True)
class LogText:
    """A log, its lines counted, as a text that is read by lines."""

    log: Log

    @property
    def length(self) -> int:
        return self.log.length

    @property
    def newlines(self) -> int:
        return self.log.newlines or 0

    @property
    def span(self) -> Span:
        return self.log.span

    def read(self, start: int, end: int) -> bytes:
        return bytes_between(self.log.pk, start, end)

    def place_of(self, line: int) -> tuple[int, int]:
        line = min(line, self.newlines + 1)
        span = self.span
        if line <= 1:
            return span.reading(0)[0], 1
        rows = LogChunk.objects.filter(log=self.log, first_line__lt=line - 1).order_by("-offset")
        found = next(iter(rows.values_list("offset", "first_line", "data")[:1]), None)
        offset, before, data = found or (0, 0, b"")
        ends = windows.ends_in(data)
        nth = line - 2 - (before or 0)
        start = offset + int(ends[nth]) + 1 if nth < len(ends) else span.tail
        if span.elided and span.head <= start <= span.tail:
            return span.tail, self.line_at(span.tail)
        return start, line

    def line_at(self, offset: int) -> int:
        rows = LogChunk.objects.filter(log=self.log, offset__lte=offset).order_by("-offset")
        found = next(iter(rows.values_list("offset", "first_line", "data")[:1]), None)
        start, before, data = found or (0, 0, b"")
        return int(before or 0) + bytes(data[: offset - start]).count(b"\n") + 1


def read_lines(
    slug: str,
    run_id: str,
    *,
    actor: Actor,
    line: int | None = None,
    count: int = 500,
    attempt: int | None = None,
) -> Page:
    """Lines of a log as `windows.window` gives them, with their times and streams. Raises as get_run does."""
    log, number = open_log(slug, run_id, actor=actor, attempt=attempt)
    if log is None:
        return Page(attempt=number)
    text = LogText(log)
    page, begins = windows.window(text, line, count)
    times, streams = when(log, begins)
    return replace(page, times=times, streams=streams, gap=_gap(text), attempt=number)


def when(log: Log, begins: windows.Numbers) -> tuple[list[int], str]:
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


def _gap(text: LogText) -> Gap | None:
    log = text.log
    if not log.elided:
        return None
    head, tail = log.span.head, log.span.tail
    return Gap(text.line_at(head), text.line_at(tail), log.elided, not log.uncounted)
