"""Taking what is logged: exactly once, in order, and never from an attempt that lost its run."""

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

from runs.fencing import admit, refuse_ended, refuse_late, takes_more
from runs.metrics import columns, documents, items, merging, store
from runs.metrics.columns import Series
from runs.metrics.models import MetricBatch
from runs.metrics.store import LockedRun
from runs.metrics.wire import Batch, Item
from studio.kernel.actors import Actor
from studio.kernel.belief import Believed
from studio.kernel.bells import ring_soon
from studio.kernel.errors import Conflict, Invalid, NotFound, ZaffreError
from studio.kernel.groupcommit import GroupCommit
from studio.kernel.jobs import enqueue
from zaffre.protocol import TABLE

#: Keys of one run. Points of further ones are refused and counted in the answer; the run goes on.
MAX_KEYS = 10_000
#: Points of one series; rows of one table, and how often anything else is logged under one key.
MAX_POINTS, MAX_ROWS, MAX_ITEMS = 20_000_000, 100_000, 10_000
#: Parameters of a run, and tags that its code gives it.
MAX_FACTS = 1000
#: A frame with more points is sent empty: watchers then read the database.
MAX_FRAME_POINTS = 5_000
#: Chunks that this process added to a run before it asks for a merge.
MERGE_AFTER = 200
#: How long a repeated batch is recognised.
BATCHES_KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Recorded:
    """The answer to a batch. `refused` points and items were not kept: `code` and `problem` say why, `keys` whose."""

    accepted: int
    duplicate: bool
    desired: str
    refused: int = 0
    code: str = ""
    problem: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Item:
    run_id: str
    actor: Actor
    batch: Batch
    late: bool = False


@dataclass
class _Held:
    """A locked run while a group is written."""

    run: LockedRun
    #: Columns in the making: key → (steps, times, values).
    new: dict[str, tuple[list[int], list[int], list[float]]] = field(default_factory=dict)
    items: dict[str, list[Item]] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    prev: int = 0
    seq: int = 0

    @property
    def changed(self) -> bool:
        return bool(self.new or self.items or self.descriptions or self.params or self.tags)

    def no_room(self, key: str, family: str) -> str:
        """Why nothing more of this family of kinds is taken under `key`: a code, empty when it is."""
        known = self.run.metrics.get(key)
        if known is None and key not in self.new and key not in self.items:
            return "too_many_keys" if len(self.run.metrics) + len(self.new) + len(self.items) >= MAX_KEYS else ""
        held = _family_of(known["kind"]) if known else _NUMBERS if key in self.new else self.items[key][0].kind
        if documents.family(held) != family:
            return "other_kind"
        most = {_NUMBERS: MAX_POINTS, TABLE: MAX_ROWS}.get(family, MAX_ITEMS)
        return "too_many_values" if known and known["count"] >= most else ""


def record(
    run_id: str, *, actor: Actor, batch: Batch, workspace: str | None = None, late: bool = False
) -> "Future[Recorded]":
    """Log a batch of points, items, params and tags; the future ends after the commit.

    A batch id that was taken before adds nothing and answers `duplicate`. A param keeps its first
    value. Raises (here or from the future) NotFound, Forbidden, and Conflict with the code
    `stale_attempt`, `final` or `param_changed`. With `late` a person's interactive run takes more after its end.
    """
    asked = time.monotonic()
    admit(run_id, actor=actor, workspace=workspace)
    _admitted.keep((actor, workspace, run_id), True, asked=asked)
    return _recorder.submit(_Item(run_id, actor, batch, late))


def record_at_once(
    run_id: str, *, actor: Actor, batch: Batch, workspace: str | None = None, late: bool = False
) -> "Future[Recorded] | None":
    """`record` where no question to the database is needed first, because this was allowed a moment ago; else None.

    What ends a right within the moment is found out in the transaction if it is about the run, and after it if not.
    """
    own = actor.kind == "run" and workspace is None and actor.run_id == run_id
    if not own and _admitted.get((actor, workspace, run_id)) is None:
        return None
    return _recorder.submit(_Item(run_id, actor, batch, late))


