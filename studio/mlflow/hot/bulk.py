"""The history of one metric of several runs, as MLflow's pages draw it: whole, or thinned to some steps of all runs."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

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
    found = await db.run(points.histories, ws, runs, key, actor=actor)
    chosen = np.array(sorted(sampled([one.step for one in found.values()], start, end, most)), np.int64)
    told: list[dict[str, Any]] = []
    for run_id, series in found.items():
        kept = series.take(np.flatnonzero(np.isin(series.step, chosen)))
        told += _of_run(run_id, key, kept.take(np.lexsort((kept.time, kept.step))))
    return hot.json({"metrics": told})


def sampled(series: Sequence[np.ndarray], start: int | None, end: int | None, most: int) -> set[int]:
    """About `most` of all steps within [start, end], evenly, with the first and the last one of each series."""
    inside = [one if start is None or end is None else one[(one >= start) & (one <= end)] for one in series]
    every = np.unique(np.concatenate(inside)).tolist() if inside else []
    if start is not None and end is not None:
        every = every[bisect_left(every, start) : bisect_right(every, end)]
    if len(every) <= most:
        return set(every)
    ends = {int(edge) for one in inside if len(one) for edge in (one.min(), one.max())}
    return {every[int(at * len(every) / most)] for at in range(most)} | {every[-1]} | ends


def _of_run(run_id: str, key: str, series: Series) -> Iterable[dict[str, Any]]:
    return ({**one, "run_id": run_id} for one in points_out(key, series))
