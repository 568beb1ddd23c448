"""Reading a log: a range of its bytes, its end, or the whole in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Subquery

from runs.logs.models import Log, LogChunk
from runs.queries import get_run
from studio.kernel.actors import Actor

#: The most bytes of one read.
MOST = 8 * 1024 * 1024
PIECE = 1024 * 1024


@dataclass(frozen=True)
class LogSlice:
    """Bytes [offset, offset + len(data)) of a log that is `length` bytes long now."""

    data: bytes
    offset: int
    length: int
    complete: bool
    attempt: int
    #: Bytes that the program wrote after the log was full; they are lost.
    elided: int
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

    `attempt` is the present one when not given. An offset past the end gives no bytes. A run that
    has written nothing has an empty log. Raises as get_run does.
    """
    run = get_run(slug, run_id, actor=actor)
    number = run.attempt_no if attempt is None else attempt
    log = Log.objects.filter(run=run, attempt=number).first()
    size = MOST if limit is None else min(limit, MOST)
    if log is None:
        return LogSlice(b"", 0, 0, False, number, 0, run.status, None)
    if tail is not None:
        start = max(0, log.length - min(tail, size))
    else:
        start = min(offset or 0, log.length)
    data = bytes_between(log.pk, start, min(start + size, log.length))
    return LogSlice(data, start, log.length, log.complete, number, log.elided, run.status, log.pk)


def bytes_between(log_id: int, start: int, end: int) -> bytes:
    """Bytes [start, end) of a log whose reader was authorised before."""
    if end <= start:
        return b""
    chunks = LogChunk.objects.filter(log_id=log_id)
    # One statement, so that a compaction cannot move the chunks between finding the first and reading.
    first = Subquery(chunks.filter(offset__lte=start).order_by("-offset").values("offset")[:1])
    rows = chunks.filter(offset__gte=first, offset__lt=end).order_by("offset")
    out = bytearray()
    at = start
    for offset, data in rows.values_list("offset", "data"):
        out += bytes(data)[at - offset : end - offset]
        at = start + len(out)
    return bytes(out)


def pieces_of(log_id: int, start: int, end: int) -> Iterator[bytes]:
    """Bytes [start, end) in pieces, each read by a query of its own: no connection is held between them."""
    while start < end:
        piece = bytes_between(log_id, start, min(start + PIECE, end))
        if not piece:
            return
        yield piece
        start += len(piece)
