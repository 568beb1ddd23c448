"""The raw door of replicas: the files of their models and code."""

from registry.endpoints import queries
from studio.kernel import blobs, db, hot


async def get_blob(request: hot.Request, replica: str, sha256: str) -> hot.Response:
    """GET /agent/v1/replicas/<replica>/blobs/<sha256>"""
    actor = await request.actor()
    size = await db.run(queries.blob_size, replica, sha256, actor=actor)
    body = hot.pieces_in_thread(blobs.read(sha256))
    return hot.Response(200, body, {"Content-Length": str(size)}, "application/octet-stream")
