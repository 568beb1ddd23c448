"""Reading series: whole or thinned, from the beginning or since what a watcher has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Sum

from runs.metrics import columns, store
from runs.metrics import items as logged
from runs.metrics.columns import Series
from runs.metrics.held import Held, series_of
from runs.metrics.models import MetricChunk
from runs.queries import get_run_as_told, get_run_briefly, require_runs
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid

MAX_SERIES = 100
MAX_POINTS = 10_000


@dataclass
class Points:
    """Points logged after `since`, by key, in the order of logging; `seq` is the newest that was seen."""

    seq: int
    series: dict[str, Series]

    def __len__(self) -> int:
        return sum(len(one) for one in self.series.values())


def newest(run_id: str, *, actor: Actor) -> int:
    """The sequence number of the run's newest points, 0 without any. The caller has authorised the actor."""
    return MetricChunk.objects.filter(run_id=run_id).aggregate(newest=Max("id"))["newest"] or 0


def summary(slug: str, run_id: str, *, actor: Actor) -> dict[str, Any]:
    """{metrics: {key: {kind, last, last_step, min, max, count}}, seq}. Raises as get_run does."""
    # Read before the summary: whoever asks for what came after it may be told a point twice, never none.
    run = get_run_as_told(slug, run_id, actor=actor, deleted=False)
    return {"metrics": run.metrics, "seq": newest(run_id, actor=actor)}


def count_since(run_id: str, *, actor: Actor, since: int = 0) -> int:
    """About how many points came after `since`, without reading them. The caller has authorised the actor."""
    rows = MetricChunk.objects.filter(run_id=run_id, pk__gt=since)
    return rows.aggregate(count=Sum("count"))["count"] or 0


def points_since(run_id: str, *, actor: Actor, keys: list[str] | None = None, since: int = 0) -> Points:
    """All points of the keys (None: every key) after sequence `since`. The caller has authorised the actor."""
    # First the newest number, then the rows: a chunk that commits in between is in the rows, and
    # ids of a run grow in the order of commits, so nothing up to `seq` is missing.
    seq = newest(run_id, actor=actor)
    if seq <= since:
        return Points(seq, {})
    pieces: dict[str, list[Series]] = {}
    for chunk, key, count, data, parts in store.chunks(run_id, keys=keys, since=since):
        piece = columns.unpack(data, count)
        if since and parts:
            piece = piece.take(slice(columns.known_points(columns.unpack_parts(parts), since), None))
        if len(piece):
            pieces.setdefault(key, []).append(piece)
        seq = max(seq, chunk)
    return Points(seq, {key: columns.join(held) for key, held in pieces.items()})


def histories(slug: str, run_ids: Sequence[str], key: str, *, actor: Actor) -> dict[str, Held]:
    """All points of one key of several runs, as they were logged. Raises NotFound for a run that there is not."""
    require_runs(slug, run_ids, actor=actor)
    return series_of(run_ids, key)


def history(slug: str, run_id: str, key: str, *, actor: Actor) -> Series:
    """All points of one key of a run, as they were logged. Raises as get_run does."""
    get_run_briefly(slug, run_id, actor=actor)
    return series_of([run_id], key)[run_id].series


def series(
    slug: str,
    run_id: str,
    *,
    actor: Actor,
    keys: list[str] | None = None,
    points: int = 1000,
    since_seq: int = 0,
) -> dict[str, Any]:
    """{seq, series: {key: {step, value, time}}}, each thinned to about `points` points and sorted by step.

    `keys` None means every key, MAX_SERIES at most. Values that JSON cannot say are text.
    Raises Invalid for too many keys, and as get_run does.
    """
    run = get_run_as_told(slug, run_id, actor=actor, deleted=False)
    known = list(run.metrics) if keys is None else list(dict.fromkeys(keys))
    _refuse_many(len(known))
    # Every key means those of the rows, not those of the run as it was a moment ago: a key that is new since then
    # counts into `seq`, and who is told that number is not told the points again.
    found = points_since(run_id, actor=actor, keys=None if keys is None else known, since=since_seq)
    asked = list(dict.fromkeys([*known, *found.series]))
    _refuse_many(len(asked))
    answer: dict[str, Any] = {}
    for key in asked:
        one = columns.thin(columns.by_step(found.series.get(key, columns.EMPTY)), points)
        if len(one) or not since_seq:
            answer[key] = {
                "step": one.step.tolist(),
                "value": columns.plain_list(one.value),
                "time": one.time.tolist(),
            }
    return {"seq": found.seq, "series": answer}


def items(
    slug: str, run_id: str, *, actor: Actor, keys: list[str] | None = None, after: int = 0, limit: int = 250
) -> dict[str, Any]:
    """{items: [{id, key, kind, step, time, description, value}], next}: what is no number, in the order of logging.

    `keys` None means every key; `next` is the `after` of the following page, None at the end. Raises as get_run does.
    """
    run = get_run_briefly(slug, run_id, actor=actor)
    if keys is not None:
        _refuse_many(len(keys))
    found, more = logged.page(run.pk, keys=keys, after=after, limit=max(1, limit))
    return {"items": found, "next": more}


def _refuse_many(count: int) -> None:
    if count > MAX_SERIES:
        raise Invalid(
            f"At most {MAX_SERIES} series are read at once, and {count} were asked for.",
            hint="Name the ones to read with ?key=…",
        )
