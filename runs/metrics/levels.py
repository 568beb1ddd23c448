"""The statements of charts: which chunks there are, and of each as much as its chart needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from django.db import connection

from studio.kernel import db

_LEAST, _MOST = -(2**63), 2**63 - 1
# One descent of the index for each run: grouping all its chunks would read them.
_NEWEST = """
SELECT asked.run, newest.id FROM unnest(%b::varchar[]) AS asked(run), LATERAL (
    SELECT id FROM metrics_metricchunk WHERE run_id = asked.run ORDER BY id DESC LIMIT 1
) AS newest
"""
_CHUNKS = """
SELECT chunk.id, chunk.run_id, chunk.key, chunk.count, first_step, last_step, first_time, last_time,
       low, high, total, odd
FROM unnest(%b::varchar[], %b::bigint[], %b::bigint[]) AS asked(run, least, most)
JOIN metrics_metricchunk AS chunk ON chunk.run_id = asked.run AND chunk.key = ANY(%b::varchar[])
 AND CASE WHEN %b THEN first_time IS NULL OR (last_time >= asked.least AND first_time <= asked.most)
          ELSE last_step >= asked.least AND first_step <= asked.most END
ORDER BY chunk.id
"""
_PIECES = """
SELECT chunk.id, chunk.count, CASE WHEN asked.points THEN chunk.data ELSE chunk.fine END
FROM unnest(%b::bigint[], %b::boolean[]) AS asked(id, points)
JOIN metrics_metricchunk AS chunk ON chunk.id = asked.id ORDER BY chunk.id
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk as its row says it. Of one that was not summed up, what follows `last_step` is None."""

    id: int
    run: str
    key: str
    count: int
    first_step: int
    last_step: int
    first_time: int | None
    last_time: int | None
    low: float | None
    high: float | None
    total: float | None
    odd: int | None

    @property
    def summed(self) -> bool:
        return self.first_time is not None


def newest_of(run_ids: Sequence[str]) -> dict[str, int]:
    """The sequence number of the newest points of each run that has any."""
    return dict(db.ask(_NEWEST, [list(run_ids)]))


def chunks_of(windows: Sequence[tuple[str, int | None, int | None]], keys: Sequence[str], *, time: bool) -> list[Chunk]:
    """The chunks of (run, first, last) that may hold points of that stretch of the axis, in their order."""
    runs = [run for run, _, _ in windows]
    least = [_LEAST if low is None else max(low, _LEAST) for _, low, _ in windows]
    most = [_MOST if high is None else min(high, _MOST) for _, _, high in windows]
    return [Chunk(*row) for row in db.each(_CHUNKS, [runs, least, most, list(keys), time])]


def pieces_of(wanted: Sequence[tuple[int, bool]]) -> Iterator[tuple[int, int, bytes | memoryview]]:
    """(id, count, bytes) of chunks: their points where `wanted` says so, else their middle level.

    One row after the other, so that a long series without summaries is never in memory as a whole.
    """
    if not wanted:
        return
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield from cursor.stream(_PIECES, [[id_ for id_, _ in wanted], [raw for _, raw in wanted]], binary=True)
