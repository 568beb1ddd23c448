"""The raw door of content for running code: only the bytes that its run needs, and those it leaves."""

from runs import content
from runs.snapshots.hot import answer_missing, take
from studio.kernel import blobs, db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound


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
