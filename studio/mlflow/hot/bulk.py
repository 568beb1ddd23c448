"""The history of one metric of several runs, as MLflow's pages draw it: whole, or thinned to some steps of all runs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from runs.metrics import queries as points
from runs.metrics.columns import Series
from runs.metrics.held import Held
from studio.kernel import db, hot
from studio.kernel.errors import Invalid
from studio.kernel.kept import Kept
from studio.mlflow import wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.shapes import points_out

MOST_RUNS, MOST_POINTS, MOST_STEPS = 100, 25_000, 2500
_json = msgspec.json.Encoder()
#: Charts as they were drawn, by what they were drawn of: pages ask for the same again and again.
_drawn: Kept[tuple[Any, ...], bytes] = Kept(16 * 1024 * 1024)


class Bulk(msgspec.Struct):
    metric_key: str | None = None
    max_results: int | None = None


class Interval(Bulk):
    start_step: int | None = None
    end_step: int | None = None


@door
async def history(request: hot.Request, ws: str) -> hot.Response:
    """GET metrics/get-history-bulk?run_id=&run_id=&metric_key=&max_results= → {metrics}, each with its run_id"""
    actor = await actor_of(request)
    asked = wire.from_query(request, Bulk)
    runs = [one for one in request.query.get("run_id", []) if one]
    if not runs:
        raise Invalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(runs) > MOST_RUNS:
        raise Invalid(
            f"GetMetricHistoryBulk request cannot specify more than {MOST_RUNS} run_ids. Received {len(runs)}."
        )
    if not asked.metric_key:
        raise Invalid("GetMetricHistoryBulk request must specify a metric_key.")
    key = asked.metric_key
    limit = min(wire.page(asked.max_results, default=MOST_POINTS, most=2**31), MOST_POINTS)
    return await db.run(lambda: _whole(points.histories(ws, runs, key, actor=actor), key, limit))


def _whole(found: Mapping[str, Held], key: str, limit: int) -> hot.Response:
    told: list[dict[str, Any]] = []
    for run_id in sorted(found):
        series = found[run_id].series
        told += points_out(key, series.take(np.lexsort((series.step, series.time))[: limit - len(told)]), run_id)
    return hot.json({"metrics": told})


@door
async def interval(request: hot.Request, ws: str) -> hot.Response:
    """GET metrics/get-history-bulk-interval?run_ids=&metric_key=&start_step=&end_step=&max_results= → {metrics}"""
    actor = await actor_of(request)
    asked = wire.from_query(request, Interval)
    runs = [one for one in request.query.get("run_ids", []) if one]
    wire.needed(runs[0] if runs else None, "run_ids")
    if len(runs) > MOST_RUNS:
        raise Invalid(f"GetMetricHistoryBulkInterval request must specify at most {MOST_RUNS} run_ids.")
    key = wire.needed(asked.metric_key, "metric_key")
    most = MOST_STEPS if asked.max_results is None else asked.max_results
    if not 1 <= most <= MOST_STEPS:
        raise Invalid(f"max_results must be between 1 and {MOST_STEPS}, and it is {most}.")
    start, end = asked.start_step, asked.end_step
    if (start is None) != (end is None):
        raise Invalid("If either start step or end step are specified, both must be specified.")
    if start is not None and end is not None and start > end:
        raise Invalid(f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.")

    def look() -> bytes:
        found = points.histories(ws, runs, key, actor=actor)
        mark = (tuple((run_id, one.version) for run_id, one in found.items()), key, start, end, most)
        drawn = _drawn.get(mark)
        if drawn is None:
            drawn = _json.encode({"metrics": _thinned(found, key, start, end, most)})
            _drawn.keep(mark, drawn, size=len(drawn))
        return drawn

    return hot.Response(body=await db.run(look))


def _thinned(
    found: Mapping[str, Held], key: str, start: int | None, end: int | None, most: int
) -> list[dict[str, Any]]:
    inside = [_within(one.series, start, end) for one in found.values()]
    chosen = sampled(inside, most)
    told: list[dict[str, Any]] = []
    for run_id, series in zip(found, inside, strict=True):
        kept = _at(series, chosen)
        told += points_out(key, kept.take(np.lexsort((kept.time, kept.step))), run_id)
    return told


def _at(series: Series, chosen: NDArray[np.int64]) -> Series:
    """The points at these steps. Both are looked through by search, not by a set: one of them may be long."""
    if not len(chosen):
        return series.take([])
    if bool(np.all(series.step[1:] > series.step[:-1])):
        here = chosen[chosen <= series.step[-1]] if len(series) else chosen[:0]
        at = np.searchsorted(series.step, here)
        return series.take(at[series.step[at] == here])
    at = np.searchsorted(chosen, series.step)
    at[at == len(chosen)] = 0
    return series.take(np.flatnonzero(chosen[at] == series.step))


def _within(series: Series, start: int | None, end: int | None) -> Series:
    if start is None or end is None:
        return series
    return series.take(np.flatnonzero((series.step >= start) & (series.step <= end)))


def sampled(series: Sequence[Series], most: int) -> NDArray[np.int64]:
    """About `most` of all steps, evenly, with the first and the last one of each series; sorted.

    Where some are left out, those of the lowest and the highest value of each series stay, so that no spike is lost:
    more than MLflow's own server does.
    """
    every = _distinct([one.step for one in series])
    if len(every) <= most:
        return every
    ends = {int(edge) for one in series if len(one) for edge in (one.step.min(), one.step.max(), *_extremes(one))}
    evenly = every[np.arange(most) * len(every) // most]
    return np.unique(np.concatenate([evenly, every[-1:], np.array(sorted(ends), np.int64)]))


def _distinct(steps: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    full = [one for one in steps if len(one)]
    # Runs of one script have the same steps.
    if len(full) > 1 and all(np.array_equal(one, full[0]) for one in full[1:]):
        full = full[:1]
    if len(full) == 1 and bool(np.all(full[0][1:] > full[0][:-1])):
        return full[0]
    return np.unique(np.concatenate(full)) if full else np.empty(0, np.int64)


def _extremes(series: Series) -> Iterable[np.int64]:
    present = np.flatnonzero(~np.isnan(series.value))
    if len(present):
        value = series.value[present]
        yield series.step[present[value.argmin()]]
        yield series.step[present[value.argmax()]]