def _write(sent: Sequence[_Item]) -> list[Recorded | Exception]:
    ids = {item.run_id for item in sent} | {item.actor.run_id for item in sent if item.actor.run_id}
    named = {(item.run_id, item.batch.batch) for item in sent if item.batch.batch}
    runs, fresh = store.hold_runs(sorted(ids), sorted(named))
    held = {run_id: _Held(run) for run_id, run in runs.items()}
    results: list[Recorded | Exception | None] = [_refusal(item, held) for item in sent]
    unused = fresh.copy()
    for at, item in enumerate(sent):
        pair, refusal = (item.run_id, item.batch.batch), results[at]
        # Of an ended run too, if it was taken while it ran: its sender only missed our answer.
        ended = isinstance(refusal, Conflict) and refusal.code == "final" and pair in named - fresh
        if ended or (refusal is None and item.batch.batch and pair not in unused):
            results[at] = Recorded(0, True, held[item.run_id].run.desired)
        elif refusal is None:
            unused.discard(pair)
            results[at] = _add(item.batch, held[item.run_id])
    if unused:
        store.give_back(sorted(unused))
    changed = {run_id: one for run_id, one in held.items() if one.changed}
    if changed:
        _store(changed)
    return [result for result in results if result is not None]


def _refusal(item: _Item, runs: dict[str, _Held]) -> ZaffreError | None:
    held, code = runs.get(item.run_id), runs.get(item.actor.run_id or "")
    try:
        if held is None:
            raise NotFound("There is no such run any more.")
        if held.run.deleted and item.actor.kind != "run":
            raise NotFound("The run was deleted.", code="deleted", run=item.run_id)
        if code is not None and code is not held:  # a child: its code is that of the run which made it
            refuse_late(status=code.run.status, attempt_no=code.run.attempt_no, actor=item.actor)
            refuse_ended(held.run.status)
        else:
            more = takes_more(held.run.desired, late=item.late)
            refuse_late(status=held.run.status, attempt_no=held.run.attempt_no, actor=item.actor, open_ended=more)
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


def _add(batch: Batch, held: _Held) -> Recorded:
    new = held.new
    accepted = 0
    refused: list[tuple[str, str]] = []
    now = int(time.time() * 1000)
    for point in batch.points:
        lists = new.get(point.key)
        if lists is None:
            problem = held.no_room(point.key, _NUMBERS)
            if problem:
                refused.append((point.key, problem))
                continue
            lists = new[point.key] = ([], [], [])
        lists[0].append(point.step)
        lists[1].append(point.time or now)
        lists[2].append(columns.number(point.value))
        accepted += 1
    for item in batch.items:
        problem = held.no_room(item.key, documents.family(item.kind))
        if problem:
            refused.append((item.key, problem))
        else:
            held.items.setdefault(item.key, []).append(item)
            accepted += 1
    held.descriptions |= {key: text for key, text in batch.descriptions.items() if text}
    held.tags |= batch.tags
    return _answer(accepted, held.run.desired, refused)


def _answer(accepted: int, desired: str, refused: list[tuple[str, str]]) -> Recorded:
    if not refused:
        return Recorded(accepted, False, desired)
    key, code = refused[0]
    keys = tuple(dict.fromkeys(name[:80] for name, _ in refused))[:10]
    return Recorded(accepted, False, desired, len(refused), code, _PROBLEMS[code].format(key=key[:80]), keys)


def _family_of(kind: str) -> str:
    return _NUMBERS if kind in ("scalar", "list") else kind


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
                was=known[key],
                wanted=value,
            )


def _refuse_too_many(what: str, before: int, after: int) -> None:
    # Each is in every listing of runs. A run that has more for another reason is left in peace.
    if after > max(before, MAX_FACTS):
        raise Invalid(
            f"The run would have {after} {what}, and at most {MAX_FACTS} are kept.",
            code="too_many_facts",
            hint="Log what changes from step to step as a metric, and long lists as a file in outputs/.",
            field="params" if what == "parameters" else what,
        )


