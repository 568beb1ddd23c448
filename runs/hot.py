"""The raw door of nodes and running code: the long poll for work, and the bytes that a run needs or leaves."""

import time
from typing import Annotated

import msgspec

from runs import content, services
from runs.snapshots.hot import answer_missing, take
from studio.kernel import blobs, db, hot, live
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Invalid, NotFound

LONGEST_POLL = 60
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


async def claim(request: hot.Request) -> hot.Response:
    """POST /agent/v1/nodes/claim?wait=S {nonce, run?, attempt?, ticket?} → 200 with the attempt, or 204.

    Without a run it waits up to `wait` seconds for one, so that a node works without a broker. A hub that
    lost Redis only makes it look by itself more often.
    """
    actor = await request.actor()
    try:
        asked = msgspec.json.decode(await request.body(limit=4096), type=_Claim)
    except msgspec.DecodeError as error:
        raise Invalid(f"The body is {{nonce, run?, attempt?, ticket?}}: {error}") from None
    wait = request.number("wait", 0, most=LONGEST_POLL) or 0
    subscriber = None
    try:
        if wait and not asked.run:
            subscriber = await live.hub().subscribe([f"pool.{actor.target_id}"])
        end = time.monotonic() + wait
        while True:
            spec = await db.run(
                services.claim_run, actor=actor, nonce=asked.nonce, run_id=asked.run, ticket=asked.ticket
            )
            left = end - time.monotonic()
            if spec is not None:
                return hot.json(spec)
            if subscriber is None or left <= 0:
                return hot.Response(204)
            await subscriber.wait(min(left, LOOK))
            subscriber.take()
    finally:
        if subscriber is not None:
            await live.hub().leave(subscriber)
