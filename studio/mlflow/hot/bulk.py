"""The history of one metric of several runs, as MLflow's pages draw it: whole, or thinned to some steps of all runs."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from runs.metrics import queries as points
from runs.metrics.columns import Series
from studio.kernel import db, hot
from studio.kernel.errors import Invalid
from studio.mlflow import wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.shapes import points_out

MOST_RUNS, MOST_POINTS, MOST_STEPS = 100, 25_000, 2500


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
    found = await db.run(points.histories, ws, runs, key, actor=actor)
    told: list[dict[str, Any]] = []
    for run_id in sorted(found):
        series = found[run_id]
        told += _of_run(run_id, key, series.take(np.lexsort((series.step, series.time))[: limit - len(told)]))
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
    told = await db.run(lambda: _thinned(points.histories(ws, runs, key, actor=actor), key, start, end, most))
    return hot.json({"metrics": told})


def _thinned(found: dict[str, Series], key: str, start: int | None, end: int | None, most: int) -> list[dict[str, Any]]:
    inside = [_within(one, start, end) for one in found.values()]
    chosen = sampled(inside, most)
    told: list[dict[str, Any]] = []
    for run_id, series in zip(found, inside, strict=True):
        # By search and not by a set: both are sorted, and one of them may be long.
        at = np.searchsorted(chosen, series.step)
        at[at == len(chosen)] = 0
        kept = series.take(np.flatnonzero(chosen[at] == series.step)) if len(chosen) else series.take([])
        told += _of_run(run_id, key, kept.take(np.lexsort((kept.time, kept.step))))
    return told


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
    if len(full) == 1 and bool(np.all(full[0][1:] > full[0][:-1])):
        return full[0]
    return np.unique(np.concatenate(full)) if full else np.empty(0, np.int64)


def _extremes(series: Series) -> Iterable[np.int64]:
    present = np.flatnonzero(~np.isnan(series.value))
    if len(present):
        value = series.value[present]
        yield series.step[present[value.argmin()]]
        yield series.step[present[value.argmax()]]


def _of_run(run_id: str, key: str, series: Series) -> Iterable[dict[str, Any]]:
    return ({**one, "run_id": run_id} for one in points_out(key, series))
