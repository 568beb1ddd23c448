"""Reading a log: a range of its bytes, its end, or the whole in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from runs.logs import marks
from runs.logs.models import Log
from runs.logs.pieces import left_out
from runs.queries import get_run_briefly
from studio.kernel import db
from studio.kernel.actors import Actor

#: The most bytes of one read.
MOST = 8 * 1024 * 1024
PIECE = 1024 * 1024
#: How often a slice is read again that a flood pushed out of the log meanwhile.
TRIES = 5


@dataclass(frozen=True)
class LogSlice:
    """Bytes [offset, offset + len(data)) of a log that is `length` bytes long now."""

    data: bytes
    #: Later than asked when the bytes there are left out.
    offset: int
    length: int
    complete: bool
    attempt: int
    #: How many bytes are left out, and where they begin.
    elided: int
    head: int
    status: str
    #: For `pieces_of`; None when nothing was written yet.
    log_id: int | None


def read_log(
    slug: str,
    run_id: str,
    *,
    actor: Actor,
    offset: int | None = None,
    tail: int | None = None,
    limit: int | None = None,
    attempt: int | None = None,
) -> LogSlice:
    """Return `limit` bytes (MOST at most) from `offset`, or the last `tail` bytes.

    `attempt` is the present one when not given. An offset past the end gives no bytes, one in the middle of what
    is left out those after it; no slice crosses that place. A run that has written nothing has an empty log.
    Raises as get_run does.
    """
    run = get_run_briefly(slug, run_id, actor=actor)
    number = run.attempt_no if attempt is None else attempt
    size = MOST if limit is None else min(limit, MOST)
    rows = Log.objects.filter(run=run, attempt=number)
    log, tries = rows.first(), 1
    if log is None:
        return LogSlice(b"", 0, 0, False, number, 0, 0, run.status, None)
    while True:
        span = log.span
        start, end = span.reading(span.last(min(tail, size)) if tail is not None else offset or 0)
        end = min(start + size, end)
        data = bytes_between(log.pk, start, end)
        if data or start == end or tries == TRIES:
            break
        # A program that floods its log pushed these bytes out between the two questions.
        log, tries = rows.get(), tries + 1
    return LogSlice(data, start, log.length, log.complete, number, log.elided, log.head, run.status, log.pk)


def marks_between(log_id: int, start: int, end: int) -> list[marks.Mark]:
    """When and by which stream bytes [start, end) were written, whose reader was authorised before."""
    if end <= start:
        return []
    found: list[marks.Mark] = []
    with connection.cursor() as cursor:
        cursor.execute(_MARKS, {"log": log_id, "start": start, "end": end})
        for offset, data in cursor:
            part = zip(*(one.tolist() for one in marks.unpack(data)), strict=True) if data else [marks.silence(offset)]
            found += part
    return marks.within(found, start, end)


# A reader who looks at many lines takes a few chunks, so the whole of their marks is little.
_MARKS = """
SELECT "offset", marks FROM logs_logchunk
WHERE log_id = %(log)s AND "offset" < %(end)s AND "offset" >= (
    SELECT max("offset") FROM logs_logchunk WHERE log_id = %(log)s AND "offset" <= %(start)s)
ORDER BY "offset"
"""


def bytes_between(log_id: int, start: int, end: int) -> bytes:
    """Bytes [start, end) of a log whose reader was authorised before; fewer when something is left out there."""
    if end <= start:
        return b""
    out = bytearray()
    at = start
    # As bytes on the wire: as text they would be twice as many, and decoding them holds up the other threads.
    for offset, data in db.each(_BYTES, {"log": log_id, "start": start, "end": end}):
        if offset > at:
            break
        out += memoryview(data)[at - offset : end - offset]
        at = start + len(out)
    return bytes(out)


# One statement, so that a compaction cannot move the chunks between finding the first and reading.
_BYTES = """
SELECT "offset", data FROM logs_logchunk
WHERE log_id = %(log)s AND "offset" < %(end)s AND "offset" >= (
    SELECT max("offset") FROM logs_logchunk WHERE log_id = %(log)s AND "offset" <= %(start)s)
ORDER BY "offset"
"""


def pieces_of(log_id: int, start: int, end: int) -> Iterator[bytes]:
    """Bytes [start, end) in pieces, and a line for those that are left out.

    Each piece is read by a query of its own: no connection is held between them.
    """
    while start < end:
        log = Log.objects.filter(pk=log_id).only("head", "elided", "length").first()
        if log is None:
            return
        at, until = log.span.reading(start)
        if at > start:
            yield left_out(at - start, head=settings.LOG_HEAD_BYTES, tail=settings.LOG_TAIL_BYTES)
            start = at
        piece = bytes_between(log_id, start, min(start + PIECE, end, until))
        if not piece and log.span == Log.objects.only("head", "elided", "length").get(pk=log_id).span:
            return
        yield piece
        start += len(piece)


def list_logs(slug: str, run_id: str, *, actor: Actor) -> list[Log]:
    """The logs of all attempts of a run, the latest first. Raises as get_run does."""
    run = get_run_briefly(slug, run_id, actor=actor)
    return list(Log.objects.filter(run=run).order_by("-attempt"))
