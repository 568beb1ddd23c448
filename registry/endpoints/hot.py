"""The raw door of replicas: the files of their models and code."""

from registry.endpoints import queries
from studio.kernel import blobs, db, hot, packing


async def get_blob(request: hot.Request, replica: str, sha256: str) -> hot.Response:
    """GET /agent/v1/replicas/<replica>/blobs/<sha256>"""
    actor = await request.actor()
    size = await db.run(queries.blob_size, replica, sha256, actor=actor)
    body = hot.pieces_in_thread(blobs.read(sha256))
    return hot.Response(200, body, {"Content-Length": str(size)}, "application/octet-stream")


async def pack(request: hot.Request, replica: str) -> hot.Response:
    """POST /agent/v1/replicas/<replica>/blobs/pack {files: [sha256, …]} → a pack"""
    actor = await request.actor()
    return await packing.give(request, lambda sha256s: queries.blob_sizes(replica, sha256s, actor=actor))
