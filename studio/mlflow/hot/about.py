"""What a client asks of the server itself: whether it lives, what it can, which workspaces there are.

The first three say nothing of anybody's, and are told to everybody.
"""

from typing import Any

from studio.kernel import db, hot
from studio.kernel.errors import ZaffreError
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from workspace.access import get_workspace
from workspace.models import Workspace

#: The release of MLflow whose client is tested against this door.
SPOKEN = "3.17.2"
ABILITIES: dict[str, Any] = {
    "store_type": "SqlStore",
    "workspaces_enabled": True,
    "trace_archival_enabled": False,
    "multipart_uploads_enabled": True,
    "multipart_downloads_enabled": True,
    "presigned_upload_run_id_supported": True,
    "presigned_upload_model_id_supported": True,
    "features_enabled": {"gateway": False},
}


@door
async def health(request: hot.Request, ws: str) -> hot.Response:
    """GET /health → OK"""
    return hot.Response(200, b"OK", content_type="text/plain")


@door
async def version(request: hot.Request, ws: str) -> hot.Response:
    """GET /version → the release of MLflow that is spoken"""
    return hot.Response(200, SPOKEN.encode(), content_type="text/plain")


@door
async def server_info(request: hot.Request, ws: str) -> hot.Response:
    """GET server-info → what this server has of what a client may ask for"""
    return hot.json(ABILITIES)


@door
async def workspaces(request: hot.Request, ws: str) -> hot.Response:
    """GET workspaces → {workspaces}: the one of this address"""
    actor = await actor_of(request)
    return hot.json({"workspaces": [_shown(await db.run(get_workspace, ws, actor=actor, action="run.read"))]})


@door
async def workspace(request: hot.Request, ws: str, name: str) -> hot.Response:
    """GET workspaces/<name> → {workspace}"""
    actor = await actor_of(request)
    found = await db.run(get_workspace, ws, actor=actor, action="run.read")
    if name != ws:
        raise ZaffreError(
            f"This address is that of the workspace {ws!r}: another one has an address of its own.", code="no_workspace"
        )
    return hot.json({"workspace": _shown(found)})


def _shown(found: Workspace) -> dict[str, str]:
    return {"name": found.slug, "description": found.description or found.name}