def _kept_words(held: _Held, key: str) -> dict[str, str]:
    text = held.descriptions.get(key) or (held.run.metrics.get(key) or {}).get("description")
    return {"description": text} if text else {}


def _store(held: dict[str, _Held]) -> None:
    series: list[tuple[str, str, Series]] = []
    changes: list[tuple[str, dict[str, Any], dict[str, str], dict[str, str]]] = []
    for run_id, one in held.items():
        summaries: dict[str, Any] = {}
        for key, (step, at, value) in one.new.items():
            piece = Series(np.array(step, np.int64), np.array(at, np.int64), np.array(value, np.float64))
            series.append((run_id, key, piece))
            summaries[key] = _kept_words(one, key) | columns.summed_up(one.run.metrics.get(key), piece)
        for key, listed in one.items.items():
            summaries[key] = items.summed_up(one.run.metrics.get(key), listed)
        for key, text in one.descriptions.items():
            if key not in summaries and key in one.run.metrics:
                summaries[key] = {**one.run.metrics[key], "description": text}
        changes.append((run_id, summaries, one.params, one.tags))
    if series:
        logged = [run_id for run_id, one in held.items() if one.new]
        for run_id, (prev, seq) in store.store(changes, series).items():
            held[run_id].prev, held[run_id].seq = prev, seq
        for run_id in logged:
            _count_chunks(run_id, len(held[run_id].new), keys=len(held[run_id].run.metrics) or 1)
    others = [(run_id, item) for run_id, one in held.items() for many in one.items.values() for item in many]
    if others:
        items.insert(others, now=int(time.time() * 1000))
    if not series:
        store.update_runs(changes)
    for run_id, one in held.items():
        transaction.on_commit(partial(_tell, run_id, one))


_NUMBERS = "numbers"
_PROBLEMS = {
    "too_many_keys": f"A run has at most {MAX_KEYS} metrics, and {{key!r}} is one more.",
    "other_kind": "{key!r} holds another kind of value already: give this one another name.",
    "too_many_values": (
        f"{{key!r}} is full: a series has at most {MAX_POINTS} points, a table {MAX_ROWS} rows, "
        f"and anything else is logged {MAX_ITEMS} times."
    ),
}
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
        told = (run.prev, run.seq, run.new) if small else (run.seq, run.seq, {})
        ring_soon(f"run.{run_id}", "points", partial(frame, *told))
    if run.items:
        ring_soon(f"run.{run_id}", "items", lambda: b'{"t":"items"}')
    if run.params or run.tags:
        ring_soon(f"run.{run_id}", "run", lambda: b'{"t":"run"}')


def frame(prev: int, seq: int, data: dict[str, tuple[list[int], list[int], list[float]]]) -> bytes:
    """The live frame {"t":"points",…}: {key: [steps, values, times]}, new since `prev`."""
    shown = {key: [step, [columns.plain(v) for v in value], at] for key, (step, at, value) in data.items()}
    return msgspec.json.encode({"t": "points", "seq": seq, "prev": prev, "data": shown})


def _share(item: _Item) -> tuple[str, int]:
    return item.run_id, len(item.batch.points) + len(item.batch.items) + 1


_recorder: GroupCommit[_Item, Recorded] = GroupCommit("metrics", _write, _share)
#: (actor, workspace, run) that `admit` let pass.
_admitted: Believed[tuple[Actor, str | None, str], bool] = Believed()


def drain() -> None:
    """Write all that is in line and end the commit thread: the server stops."""
    _recorder.close()


def merge_run(run_id: str, *, actor: Actor) -> int:
    """Join a run's small chunks, and sum up the large ones; return how many rows were saved.

    Only the studio's own hand may call it.
    """
    if actor.kind != "system":
        raise NotFound("There is nothing to merge.")
    # No sender repeats a batch after so long.
    MetricBatch.objects.filter(run_id=run_id, created__lt=timezone.now() - BATCHES_KEPT).delete()
    return merging.merge(run_id)
