"""The raw door of content: which bytes are missing, and taking them. Named by their SHA-256, or as a zip of code."""

import asyncio
import tempfile

import msgspec

from runs.snapshots import queries, services
from runs.snapshots.shapes import snapshot_out
from studio.kernel import blobs, db, hot, packing, uploads
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid
from workspace.access import get_workspace
from zaffre.protocol import MAX_HASHES_PER_QUESTION, MAX_SNAPSHOT_BYTES

#: A question of 5000 hashes is 335 kB.
MAX_QUESTION = 512 * 1024
#: A zip may be a little larger than what is in it, which is counted when it is opened.
MAX_ZIP = MAX_SNAPSHOT_BYTES + 4 * 1024 * 1024


class _Question(msgspec.Struct):
    sha256: list[str]


async def missing(request: hot.Request, ws: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/blobs/missing {sha256: […]} → {missing: […]}"""
    actor = await request.actor(browser_may_write=True)
    workspace = await db.run(writable, ws, actor=actor)
    return await answer_missing(request, workspace)


async def put(request: hot.Request, ws: str, sha256: str) -> hot.Response:
    """PUT /api/v1/workspaces/<ws>/blobs/<sha256>, the bytes as body → 201 when new, 200 when known"""
    actor = await request.actor(browser_may_write=True)
    workspace = await db.run(writable, ws, actor=actor)
    return await take(request, workspace, sha256)


async def put_many(request: hot.Request, ws: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/blobs, a pack of small files as body → {stored, size}"""
    actor = await request.actor(browser_may_write=True)
    return await packing.take(request, workspace_id=await db.run(writable, ws, actor=actor))


async def pack(request: hot.Request, ws: str, snapshot: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/snapshots/<snapshot>/pack {files: [path, …]} → a pack"""
    actor = await request.actor(browser_may_write=True)
    return await packing.give(request, lambda paths: queries.get_files(ws, snapshot, paths, actor=actor))


def writable(slug: str, *, actor: Actor) -> int:
    """The id of a workspace that the actor may send bytes to."""
    return get_workspace(slug, actor=actor, action="blob.write").pk


async def answer_missing(request: hot.Request, workspace_id: int) -> hot.Response:
    """Answer which of the asked hashes the workspace does not hold."""
    try:
        asked = msgspec.json.decode(await request.body(limit=MAX_QUESTION), type=_Question).sha256
    except msgspec.DecodeError as error:
        raise Invalid(f"The body is {{sha256: [hash, …]}}: {error}") from None
    if len(asked) > MAX_HASHES_PER_QUESTION:
        raise Invalid(f"At most {MAX_HASHES_PER_QUESTION} hashes are asked at once, and these are {len(asked)}.")
    return hot.json({"missing": await db.run(blobs.missing, asked, workspace_id=workspace_id)})


async def take(request: hot.Request, workspace_id: int, sha256: str) -> hot.Response:
    """Stream the body into the store. Raises Invalid `digest_mismatch`, TooLarge."""
    known = not await db.run(blobs.missing, [sha256], workspace_id=workspace_id)
    stored, size = await uploads.take(request, workspace_id=workspace_id, expected=sha256)
    return hot.json({"sha256": stored, "size": size}, 200 if known else 201)


async def create_from_zip(request: hot.Request, ws: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/snapshots/zip, the zip as body → 201, or 200 when its tree is known

    Here and not behind Django, which would take the whole body before it asks who sends it.
    """
    actor = await request.actor(browser_may_write=True)
    await db.run(writable, ws, actor=actor)
    with tempfile.TemporaryFile() as file:
        async for piece in request.stream(limit=MAX_ZIP):
            await asyncio.to_thread(file.write, piece)
        snapshot = await db.run(services.create_from_zip, ws, actor=actor, file=file)
    return hot.json(snapshot_out(snapshot), 200 if snapshot.unchanged else 201)
