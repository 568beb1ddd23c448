"""Taking points: exactly once, in order, and never from an attempt that lost its run."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import numpy as np
import psycopg
from django.db import connection, transaction

from runs.fencing import admit, refuse_late
from runs.metrics import columns
from runs.metrics.columns import Series
from runs.metrics.models import MetricBatch, MetricChunk
from runs.metrics.wire import Batch
from runs.models import Run
from studio.kernel.actors import Actor
from studio.kernel.bells import ring_soon
from studio.kernel.errors import Conflict, NotFound, ZaffreError
from studio.kernel.groupcommit import GroupCommit
from studio.kernel.jobs import enqueue

#: Keys of one run. Points of further ones are refused and counted in the answer; the run goes on.
MAX_KEYS = 10_000
#: A frame with more points is sent empty: watchers then read the database.
MAX_FRAME_POINTS = 5_000
#: Chunks that this process added to a run before it asks for a merge.
MERGE_AFTER = 200
#: A merged chunk's size in points.
MERGED = 10_000

_INSERT = """
INSERT INTO metrics_metricchunk (run_id, key, count, first_step, last_step, data, parts)
SELECT new.run, new.key, new.count, new.first_step, new.last_step, new.data, ''::bytea
FROM unnest(%s::varchar[], %s::varchar[], %s::int[], %s::bigint[], %s::bigint[], %s::bytea[])
     AS new(run, key, count, first_step, last_step, data)
