"""…/mlflow-artifacts/artifacts/<experiment>/<run>/artifacts/<path>, …/mlflow/artifacts/list, and …/get-artifact.

The place of a file is a row, and its bytes are named by their hash: a path from outside never becomes one on a disk.
"""

import asyncio
import mimetypes
import re
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any

from django.utils.http import content_disposition_header

from runs import queries
from runs.artifacts import small
from studio.kernel import blobs, db, downloads, hot, uploads
from studio.mlflow import places, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.places import Kept, Place, RunPlace
from studio.mlflow.shapes import artifact_root

#: Files without an ending that are text.
TEXTS = {"MLmodel", "MLproject"}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


@door
async def put(request: hot.Request, ws: str, path: str) -> hot.Response:
    """PUT …/artifacts/<path>, the bytes as body → {}"""
    place, inside = places.resolve(ws, path, actor=await actor_of(request))
    places.clean(inside)
    if isinstance(place, RunPlace) and announced(request) <= small.SMALL:
        known = place.let_in_lately()
        if known is None:
            known = await db.run(place.let_in)
        if not known.merges:
            await asyncio.wrap_future(place.add_small(inside, await request.body(limit=small.SMALL)))
            return hot.json({})
    # Before the bytes: nobody fills the disk with what is refused afterwards.
    workspace_id = await db.run(place.may_write)
    sha256, size = await uploads.take(request, workspace_id=workspace_id)
    await db.run(place.add, inside, sha256, size)
    return hot.json({})


def announced(request: hot.Request) -> int:
    """How many bytes the body has, blobs.MAX_BLOB when it does not say."""
    told = request.headers.get("content-length", "")
    return int(told) if re.fullmatch("[0-9]{1,18}", told) else blobs.MAX_BLOB


@door
async def put_into_run(request: hot.Request, ws: str) -> hot.Response:
    """POST mlflow/upload-artifact?run_uuid=&path=, the bytes as body, as MLflow's pages upload → {}"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.ListArtifacts)
    place, inside = RunPlace(ws, wire.run_id_of(asked), actor=actor), places.clean(wire.needed(asked.path, "path"))
    workspace_id = await db.run(place.may_write)
    sha256, size = await uploads.take(request, workspace_id=workspace_id)
    await db.run(place.add, inside, sha256, size)
    return hot.json({})


@door
async def delete(request: hot.Request, ws: str, path: str) -> hot.Response:
    """DELETE …/artifacts/<path>: a file, or a folder with all below it → {}"""
    place, inside = places.resolve(ws, path, actor=await actor_of(request))
    await db.run(place.remove, places.clean(inside))
    return hot.json({})


@door
async def get(request: hot.Request, ws: str, path: str) -> hot.Response:
    """GET and HEAD …/artifacts/<path> → the bytes, or one range of them"""
    place, inside = places.resolve(ws, shorn(path), actor=await actor_of(request))
    return await found_in(request, place, places.clean(inside))


@door
async def get_of_run(request: hot.Request, ws: str) -> hot.Response:
    """GET /get-artifact?run_id=&path=, as MLflow's pages download → the bytes"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.ListArtifacts)
    place = RunPlace(ws, wire.run_id_of(asked), actor=actor)
    return await found_in(request, place, places.clean(wire.needed(asked.path, "path")))


async def found_in(request: hot.Request, place: Place, inside: str) -> hot.Response:
    """The file of a place; a small one of a run costs no thread of its own."""
    if not isinstance(place, RunPlace):
        return answer(request, await db.run(place.file, inside))
    if not place.found_lately():
        await db.run(place.find_run)
    found = await asyncio.wrap_future(place.find_small(inside))
    return answer(request, Kept(found.path, found.sha256, found.size), found.data)


def answer(request: hot.Request, found: Kept, data: bytes | None = None) -> hot.Response:
    """The file as a download that no browser shows or runs in the studio's origin."""
    name = PurePosixPath(found.path).name
    headers = {
        "Content-Length": str(found.size),
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "Content-Security-Policy": downloads.POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Accept-Ranges": "bytes",
        "ETag": f'"{found.sha256}"',
    }
    kind = "text/plain" if name in TEXTS else mimetypes.guess_type(name)[0] or "application/octet-stream"
    part = _part(request.headers.get("range", ""), found.size)
    if part == (0, 0):
        headers |= {"Content-Range": f"bytes */{found.size}", "Content-Length": "0"}
        return hot.Response(416, b"", headers, kind)
    if part is not None:
        start, end = part
        headers |= {"Content-Range": f"bytes {start}-{end - 1}/{found.size}", "Content-Length": str(end - start)}
    if request.method == "HEAD":
        return hot.Response(206 if part else 200, _nothing(), headers, kind)
    if data is not None:
        return hot.Response(206 if part else 200, data[slice(*part)] if part else data, headers, kind)
    pieces = blobs.read_part(found.sha256, *part) if part else blobs.read(found.sha256)
    return hot.Response(206 if part else 200, hot.pieces_in_thread(pieces), headers, kind)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _part(header: str, size: int) -> tuple[int, int] | None:
    """[start, end) of `Range: bytes=a-b`; (0, 0) when it lies outside, None for no range or several."""
    match = _RANGE.fullmatch(header.strip())
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else (0, 0)
    start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end) if start < end else (0, 0)


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET mlflow-artifacts/artifacts?path= → {files}, their paths relative to the asked one"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.ListArtifacts)
    place, inside = places.resolve(ws, shorn(wire.needed(asked.path, "path")), actor=actor)
    return hot.json({"files": await db.run(listed, place, inside)})


@door
async def find_in_run(request: hot.Request, ws: str) -> hot.Response:
    """GET mlflow/artifacts/list?run_id=&path= → {root_uri, files}, their paths relative to the run's root"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.ListArtifacts)
    run_id, folder = wire.run_id_of(asked), shorn(asked.path or "")
    inside = places.clean(folder) if folder else ""

    def look() -> tuple[str, list[dict[str, Any]]]:
        root = artifact_root(queries.get_run_briefly(ws, run_id, actor=actor))
        return root, listed(RunPlace(ws, run_id, actor=actor), inside)

    root, files = await db.run(look)
    for one in files:
        one["path"] = f"{inside}/{one['path']}" if inside else one["path"]
    return hot.json({"root_uri": root, "files": files})


def shorn(path: str) -> str:
    """A path without dots for parts and slashes at its end: the client downloads all of a run as `.`."""
    return "/".join(part for part in path.rstrip("/").split("/") if part != ".")


def listed(place: Place, inside: str) -> list[dict[str, Any]]:
    """What lies directly in a folder; nothing for a file."""
    return [
        {"path": name, "is_dir": True} if size is None else {"path": name, "is_dir": False, "file_size": size}
        for name, size in (place.folder_soon(inside) if isinstance(place, RunPlace) else place.folder(inside))
    ]
