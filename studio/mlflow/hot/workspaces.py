"""…/mlflow/workspaces: the workspaces of who asks, in MLflow's words. Each keeps an address of its own."""

from typing import Any

import msgspec

from registry.endpoints.queries import list_endpoints
from registry.queries import list_models
from runs.queries import list_runs
from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from studio.mlflow import wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from workspace import services
from workspace.access import get_workspace
from workspace.datasets.queries import list_datasets
from workspace.founding import found_workspace
from workspace.models import Workspace
from workspace.queries import my_workspaces

MODES = ("RESTRICT", "CASCADE", "SET_DEFAULT")


class Archival(msgspec.Struct):
    location: str | None = None
    retention: str | None = None


class Given(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    default_artifact_root: str | None = None
    trace_archival_config: Archival | None = None


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET workspaces → {workspaces}: those that a person belongs to; for running code its own"""
    actor = await actor_of(request)

    def find() -> list[dict[str, str]]:
        here = get_workspace(ws, actor=actor, action="run.read")
        found = [one.workspace for one in my_workspaces(actor=actor)] if actor.is_user else [here]
        return [_shown(one) for one in found]

    return hot.json({"workspaces": await db.run(find)})


@door
async def get(request: hot.Request, ws: str, name: str) -> hot.Response:
    """GET workspaces/<name> → {workspace}"""
    actor = await actor_of(request)

    def read() -> dict[str, str]:
        get_workspace(ws, actor=actor, action="run.read")
        return _shown(get_workspace(name, actor=actor, action="run.read"))

    return hot.json({"workspace": await db.run(read)})


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST workspaces {name, description} → 201 {workspace}: owned by who asks, furnished like any new one"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Given)

    def make() -> dict[str, str]:
        get_workspace(ws, actor=actor, action="run.read")
        name = wire.needed(asked.name, "name")
        _only_ours(asked)
        return _shown(found_workspace(actor=actor, slug=name, name=name, description=asked.description or ""))

    return hot.json({"workspace": await db.run(make)}, 201)


@door
async def update(request: hot.Request, ws: str, name: str) -> hot.Response:
    """PATCH workspaces/<name> {description} → {workspace}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Given)

    def change() -> dict[str, str]:
        get_workspace(ws, actor=actor, action="run.read")
        _only_ours(asked)
        if asked.description is None:
            raise Invalid("Workspace update must have at least one key", hint="Here it is the description.")
        return _shown(services.change_workspace(name, actor=actor, description=asked.description))

    return hot.json({"workspace": await db.run(change)})


@door
async def delete(request: hot.Request, ws: str, name: str) -> hot.Response:
    """DELETE workspaces/<name>?mode=RESTRICT|CASCADE → 204: what holds something goes with CASCADE only"""
    actor = await actor_of(request)
    mode = request.query.get("mode", ["RESTRICT"])[-1]

    def remove() -> None:
        get_workspace(ws, actor=actor, action="run.read")
        if mode not in MODES[:2]:
            raise Invalid(_mode(mode))
        get_workspace(name, actor=actor, action="workspace.delete")
        if mode == "RESTRICT" and (held := _held(name, actor=actor)):
            raise Conflict(
                f"The workspace {name} holds {held}.", hint="With mode=CASCADE it goes with everything in it, for ever."
            )
        services.delete_workspace(name, actor=actor)

    await db.run(remove)
    return hot.Response(204, b"")


def _mode(asked: str) -> str:
    if asked == "SET_DEFAULT":
        return "Nothing moves from one workspace to another here: mode is RESTRICT or CASCADE."
    return f"Invalid deletion mode '{asked[:40]}'. Must be one of: {', '.join(MODES)}"


def _held(name: str, *, actor: Actor) -> str:
    """What keeps a workspace from being empty, in words; what every new one has does not count."""
    found = {
        "runs": bool(list_runs(name, actor=actor, limit=1)),
        "models": list_models(name, actor=actor).exists(),
        "datasets": list_datasets(name, actor=actor).exists(),
        "endpoints": list_endpoints(name, actor=actor).exists(),
    }
    return ", ".join(kind for kind, some in found.items() if some)


def _only_ours(asked: Given) -> None:
    """Raise Invalid for what would have to be kept and obeyed: places of files, which the studio decides."""
    archival = asked.trace_archival_config
    if asked.default_artifact_root or (archival and (archival.location or archival.retention)):
        raise Invalid("Where files lie is decided by the studio: leave default_artifact_root and trace archival out.")


def _shown(found: Workspace) -> dict[str, Any]:
    return {"name": found.slug, "description": found.description or found.name}
