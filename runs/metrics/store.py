"""The statements of the ingest path, written out: one round trip each, columns sent in binary.

Django's ORM would cost more than PostgreSQL itself here. Everything runs inside the caller's transaction.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import pq
from psycopg.adapt import Dumper

from runs.metrics import columns
from runs.metrics.columns import Series
from studio.kernel import db, lines

# The order keeps two processes that lock the same runs from waiting for each other. Batches are taken under the locks,
# so of twins at two processes the second one waits for the first one's commit, and then finds its batch there.
_HOLD = """
WITH held AS MATERIALIZED (
    SELECT id, status, attempt_no, desired, deleted IS NOT NULL AS gone, metrics, params, tags FROM runs_run
    WHERE id = ANY(%b::varchar[]) ORDER BY id FOR NO KEY UPDATE
), taken AS (
    INSERT INTO metrics_metricbatch (run_id, batch, created)
    SELECT held.id, new.batch, now() FROM held JOIN unnest(%b::varchar[], %b::varchar[]) AS new(run, batch)
        ON held.id = new.run
    ON CONFLICT DO NOTHING RETURNING run_id, batch
)
SELECT held.*, (SELECT array_agg(batch) FROM taken WHERE taken.run_id = held.id) FROM held
"""
_LOCK = """
SELECT id, status, attempt_no, desired, deleted IS NOT NULL, metrics, params, tags, NULL FROM runs_run
WHERE id = ANY(%b::varchar[]) ORDER BY id FOR NO KEY UPDATE
"""
_GIVE_BACK = """
DELETE FROM metrics_metricbatch USING unnest(%b::varchar[], %b::varchar[]) AS old(run, taken)
WHERE run_id = old.run AND batch = old.taken
"""
_MERGE = """
UPDATE runs_run SET metrics = runs_run.metrics || new.metrics, params = runs_run.params || new.params,
                    tags = runs_run.tags || new.tags
FROM unnest(%b::varchar[], %b::text[]::jsonb[], %b::text[]::jsonb[], %b::text[]::jsonb[])
     AS new(id, metrics, params, tags)
WHERE runs_run.id = new.id
"""
# One statement for all, because each costs a round trip: the rows of the runs, the chunks, and the newest chunk
# before, under the lock that is held already. What a statement inserts it does not see itself.
_STORE = f"""
WITH changed AS ({_MERGE}), added AS (
    INSERT INTO metrics_metricchunk (run_id, key, count, first_step, last_step, data, parts)
    SELECT new.run, new.key, new.count, new.first_step, new.last_step, new.data, ''::bytea
    FROM unnest(%b::varchar[], %b::varchar[], %b::int[], %b::bigint[], %b::bigint[], %b::bytea[])
         AS new(run, key, count, first_step, last_step, data)
    RETURNING run_id, id
), highest AS (SELECT run_id, max(id) AS id FROM added GROUP BY run_id)
SELECT run_id, coalesce((SELECT id FROM metrics_metricchunk AS held WHERE held.run_id = highest.run_id
                         ORDER BY id DESC LIMIT 1), 0), id