RETURNING run_id, id
"""
_NEWEST = """
SELECT asked.run, coalesce((SELECT id FROM metrics_metricchunk WHERE run_id = asked.run ORDER BY id DESC LIMIT 1), 0)
FROM unnest(%s::varchar[]) AS asked(run)
"""


@dataclass(frozen=True)
class Recorded:
    """The answer to a batch. `refused` points had a key over the limit of keys."""

    accepted: int
    duplicate: bool
    desired: str
    refused: int = 0


@dataclass(frozen=True)
class _Item:
    run_id: str
    actor: Actor
    batch: Batch


@dataclass
class _Held:
    """A locked run while a group is written."""

    row: dict[str, Any]
    #: Columns in the making: key → (steps, times, values).
    new: dict[str, tuple[list[int], list[int], list[float]]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    batches: set[str] = field(default_factory=set)
    prev: int = 0
    seq: int = 0


def record(run_id: str, *, actor: Actor, batch: Batch, workspace: str | None = None) -> "Future[Recorded]":
    """Log a batch of points, params and tags; the future ends after the commit.

    A batch id that was taken before adds nothing and answers `duplicate`. A param keeps its first
    value. Raises (here or from the future) NotFound, Forbidden, and Conflict with the code
    `stale_attempt`, `final` or `param_changed`.
    """
    admit(run_id, actor=actor, workspace=workspace)
    return _recorder.submit(_Item(run_id, actor, batch))


def _write(items: Sequence[_Item]) -> list[Recorded | Exception]:
    # Locked in the order of ids, so that two processes with the same runs cannot wait for each other.
    rows = Run.objects.select_for_update(no_key=True).filter(pk__in={item.run_id for item in items}).order_by("pk")
    fields = ("id", "status", "attempt_no", "desired", "metrics", "params", "tags")
    held = {row["id"]: _Held(row) for row in rows.values(*fields)}
    # Twins wait on the lock above, so what is not here now will not appear before our commit.
    for run_id, batch in MetricBatch.objects.filter(
        run_id__in=list(held), batch__in={item.batch.batch for item in items}
    ).values_list("run_id", "batch"):
        held[run_id].batches.add(batch)
    results: list[Recorded | Exception] = []
    fresh: list[MetricBatch] = []
    for item in items:
        try:
            result = _admit_item(item, held)
        except ZaffreError as error:
            results.append(error)
            continue
        results.append(result)
        if not result.duplicate:
            fresh.append(MetricBatch(run_id=item.run_id, batch=item.batch.batch))
    if fresh:
        MetricBatch.objects.bulk_create(fresh)
        _store({run_id: one for run_id, one in held.items() if one.new or one.params or one.tags})
    return results


def _admit_item(item: _Item, held: dict[str, _Held]) -> Recorded:
    run = held.get(item.run_id)
    if run is None:
        raise NotFound("There is no such run any more.")
    row, batch = run.row, item.batch
    stale = item.actor.kind == "run" and row["attempt_no"] != item.actor.attempt
    if batch.batch in run.batches and not stale:
        return Recorded(0, True, row["desired"])
    refuse_late(status=row["status"], attempt_no=row["attempt_no"], actor=item.actor)
    params = {key: _text(value) for key, value in batch.params.items()}
    _refuse_changed(params, row["params"] | run.params)
    accepted = refused = 0
    now = int(time.time() * 1000)
    for point in batch.points:
        lists = run.new.get(point.key)
        if lists is None:
            if point.key not in row["metrics"] and len(row["metrics"]) + len(run.new) >= MAX_KEYS:
                refused += 1
                continue
            lists = run.new[point.key] = ([], [], [])
        lists[0].append(point.step)
        lists[1].append(point.time or now)
        lists[2].append(columns.number(point.value))
        accepted += 1
    run.params |= params
    run.tags |= batch.tags
    run.batches.add(batch.batch)
    return Recorded(accepted, False, row["desired"], refused)


def _text(value: str | int | float | bool) -> str:
    return value if isinstance(value, str) else str(value)


def _refuse_changed(params: dict[str, str], known: dict[str, str]) -> None:
    for key, value in params.items():
        if key in known and known[key] != value:
            raise Conflict(
                f"The parameter {key!r} is {known[key]!r} and cannot become {value!r}.",
                code="param_changed",
                hint="A parameter says what a run was started with. Use a tag for what changes.",
                key=key,
            )


def _store(held: dict[str, _Held]) -> None:
    series: list[tuple[str, str, Series]] = []
    for run_id, run in held.items():
        summary = dict(run.row["metrics"])
        for key, (step, at, value) in run.new.items():
            piece = Series(np.array(step, np.int64), np.array(at, np.int64), np.array(value, np.float64))
            series.append((run_id, key, piece))
            summary[key] = columns.summed_up(summary.get(key), piece)
        changes: dict[str, Any] = {"metrics": summary} if run.new else {}
        if run.params:
            changes["params"] = run.row["params"] | run.params
        if run.tags:
            changes["tags"] = run.row["tags"] | run.tags
        Run.objects.filter(pk=run_id).update(**changes)
    if series:
        _insert(series, held)
    for run_id, run in held.items():
        transaction.on_commit(partial(_tell, run_id, run))


def _insert(series: list[tuple[str, str, Series]], held: dict[str, _Held]) -> None:
    # psycopg's own cursor sends the columns in binary; Django's would write them into the statement as text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_NEWEST, [list(held)])
        for run_id, newest in cursor.fetchall():
            held[run_id].prev = held[run_id].seq = newest
        cursor.execute(
            _INSERT,
            [
                [run_id for run_id, _, _ in series],
                [key for _, key, _ in series],
                [len(piece) for _, _, piece in series],
                [int(piece.step.min()) for _, _, piece in series],
                [int(piece.step.max()) for _, _, piece in series],
                [columns.pack(piece) for _, _, piece in series],
            ],
        )
        for run_id, chunk in cursor.fetchall():
            held[run_id].seq = max(held[run_id].seq, chunk)
    for run_id, count in Counter(run_id for run_id, _, _ in series).items():
        _count_chunks(run_id, count, keys=len(held[run_id].row["metrics"]) or 1)


_chunks_since_merge: Counter[str] = Counter()


def _count_chunks(run_id: str, count: int, *, keys: int) -> None:
    """Ask for a merge when this process added about MERGE_AFTER chunks to each series of a run."""
    _chunks_since_merge[run_id] += count
    if _chunks_since_merge[run_id] >= MERGE_AFTER * keys:
        del _chunks_since_merge[run_id]
        enqueue("metrics.merge_run", run_id)
    if len(_chunks_since_merge) > 10_000:
        _chunks_since_merge.clear()


def _tell(run_id: str, run: _Held) -> None:
    if run.new:
        small = sum(len(lists[0]) for lists in run.new.values()) <= MAX_FRAME_POINTS
        ring_soon(f"run.{run_id}", frame(run.prev if small else run.seq, run.seq, run.new if small else {}))
    if run.params or run.tags:
        ring_soon(f"run.{run_id}", b'{"t":"run"}')


def frame(prev: int, seq: int, data: dict[str, tuple[list[int], list[int], list[float]]]) -> bytes:
    """The live frame {"t":"points",…}: {key: [steps, values, times]}, new since `prev`."""
    shown = {key: [step, [columns.plain(v) for v in value], at] for key, (step, at, value) in data.items()}
    return msgspec.json.encode({"t": "points", "seq": seq, "prev": prev, "data": shown})


_recorder: GroupCommit[_Item, Recorded] = GroupCommit("metrics", _write)


def drain() -> None:
    """Write all that is in line and end the commit thread: the server stops."""
    _recorder.close()


def merge_run(run_id: str, *, actor: Actor) -> int:
    """Join a run's small chunks into ones of about MERGED points; return how many rows were saved.

    Readers and writers go on meanwhile: a merged chunk takes the place and the id of its last part
    and remembers the ids of all, so `since_seq` answers exactly what it answered before. Only the
    studio's own hand may call it.
    """
    if actor.kind != "system":
        raise NotFound("There is nothing to merge.")
    keys = MetricChunk.objects.filter(run_id=run_id, count__lt=MERGED).values_list("key", flat=True)
    return sum(_merge_series(run_id, key) for key in sorted(set(keys)))


@transaction.atomic
def _merge_series(run_id: str, key: str) -> int:
    # The locks keep a second merge out; inserts of new chunks do not touch these rows.
    chunks = list(
        MetricChunk.objects.select_for_update(no_key=True)
        .filter(run_id=run_id, key=key)
        .order_by("id")
        .values_list("id", "count")
    )
    saved = 0
    group: list[int] = []
    size = 0
    for chunk, count in chunks:
        if group and size + count > MERGED:
            saved += _merge_group(group)
            group, size = [], 0
        group.append(chunk)
        size += count
    return saved + _merge_group(group)


def _merge_group(ids: list[int]) -> int:
    if len(ids) < 2:
        return 0
    rows = list(MetricChunk.objects.filter(pk__in=ids).order_by("id"))
    merged = columns.join(columns.unpack(row.data, row.count) for row in rows)
    parts = [part for row in rows for part in (columns.unpack_parts(row.parts) or [(row.pk, row.count)])]
    MetricChunk.objects.filter(pk__in=ids[:-1]).delete()
    MetricChunk.objects.filter(pk=ids[-1]).update(
        count=len(merged),
        first_step=int(merged.step.min()),
        last_step=int(merged.step.max()),
        data=columns.pack(merged),
        parts=columns.pack_parts(parts),
    )
    return len(ids) - 1
