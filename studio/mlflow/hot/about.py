"""What a client asks of the server itself: whether it lives and what it can.

It says nothing of anybody's, and is told to everybody.
"""

from typing import Any

from studio.kernel import hot
from studio.mlflow.errors import door

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
