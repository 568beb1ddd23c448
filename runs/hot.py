"""The raw door of runs: submitting one; for nodes and running code the long poll for work, what they tell of their
runs, and the bytes that a run needs or leaves.
"""

import asyncio
import time
from typing import Annotated, Any

import msgspec

from runs import content, queries, services
from runs.artifacts.forms import MAX_BODY
from runs.lastwords import finish_attempt
from runs.origins.known import origin_out
from runs.services.claims import MOST_AT_ONCE
from runs.snapshots.hot import answer_missing, take
from studio.kernel import blobs, db, hot, live, packing
from studio.kernel.actors import Actor
from studio.kernel.api import MOST_JSON, made_once
from studio.kernel.errors import Forbidden, NotFound
from zaffre.protocol import IDEMPOTENCY_HEADER, SHA256_PATTERN

LONGEST_POLL = 60
#: Of one report.
MOST_STEPS, MOST_WARNINGS = 40, 100
#: Seconds between two looks of a long poll that no bell asked for.
LOOK = 5.0


async def get_blob(request: hot.Request, run: str, sha256: str) -> hot.Response:
    """GET /agent/v1/runs/<run>/blobs/<sha256>: a file of the run's snapshot or inputs"""
    actor = await request.actor()
    size = await db.run(content.blob_size, run, sha256, actor=actor)
    body = hot.pieces_in_thread(blobs.read(sha256))
    return hot.Response(200, body, {"Content-Length": str(size)}, "application/octet-stream")


