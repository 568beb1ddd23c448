"""What is logged: metrics, params and tags in, the history of a metric out.

MLflow's client repeats a request whose answer was cut, and sends the same bytes then; points carry their time. So the
digest of the bytes names the batch, and a repeat adds nothing. Without points there is nothing that could count twice.
"""

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np

from registry.loggedmodels import queries as logged_models
from registry.loggedmodels import services as models
from runs import services as services_of_runs
from runs.metrics import queries as points
from runs.metrics import services
from runs.metrics.wire import Batch, Point, check
from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from studio.mlflow import wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door, missing
from studio.mlflow.shapes import NAME_TAG, points_out
from zaffre.protocol import MAX_METRIC_KEY

MOST_METRICS, MOST_PAIRS, MOST_ENTITIES = 1000, 100, 1000
#: Longer values are cut: MLflow's own server does so, unless it is told otherwise.
LONGEST_PARAM, LONGEST_TAG = 6000, 8000
MOST_POINTS = 25_000
_LEAST, _MOST = -(2**63), 2**63 - 1


@door
async def log_metric(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/log-metric {run_id, key, value, timestamp, step?} → {}"""
    actor = await actor_of(request)
    asked, raw = await wire.read(request, wire.LogMetric)
    for what in ("key", "value", "timestamp"):
        wire.needed(getattr(asked, what), what)
    about = asked.model_id, asked.dataset_name, asked.dataset_digest
    one = wire.Metric(asked.key, asked.value, asked.timestamp, asked.step, *about)
    return await log(ws, wire.run_id_of(asked), raw, actor=actor, metrics=[one])


@door
async def log_parameter(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/log-parameter {run_id, key, value} → {}"""
    actor = await actor_of(request)
    asked, raw = await wire.read(request, wire.LogPair)
    pair = wire.KeyValue(wire.needed(asked.key, "key"), asked.value)
    return await log(ws, wire.run_id_of(asked), raw, actor=actor, params=[pair])


@door
async def log_batch(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/log-batch {run_id, metrics?, params?, tags?} → {}: all of it, or nothing"""
    actor = await actor_of(request)
    asked, raw = await wire.read(request, wire.LogBatch)
    metrics, params, tags = asked.metrics or [], asked.params or [], asked.tags or []
    for what, found, most in (("metrics", metrics, MOST_METRICS), ("params", params, MOST_PAIRS), ("tags", tags, 100)):
        if len(found) > most:
            raise Invalid(f"A batch logging request can contain at most {most} {what}. Got {len(found)} {what}.")
    total = len(metrics) + len(params) + len(tags)
    if total > MOST_ENTITIES:
        raise Invalid(f"A batch logging request can contain at most {MOST_ENTITIES} entities. Got {total}.")
    return await log(ws, wire.run_id_of(asked), raw, actor=actor, metrics=metrics, params=params, tags=tags)


async def log(
    ws: str,
    run_id: str,
    raw: bytes,
    *,
    actor: Actor,
    metrics: Sequence[wire.Metric] = (),
    params: Sequence[wire.KeyValue] = (),
    tags: Sequence[wire.KeyValue] = (),
) -> hot.Response:
    """Log all of it as one batch, whose name is the digest of `raw`, and answer. Raises as `services.record`."""
    # The name of a run is no tag here: it is changed below.
    facts = {_named(pair.key, "tags", at): (pair.value or "")[:LONGEST_TAG] for at, pair in enumerate(tags)}
    name = facts.pop(NAME_TAG, "")
    batch = Batch(
        # Parameters and tags are what they are, however often they are said: such a batch needs no memory.
        batch=hashlib.sha256(raw).hexdigest() if metrics else "",
        points=[_point(at, metric) for at, metric in enumerate(metrics)],
        params={**_params(params)},
        tags=facts,
    )
    check(batch)
    measured = _of_models(metrics)
    if measured:
        await db.run(logged_models.require, ws, [one.model for one in measured], actor=actor)
    if name:
        await db.run(services_of_runs.edit_run, ws, run_id, actor=actor, name=name)
    line = services.record_at_once(run_id, actor=actor, batch=batch, workspace=ws, late=True)
    if line is None:
        line = await db.run(services.record, run_id, actor=actor, batch=batch, workspace=ws, late=True)
    # Shielded: when the caller goes away, its points still count and its repeat is a duplicate.
    try:
        done = await asyncio.shield(asyncio.wrap_future(line))
    except Conflict as error:
        error.details["of_run"] = run_id
        raise
    if done.refused:
        raise Invalid(f"{done.problem} {done.refused} points are lost, all others of the batch are kept.")
    if measured:
        await db.run(models.measure, ws, run_id, actor=actor, measured=measured)
    return hot.json({})


def _of_models(metrics: Sequence[wire.Metric]) -> list[models.Measured]:
    """What was measured of logged models; it is kept with them besides."""
    return [
        models.Measured(
            one.model_id,
            one.key or "",
            one.value or 0.0,
            one.step or 0,
            one.timestamp or 0,
            one.dataset_name or "",
            one.dataset_digest or "",
        )
        for one in metrics
        if one.model_id
    ]


def _point(at: int, metric: wire.Metric) -> Point:
    key, value, moment, step = metric.key, metric.value, metric.timestamp, metric.step or 0
    if not key or len(key) > MAX_METRIC_KEY:
        key = _named(key, "metrics", at)
    if value is None or moment is None:
        raise missing(f"metrics[{at}].{'value' if value is None else 'timestamp'}")
    if not (_LEAST <= step <= _MOST and _LEAST <= moment <= _MOST):
        what = "timestamp" if _LEAST <= step <= _MOST else "step"
        raise Invalid(f"metrics[{at}].{what} is a number of 64 bits.")
    return Point(key, value, step, moment)


def _named(key: str | None, what: str, at: int) -> str:
    name = wire.needed(key, f"{what}[{at}].key")
    if len(name) > MAX_METRIC_KEY:
        raise Invalid(
            f"Invalid value {name[:MAX_METRIC_KEY]!r} for parameter '{what}[{at}].key' supplied: it has {len(name)} "
            f"characters, and exceeds the maximum length of {MAX_METRIC_KEY}."
        )
    return name


def _params(pairs: Sequence[wire.KeyValue]) -> dict[str, str]:
    found: dict[str, str] = {}
    for at, pair in enumerate(pairs):
        key, value = _named(pair.key, "params", at), (pair.value or "")[:LONGEST_PARAM]
        if found.setdefault(key, value) != value:
            raise Invalid(f"Duplicate parameter keys have been submitted: {key[:250]!r} with two values.")
    return found


@door
async def history(request: hot.Request, ws: str) -> hot.Response:
    """GET metrics/get-history?run_id=&metric_key=&max_results=&page_token= → {metrics, next_page_token?}"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.History)
    run_id, key = wire.run_id_of(asked), wire.needed(asked.metric_key, "metric_key")
    limit, skip = wire.page(asked.max_results, default=MOST_POINTS, most=MOST_POINTS), wire.skipped(asked.page_token)

    def look() -> hot.Response:
        found = points.history(ws, run_id, key, actor=actor)
        # The order of MLflow's server: by time, then by step. It stays from page to page.
        chosen = found.take(np.lexsort((found.step, found.time))[skip : skip + limit])
        more = {"next_page_token": f"s{skip + limit}"} if len(found) > skip + limit else {}
        return hot.json({"metrics": points_out(key, chosen), **more})

    # Written out in that thread, too: a page is megabytes.
    return await db.run(look)
