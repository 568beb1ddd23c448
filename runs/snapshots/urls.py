from django.urls import path

from runs.snapshots import api, hot
from studio.kernel.hot import route

_WORKSPACE = "/api/v1/workspaces/<ws>"
_LIST = "workspaces/<str:ws>/snapshots"

hot_routes = [
    route("POST", f"{_WORKSPACE}/blobs/missing", hot.missing),
    route("PUT", f"{_WORKSPACE}/blobs/<sha256>", hot.put),
    route("POST", f"{_WORKSPACE}/blobs", hot.put_many),
    route("POST", f"{_WORKSPACE}/snapshots/<snapshot>/pack", hot.pack),
    route("POST", f"{_WORKSPACE}/snapshots/zip", hot.create_from_zip),
]

api_routes = [
    path(_LIST, api.Snapshots.as_view(), name="snapshots"),
    path(f"{_LIST}/<str:snapshot>", api.SnapshotDetail.as_view(), name="snapshot"),
    path(f"{_LIST}/<str:snapshot>/zip", api.Zip.as_view(), name="snapshot_zip"),
    path(f"{_LIST}/<str:snapshot>/files/<path:path>", api.File.as_view(), name="snapshot_file"),
]
