from runs.snapshots import hot
from studio.kernel.hot import route

_BLOBS = "/api/v1/workspaces/<ws>/blobs"

hot_routes = [
    route("POST", f"{_BLOBS}/missing", hot.missing),
    route("PUT", f"{_BLOBS}/<sha256>", hot.put),
]
