"""The raw door of metrics: points in, series out."""

import asyncio

from runs.metrics import overlay, queries, services
from runs.metrics.wire import decode
from studio.kernel import db, hot
from studio.kernel.errors import Invalid
from zaffre.protocol import DESIRED_HEADER


async def log_from_code(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/metrics with the run's token."""
    return await _log(request, run, None)


async def log_from_user(request: hot.Request, ws: str, run: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/runs/<run>/metrics: an interactive run, by its submitter."""
    return await _log(request, run, ws)


async def _log(request: hot.Request, run: str, workspace: str | None) -> hot.Response:
    actor = await request.actor()
    batch = decode(await request.body(), request.headers.get("content-type", ""))
    line = services.record_at_once(run, actor=actor, batch=batch, workspace=workspace)
    if line is None:
        line = await db.run(services.record, run, actor=actor, batch=batch, workspace=workspace)
    # Shielded: when the caller goes away, its points still count and its repeat is a duplicate.
    done = await asyncio.shield(asyncio.wrap_future(line))
    answer: dict[str, object] = {"accepted": done.accepted, "duplicate": done.duplicate}
    if done.refused:
        answer |= {"refused": done.refused, "code": done.code, "message": done.problem, "keys": done.keys}
    return hot.json(answer, headers={DESIRED_HEADER: done.desired})


async def summary(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/metrics"""
    actor = await request.actor()
    return hot.json(await db.run(queries.summary, ws, run, actor=actor))


async def series(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/series?key=a&key=b&points=1000&since_seq="""
    actor = await request.actor()
    points = request.number("points", 1000, least=4, most=queries.MAX_POINTS)
    since = request.number("since_seq", 0)
    keys = request.query.get("key")
    found = await db.run(queries.series, ws, run, actor=actor, keys=keys, points=points or 1000, since_seq=since or 0)
    return hot.json(found)


async def items(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/items?key=a&key=b&after=&limit=: what was logged and is no number, in the order of logging"""
    actor = await request.actor()
    after, limit = request.number("after", 0) or 0, request.number("limit", 250, most=1000) or 250
    keys = request.query.get("key")
    return hot.json(await db.run(queries.items, ws, run, actor=actor, keys=keys, after=after, limit=limit))


async def chart(request: hot.Request, ws: str) -> hot.Response:
    """GET …/chart?run=a&run=b&key=loss&points=600&axis=step|time|relative&first=&last=: metrics of many runs at once"""
    actor = await request.actor()
    axis = request.query.get("axis", ["step"])[-1]
    if axis not in overlay.AXES:
        raise Invalid(f"axis is one of {', '.join(overlay.AXES)}, not {axis[:20]!r}.", field="axis")
    ends = [request.number(name, None, least=-(2**63), most=2**63 - 1) for name in ("first", "last")]
    found = await db.run(
        overlay.overlay,
        ws,
        request.query.get("run", []),
        request.query.get("key", []),
        actor=actor,
        points=request.number("points", 600, least=4, most=overlay.MAX_POINTS) or 600,
        axis=axis,
        first=ends[0],
        last=ends[1],
    )
    return hot.json(found)
