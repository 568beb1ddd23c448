"""Taking points: exactly once, in order, and never from an attempt that lost its run."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import numpy as np
from django.db import transaction
from django.utils import timezone

from runs.fencing import admit, refuse_late
from runs.metrics import columns, store
from runs.metrics.columns import Series
from runs.metrics.models import MetricBatch, MetricChunk
from runs.metrics.store import LockedRun
from runs.metrics.wire import Batch
from studio.kernel.actors import Actor
from studio.kernel.bells import ring_soon
from studio.kernel.errors import Conflict, Invalid, NotFound, ZaffreError
from studio.kernel.groupcommit import GroupCommit
from studio.kernel.jobs import enqueue

#: Keys of one run. Points of further ones are refused and counted in the answer; the run goes on.
MAX_KEYS = 10_000
#: Parameters of a run, and tags that its code gives it.
MAX_FACTS = 1000
#: A frame with more points is sent empty: watchers then read the database.
MAX_FRAME_POINTS = 5_000
#: Chunks that this process added to a run before it asks for a merge.
MERGE_AFTER = 200
#: A merged chunk's size in points.
MERGED = 10_000
#: How long a repeated batch is recognised.
BATCHES_KEPT = timedelta(days=2)


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

    run: LockedRun
    #: Columns in the making: key → (steps, times, values).
    new: dict[str, tuple[list[int], list[int], list[float]]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
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
    held = {run_id: _Held(run) for run_id, run in store.lock_runs(sorted({item.run_id for item in items})).items()}
    results: list[Recorded | Exception | None] = [_refusal(item, held.get(item.run_id)) for item in items]
    # Twins waited on the locks above, so what is not known now will not be before our commit.
    wanted = {(item.run_id, item.batch.batch) for item, refusal in zip(items, results, strict=True) if not refusal}
    fresh = store.take_batches(sorted(wanted)) if wanted else set()
    ended = _repeats_after_the_end(items, results)
    for at, item in enumerate(items):
        pair = (item.run_id, item.batch.batch)
        if pair in ended or (results[at] is None and pair not in fresh):
            results[at] = Recorded(0, True, held[item.run_id].run.desired)
        elif results[at] is None:
            fresh.discard(pair)
            results[at] = _add(item.batch, held[item.run_id])
    changed = {run_id: one for run_id, one in held.items() if one.new or one.params or one.tags}
    if changed:
        _store(changed)
    return [result for result in results if result is not None]


def _refusal(item: _Item, held: _Held | None) -> ZaffreError | None:
    try:
        if held is None:
            raise NotFound("There is no such run any more.")
        refuse_late(status=held.run.status, attempt_no=held.run.attempt_no, actor=item.actor)
        params = {key: _text(value) for key, value in item.batch.params.items()}
        known, tags = held.run.params | held.params, held.run.tags | held.tags
        _refuse_changed(params, known)
        _refuse_too_many("parameters", len(known), len(known.keys() | params.keys()))
        _refuse_too_many("tags", len(tags), len(tags.keys() | item.batch.tags.keys()))
    except ZaffreError as error:
        return error
    # Kept at once: a later batch of the same group must not say otherwise.
    held.params |= params
    return None


def _repeats_after_the_end(items: Sequence[_Item], results: Sequence[object]) -> set[tuple[str, str]]:
    """Batches of ended runs that were taken while they ran: the sender only missed our answer."""
    late = [
        (item.run_id, item.batch.batch)
        for item, result in zip(items, results, strict=True)
        if isinstance(result, Conflict) and result.code == "final"
    ]
    if not late:
        return set()
    known = store.known_batches([run for run, _ in late], [batch for _, batch in late])
    return known.intersection(late)


def _add(batch: Batch, held: _Held) -> Recorded:
    known, new = held.run.metrics, held.new
    accepted = refused = 0
    now = int(time.time() * 1000)
    for point in batch.points:
        lists = new.get(point.key)
        if lists is None:
            if point.key not in known and len(known) + len(new) >= MAX_KEYS:
                refused += 1
                continue
            lists = new[point.key] = ([], [], [])
        lists[0].append(point.step)
        lists[1].append(point.time or now)
        lists[2].append(columns.number(point.value))
        accepted += 1
    held.tags |= batch.tags
    return Recorded(accepted, False, held.run.desired, refused)


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


def _refuse_too_many(what: str, before: int, after: int) -> None:
    # Each is in every listing of runs. A run that has more for another reason is left in peace.
    if after > max(before, MAX_FACTS):
        raise Invalid(
            f"The run would have {after} {what}, and at most {MAX_FACTS} are kept.",
            code="too_many_facts",
            hint="Log what changes from step to step as a metric, and long lists as a file in outputs/.",
        )


def _store(held: dict[str, _Held]) -> None:
    series: list[tuple[str, str, Series]] = []
    changes: list[tuple[str, dict[str, Any], dict[str, str], dict[str, str]]] = []
    for run_id, one in held.items():
        summaries: dict[str, Any] = {}
        for key, (step, at, value) in one.new.items():
            piece = Series(np.array(step, np.int64), np.array(at, np.int64), np.array(value, np.float64))
            series.append((run_id, key, piece))
            summaries[key] = columns.summed_up(one.run.metrics.get(key), piece)
        changes.append((run_id, summaries, one.params, one.tags))
    if series:
        logged = [run_id for run_id, one in held.items() if one.new]
        for run_id, seq in store.newest(logged).items():
            held[run_id].prev = seq
        for run_id, seq in store.insert(series).items():
            held[run_id].seq = seq
        for run_id in logged:
            _count_chunks(run_id, len(held[run_id].new), keys=len(held[run_id].run.metrics) or 1)
    store.update_runs(changes)
    for run_id, one in held.items():
        transaction.on_commit(partial(_tell, run_id, one))


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
    # No sender repeats a batch after so long.
    MetricBatch.objects.filter(run_id=run_id, created__lt=timezone.now() - BATCHES_KEPT).delete()
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