async def missing(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/blobs/missing {sha256: […]}"""
    return await answer_missing(request, _workspace_of(await request.actor(), run))


async def put(request: hot.Request, run: str, sha256: str) -> hot.Response:
    """PUT /agent/v1/runs/<run>/blobs/<sha256>"""
    return await take(request, _workspace_of(await request.actor(), run), sha256)


async def put_many(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/blobs, a pack of small files as body → {stored, size}"""
    return await packing.take(request, workspace_id=_workspace_of(await request.actor(), run))


async def pack(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/blobs/pack {files: [sha256, …]} → a pack of files of the snapshot and the inputs"""
    actor = await request.actor()
    return await packing.give(request, lambda sha256s: content.blob_sizes(run, sha256s, actor=actor))


def _workspace_of(actor: Actor, run: str) -> int:
    if actor.kind != "run":
        raise Forbidden("This address takes the token of a run.")
    if actor.run_id != run or actor.workspace_id is None:
        raise NotFound("This token belongs to another run.")
    return actor.workspace_id


class _Claim(msgspec.Struct):
    nonce: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    run: Annotated[str, msgspec.Meta(max_length=26)] = ""
    attempt: int = 0
    ticket: Annotated[str, msgspec.Meta(max_length=100)] = ""
    most: Annotated[int, msgspec.Meta(ge=1)] = 0


async def claim(request: hot.Request) -> hot.Response:
    """POST /agent/v1/nodes/claim?wait=S {nonce, run?, attempt?, ticket?, most?} → 200 {runs: [attempt, …]}, or 204.

    Who does not say how many it takes at `most` gets one attempt as the whole answer, as nodes of the first versions
    expect it. Without a run it waits up to `wait` seconds for one, so that a node works without a broker. A hub that
    lost Redis only makes it look by itself more often.
    """
    actor = await request.actor()
    asked = await request.decoded(_Claim, "{nonce, run?, attempt?, ticket?, most?}", limit=4096)
    wait = request.number("wait", 0, most=LONGEST_POLL) or 0
    if asked.run or not wait:
        found = await db.run(_claimed, asked, actor=actor, run_id=asked.run, ticket=asked.ticket)
        return found or hot.Response(204)
    subscriber = await live.hub().subscribe([f"pool.{actor.target_id}"])
    # A node that died while it waited must not be given a run: nobody would start it.
    left = asyncio.create_task(request.left())
    try:
        return await _wait_for_work(subscriber, left, asked, actor=actor, seconds=wait)
    finally:
        left.cancel()
        await live.hub().leave(subscriber)


def _claimed(asked: _Claim, **named: Any) -> hot.Response | None:
    """The answer to a claim, None when there is nothing to start."""
    most = min(asked.most or 1, MOST_AT_ONCE)
    found = services.claim_runs(nonce=asked.nonce, most=most, **named)
    if not found:
        return None
    return hot.json({"runs": found} if asked.most else found[0])


async def _wait_for_work(
    subscriber: live.Subscriber, left: "asyncio.Task[None]", asked: _Claim, *, actor: Actor, seconds: float
) -> hot.Response:
    end = time.monotonic() + seconds
    while not left.done():
        found = await db.run(_claimed, asked, actor=actor)
        if found is not None:
            return found
        rest = end - time.monotonic()
        if rest <= 0:
            return hot.Response(204)
        bell = asyncio.create_task(subscriber.wait(min(rest, LOOK)))
        await asyncio.wait({bell, left}, return_when=asyncio.FIRST_COMPLETED)
        bell.cancel()
        subscriber.take()
    raise hot.Gone


class _Submission(msgspec.Struct):
    experiment: str
    files: list[dict[str, Any]]
    config: dict[str, Any]
    git: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    name: str = ""
    parent: str = ""


async def submit(request: hot.Request, ws: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/submissions {experiment, files: [{path, sha256, size, mode}, …], config, git?, …}

    Code and run in one → 201, the run as `queries.run_out` shows it, and warnings. 422 `blobs_missing` when bytes of
    the files are to be sent first. With an Idempotency-Key as at all doors where something is made.
    """
    actor = await request.actor()
    raw = await request.body(limit=MOST_JSON)
    told = hot.decoded(raw, _Submission, "{experiment, files: [{path, sha256, size, mode}, …], config, …}")
    key = request.headers.get(IDEMPOTENCY_HEADER.lower(), "")

    def make() -> tuple[dict[str, Any], int]:
        run = services.submit_run(ws, actor=actor, **msgspec.structs.asdict(told))
        return queries.run_as_submitted(run) | origin_out(run), 201

    asked = b"\0".join((request.scope["path"].encode(), raw))
    return hot.json(*await db.run(made_once, key, asked, make, actor=actor))


class _Step(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    state: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    note: str = ""
    #: The note as {code, …}, which runs.notes says in other languages.
    said: dict[str, Any] | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0
    #: Seconds since it was so: steps that are told together have times of their own.
    ago: Annotated[float, msgspec.Meta(ge=0)] = 0


_Steps = Annotated[list[_Step], msgspec.Meta(max_length=MOST_STEPS)]


class _Progress(msgspec.Struct):
    state: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    #: One, as nodes of the first versions tell it; else many, in their order.
    step: _Step | None = None
    steps: _Steps = []
    warnings: Annotated[list[str], msgspec.Meta(max_length=MOST_WARNINGS)] = []


async def progress(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/progress {state, steps?, warnings?} → {status, desired, valid_for}"""
    actor = await request.actor()
    told = await request.decoded(_Progress, "{state, steps?, warnings?}")
    steps = _plain([*told.steps, *([told.step] if told.step else [])])
    named: dict[str, Any] = {"state": told.state, "steps": steps, "warnings": told.warnings}
    found = await db.run(services.report_progress, run, actor=actor, **named)
    return hot.json({"status": found.status, "desired": found.desired, "valid_for": found.valid_for})


class _Result(msgspec.Struct):
    exit_code: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)] | None = None
    signal: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    reason: str | None = None
    message: str | None = None
    log_tail: str = ""
    steps: _Steps = []
    #: Of code that failed: how many seconds before this was said.
    ago: float = 0.0


async def result(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/result {exit_code, signal, reason?, message?, log_tail?, steps?, ago?} → {status}"""
    actor = await request.actor()
    told = await request.decoded(_Result, "{exit_code, signal, reason?, message?, log_tail?, steps?, ago?}")
    return hot.json({"status": await db.run(services.report_result, run, actor=actor, **_named(told))})


class _WholeLog(msgspec.Struct):
    length: Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
    sha256: Annotated[str, msgspec.Meta(pattern=rf"^{SHA256_PATTERN}\Z")]


class _Finish(_Result):
    #: Absent for a log that is not whole.
    log: _WholeLog | None = None
    # Entries are judged by kernel.manifests.
    files: list[dict[str, Any]] = []


async def finish(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/finish {exit_code, signal, …, log?: {length, sha256}, files?} → {status}

    `result` with the end of the log and the list of files, whose bytes were sent before: all is taken, or nothing. For
    nodes whose claim says `finish`.
    """
    actor = await request.actor()
    told = await request.decoded(_Finish, "{exit_code, signal, …, log?: {length, sha256}, files?}", limit=MAX_BODY)
    whole = (told.log.length, told.log.sha256) if told.log else None
    named = {**_named(told), "log": whole, "files": told.files}
    return hot.json({"status": await db.run(finish_attempt, run, actor=actor, **named)})


def _named(told: _Result) -> dict[str, Any]:
    named: dict[str, Any] = {"exit_code": told.exit_code, "signal": told.signal, "steps": _plain(told.steps)}
    named |= {"reason": told.reason or "", "message": told.message or "", "log_tail": told.log_tail}
    return named | {"ago": told.ago}


def _plain(steps: list[_Step]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(step) for step in steps]
