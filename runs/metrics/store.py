"""The statements of the ingest path, written out: one round trip each, columns sent in binary.

Django's ORM would cost more than PostgreSQL itself here. Everything runs inside the caller's transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
from django.db import connection

from runs.metrics import columns
from runs.metrics.columns import Series

# The order keeps two processes that lock the same runs from waiting for each other.
_LOCK = """
SELECT id, status, attempt_no, desired, deleted IS NOT NULL, metrics, params, tags FROM runs_run
WHERE id = ANY(%b::varchar[]) ORDER BY id FOR NO KEY UPDATE
"""
_KNOWN = (
    "SELECT run_id, batch FROM metrics_metricbatch WHERE run_id = ANY(%b::varchar[]) AND batch = ANY(%b::varchar[])"
)
_TAKE = """
INSERT INTO metrics_metricbatch (run_id, batch, created)
SELECT run, batch, now() FROM unnest(%b::varchar[], %b::varchar[]) AS new(run, batch)
ON CONFLICT DO NOTHING RETURNING run_id, batch
"""
# One statement for both, because each costs a round trip: the newest chunk before, under the lock that is held
# already, and the chunks. What a statement inserts it does not see itself.
_INSERT = """
WITH added AS (
    INSERT INTO metrics_metricchunk (run_id, key, count, first_step, last_step, data, parts)
    SELECT new.run, new.key, new.count, new.first_step, new.last_step, new.data, ''::bytea
    FROM unnest(%b::varchar[], %b::varchar[], %b::int[], %b::bigint[], %b::bigint[], %b::bytea[])
         AS new(run, key, count, first_step, last_step, data)
    RETURNING run_id, id
), highest AS (SELECT run_id, max(id) AS id FROM added GROUP BY run_id)
SELECT run_id, coalesce((SELECT id FROM metrics_metricchunk AS held WHERE held.run_id = highest.run_id
                         ORDER BY id DESC LIMIT 1), 0), id
FROM highest
"""
_OF_KEY = """
SELECT run_id, data, count FROM metrics_metricchunk
WHERE run_id = ANY(%b::varchar[]) AND key = %b::varchar ORDER BY id
"""
_CHUNKS = """
SELECT id, key, count, data, parts FROM metrics_metricchunk
WHERE run_id = %b AND id > %b AND (%b::varchar[] IS NULL OR key = ANY(%b::varchar[])) ORDER BY id
"""
_UPDATE = """
UPDATE runs_run SET metrics = runs_run.metrics || new.metrics, params = runs_run.params || new.params,
                    tags = runs_run.tags || new.tags
FROM unnest(%b::varchar[], %b::text[]::jsonb[], %b::text[]::jsonb[], %b::text[]::jsonb[])
     AS new(id, metrics, params, tags)
WHERE runs_run.id = new.id
"""


@dataclass(frozen=True)
class LockedRun:
    """A run whose row nobody else changes until the transaction ends."""

    id: str
    status: str
    attempt_no: int
    desired: str
    deleted: bool
    metrics: dict[str, Any]
    params: dict[str, str]
    tags: dict[str, str]


@contextmanager
def _cursor() -> Iterator[psycopg.Cursor[Any]]:
    # psycopg's own cursor binds on the server; Django's would write every column into the statement as text.
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def lock_runs(ids: Sequence[str]) -> dict[str, LockedRun]:
    """The runs that exist, as they are once nobody else writes to them."""
    with _cursor() as cursor:
        cursor.execute(_LOCK, [list(ids)], prepare=True)
        return {
            id_: LockedRun(id_, status, no, desired, deleted, *(msgspec.json.decode(facts) for facts in more))
            for id_, status, no, desired, deleted, *more in cursor
        }


def known_batches(ids: Sequence[str], batches: Sequence[str]) -> set[tuple[str, str]]:
    """Which batches were taken before."""
    with _cursor() as cursor:
        cursor.execute(_KNOWN, [list(ids), list(batches)], prepare=True)
        return set(cursor.fetchall())


def take_batches(pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Mark (run, batch) pairs as taken; return those that were new."""
    with _cursor() as cursor:
        cursor.execute(_TAKE, [[run for run, _ in pairs], [batch for _, batch in pairs]], prepare=True)
        return set(cursor.fetchall())


def insert(series: Sequence[tuple[str, str, Series]]) -> dict[str, tuple[int, int]]:
    """Store one chunk per (run, key, points); return each run's newest id before (0 without any) and after."""
    with _cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                [run for run, _, _ in series],
                [key for _, key, _ in series],
                [len(piece) for _, _, piece in series],
                [int(piece.step.min()) for _, _, piece in series],
                [int(piece.step.max()) for _, _, piece in series],
                [columns.pack(piece) for _, _, piece in series],
            ],
            prepare=True,
        )
        return {run: (before, after) for run, before, after in cursor}


def chunks(
    run_id: str, *, keys: Sequence[str] | None, since: int
) -> Iterator[tuple[int, str, int, bytes | memoryview, bytes | memoryview]]:
    """(id, key, count, data, parts) of the chunks after `since`, in their order; `keys` None means all."""
    with _cursor() as cursor:
        chosen = None if keys is None else list(keys)
        cursor.execute(_CHUNKS, [run_id, since, chosen, chosen], prepare=True, binary=True)
        yield from cursor


def chunks_of(run_ids: Sequence[str], key: str) -> Iterator[tuple[str, bytes | memoryview, int]]:
    """(run, data, count) of the chunks of one key of several runs, in their order."""
    with _cursor() as cursor:
        cursor.execute(_OF_KEY, [list(run_ids), key], prepare=True, binary=True)
        yield from cursor


def update_runs(changes: Sequence[tuple[str, dict[str, Any], dict[str, str], dict[str, str]]]) -> None:
    """Merge (run, summaries, params, tags) into the runs' rows."""
    with _cursor() as cursor:
        cursor.execute(
            _UPDATE,
            [
                [change[0] for change in changes],
                *([msgspec.json.encode(change[at]).decode() for change in changes] for at in (1, 2, 3)),
            ],
            prepare=True,
        )
