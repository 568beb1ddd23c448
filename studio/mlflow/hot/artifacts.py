"""…/mlflow-artifacts/artifacts/<experiment>/<run>/artifacts/<path>, and …/mlflow/artifacts/list.

The place of a file is a row, and its bytes are named by their hash: a path from outside never becomes one on a disk.
"""

import asyncio
from pathlib import PurePosixPath
from typing import Any

from django.utils.http import content_disposition_header

from runs import queries
from runs.artifacts import queries as artifacts
from runs.artifacts import services
from runs.artifacts.models import Artifact
from runs.fencing import admit
from runs.models import Run
from studio.kernel import blobs, db, downloads, hot, paths
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from studio.mlflow import wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.shapes import artifact_root

#: Bytes gathered before they are hashed and written in a thread.
PIECE = 1024 * 1024


def _split(path: str) -> tuple[str, str, str]:
    """(experiment, run, path inside of the run) of a path under the root. Raises Invalid, NotFound."""
    parts = paths.clean(path).split("/")
    if len(parts) < 3 or parts[2] != "artifacts":
        raise NotFound(f"There are no artifacts at {path[:200]!r}.")
    return parts[0], parts[1], "/".join(parts[3:])


def _run(ws: str, experiment: str, run_id: str, *, actor: Actor) -> Run:
    run = queries.get_run(ws, run_id, actor=actor)
    if str(run.experiment_id) != experiment:
        raise NotFound(f"There is no run {run_id[:40]!r} in the experiment {experiment[:20]!r}.")
    return run


@door
async def put(request: hot.Request, ws: str, path: str) -> hot.Response:
    """PUT …/artifacts/<path>, the bytes as body → {}"""
    actor = await actor_of(request)
    experiment, run_id, inside = _split(path)
    paths.clean(inside)

    def allowed() -> int:
        admit(run_id, actor=actor, workspace=ws)
        return _run(ws, experiment, run_id, actor=actor).workspace_id

    # Before the bytes: nobody fills the disk with what is refused afterwards.
    workspace_id = await db.run(allowed)
    sha256, size = await _store(request, workspace_id)
    entry = {"path": inside, "sha256": sha256, "size": size}
    await db.run(services.add_artifacts, run_id, actor=actor, files=[entry], workspace=ws, late=True)
    return hot.json({})


async def _store(request: hot.Request, workspace_id: int) -> tuple[str, int]:
    incoming = await asyncio.to_thread(blobs.Incoming)
    try:
        held = bytearray()
        async for piece in request.stream(limit=blobs.MAX_BLOB):
            held += piece
            if len(held) >= PIECE:
                await asyncio.to_thread(incoming.write, bytes(held))
                held.clear()
        if held:
            await asyncio.to_thread(incoming.write, bytes(held))
        return await db.run(incoming.keep, workspace_id=workspace_id)
    finally:
        # Also when the sender went away: what was staged is removed.
        await asyncio.to_thread(incoming.__exit__)


@door
async def get(request: hot.Request, ws: str, path: str) -> hot.Response:
    """GET …/artifacts/<path> → the bytes"""
    actor = await actor_of(request)
    experiment, run_id, inside = _split(path)

    def look() -> Artifact:
        _run(ws, experiment, run_id, actor=actor)
        return artifacts.get_artifact(ws, run_id, inside, actor=actor)

    found = await db.run(look)
    name = PurePosixPath(found.path).name
    headers = {
        "Content-Length": str(found.size),
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "Content-Security-Policy": downloads.POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    kind = "text/plain" if name in {"MLmodel", "MLproject"} else "application/octet-stream"
    return hot.Response(200, hot.pieces_in_thread(blobs.read(found.sha256)), headers, kind)


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET mlflow-artifacts/artifacts?path= → {files}, their paths relative to the asked one"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.ListArtifacts)
    experiment, run_id, inside = _split(wire.needed(asked.path, "path"))

    def look() -> list[dict[str, Any]]:
        _run(ws, experiment, run_id, actor=actor)
        return _listed(ws, run_id, inside, actor=actor)

    return hot.json({"files": await db.run(look)})


@door
async def find_in_run(request: hot.Request, ws: str) -> hot.Response:
    """GET mlflow/artifacts/list?run_id=&path= → {root_uri, files}, their paths relative to the run's root"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.ListArtifacts)
    run_id, inside = wire.run_id_of(asked), paths.clean(asked.path.rstrip("/")) if asked.path else ""

    def look() -> tuple[str, list[dict[str, Any]]]:
        root = artifact_root(queries.get_run(ws, run_id, actor=actor))
        return root, _listed(ws, run_id, inside, actor=actor)

    root, files = await db.run(look)
    for one in files:
        one["path"] = f"{inside}/{one['path']}" if inside else one["path"]
    return hot.json({"root_uri": root, "files": files})


def _listed(ws: str, run_id: str, inside: str, *, actor: Actor) -> list[dict[str, Any]]:
    """What lies directly in a folder of the run; nothing for a file."""
    prefix = f"{inside}/" if inside else ""
    files: dict[str, dict[str, Any]] = {}
    found = artifacts.list_artifacts(ws, run_id, actor=actor, prefix=prefix)
    for path, size in found.values_list("path", "size"):
        name, deeper, _ = path[len(prefix) :].partition("/")
        files[name] = {"path": name, "is_dir": True} if deeper else {"path": name, "is_dir": False, "file_size": size}
    return list(files.values())