FROM highest
"""  # noqa: S608 - one constant in another
_OF_KEY = """
SELECT run_id, data, count, id FROM metrics_metricchunk
WHERE run_id = ANY(%b::varchar[]) AND key = %b::varchar ORDER BY id
"""
# Points are only added, and a run's ids grow in the order of its commits: these two say what a series holds.
_VERSIONS = """
SELECT run_id, max(id), sum(count)::bigint FROM metrics_metricchunk
WHERE run_id = ANY(%b::varchar[]) AND key = %b::varchar GROUP BY run_id
"""
_CHUNKS = """
SELECT id, key, count, data, parts FROM metrics_metricchunk
WHERE run_id = %b AND id > %b AND (%b::varchar[] IS NULL OR key = ANY(%b::varchar[])) ORDER BY id
"""
#: A run and what is merged into its summaries, params and tags.
Change = tuple[str, dict[str, Any], dict[str, str], dict[str, str]]
Pairs = set[tuple[str, str]]


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


class _Array:
    """A PostgreSQL array in its binary form. psycopg's own way looks at each list for its type, which takes longer
    than what is done with it here."""

    __slots__ = ("raw",)

    def __init__(self, oid: int, items: Sequence[bytes]) -> None:
        head = _HEAD.pack(1, 0, oid, len(items), 1) if items else _HEAD_OF_NONE.pack(0, 0, oid)
        self.raw = head + b"".join(piece for item in items for piece in (_LENGTH.pack(len(item)), item))


class _ArrayDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: _Array) -> bytes:
        return obj.raw


lines.DUMPERS[_Array] = _ArrayDumper

# Dimensions, whether there are nulls, the type of the items; then how many and the number of the first.
_HEAD, _HEAD_OF_NONE, _LENGTH = struct.Struct("!iiIii"), struct.Struct("!iiI"), struct.Struct("!i")
_BYTEA, _INT8, _INT4, _TEXT, _VARCHAR = 17, 20, 23, 25, 1043


def _names(items: Iterable[str]) -> _Array:
    return _Array(_VARCHAR, [item.encode() for item in items])


def _documents(items: Iterable[Any]) -> _Array:
    return _Array(_TEXT, [msgspec.json.encode(item) for item in items])


def _numbers(oid: int, items: Iterable[int]) -> _Array:
    kind = "!i" if oid == _INT4 else "!q"
    return _Array(oid, [struct.pack(kind, item) for item in items])


def hold_runs(ids: Sequence[str], batches: Sequence[tuple[str, str]]) -> tuple[dict[str, LockedRun], Pairs]:
    """Lock runs, and mark (run, batch) pairs as taken.

    Returns the runs that exist, as they are once nobody else writes to them, and the pairs that were new.
    """
    taken: Pairs = set()
    held: dict[str, LockedRun] = {}
    if batches:
        pairs = (_names(run for run, _ in batches), _names(batch for _, batch in batches))
        rows = db.ask(_HOLD, [_names(ids), *pairs])
    else:
        rows = db.ask(_LOCK, [_names(ids)])
    for id_, status, no, desired, deleted, metrics, params, tags, new in rows:
        facts = (msgspec.json.decode(text) for text in (metrics, params, tags))
        held[id_] = LockedRun(id_, status, no, desired, deleted, *facts)
        taken.update((id_, batch) for batch in new or ())
    return held, taken


def give_back(pairs: Sequence[tuple[str, str]]) -> None:
    """Forget (run, batch) pairs that `hold_runs` took, because the batches were refused."""
    db.ask(_GIVE_BACK, [_names(run for run, _ in pairs), _names(batch for _, batch in pairs)])


def update_runs(changes: Sequence[Change]) -> None:
    """Merge (run, summaries, params, tags) into the runs' rows."""
    db.ask(_MERGE, _merged(changes))


def store(changes: Sequence[Change], series: Sequence[tuple[str, str, Series]]) -> dict[str, tuple[int, int]]:
    """`update_runs`, and one chunk per (run, key, points) of runs that are among them.

    Returns the newest id of each run with chunks before (0 without any) and after.
    """
    added = [
        _names(run for run, _, _ in series),
        _names(key for _, key, _ in series),
        _numbers(_INT4, (len(piece) for _, _, piece in series)),
        _numbers(_INT8, (int(piece.step.min()) for _, _, piece in series)),
        _numbers(_INT8, (int(piece.step.max()) for _, _, piece in series)),
        _Array(_BYTEA, [columns.pack(piece) for _, _, piece in series]),
    ]
    return {run: (before, after) for run, before, after in db.ask(_STORE, [*_merged(changes), *added])}


def _merged(changes: Sequence[Change]) -> list[_Array]:
    documents = (_documents(change[at] for change in changes) for at in (1, 2, 3))
    return [_names(change[0] for change in changes), *documents]


def chunks(
    run_id: str, *, keys: Sequence[str] | None, since: int
) -> Iterator[tuple[int, str, int, bytes | memoryview, bytes | memoryview]]:
    """(id, key, count, data, parts) of the chunks after `since`, in their order; `keys` None means all."""
    chosen = None if keys is None else list(keys)
    yield from db.each(_CHUNKS, [run_id, since, chosen, chosen])


def versions_of(run_ids: Sequence[str], key: str) -> dict[str, tuple[int, int]]:
    """(newest chunk, number of points) of one key by run, of those that have any."""
    return {run: (newest, count) for run, newest, count in db.ask(_VERSIONS, [list(run_ids), key])}


def chunks_of(run_ids: Sequence[str], key: str) -> Iterator[tuple[str, bytes | memoryview, int, int]]:
    """(run, data, count, id) of the chunks of one key of several runs, in their order."""
    yield from db.each(_OF_KEY, [list(run_ids), key])
