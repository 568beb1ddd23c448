from django.urls import path

from runs.artifacts import api, hot, previews
from studio.kernel.hot import Handler, route

_RUN = "workspaces/<str:ws>/runs/<str:run>"
_LIST = f"{_RUN}/artifacts"

api_routes = [
    path(_LIST, api.Artifacts.as_view(), name="artifacts"),
    path(f"{_LIST}/<path:path>", api.ArtifactFile.as_view(), name="artifact"),
    path(f"{_RUN}/folder", api.Folder.as_view(), name="artifact_folder"),
    path(f"{_RUN}/rows/<path:path>", api.Rows.as_view(), name="artifact_rows"),
    path(f"{_RUN}/rendered/<path:path>", api.Rendered.as_view(), name="artifact_rendered"),
    path(f"{_RUN}/preview/<path:path>", api.Preview.as_view(), name="artifact_preview"),
]

_UPLOADS: list[tuple[str, str, Handler]] = [
    ("POST", "", hot.begin),
    ("GET", "/<upload>", hot.get),
    ("PUT", "/<upload>/<number>", hot.put),
    ("POST", "/<upload>/complete", hot.complete),
    ("DELETE", "/<upload>", hot.abort),
]
hot_routes = [
    route(method, f"{where}/runs/<run>/uploads{rest}", door)
    for where in ("/api/v1/workspaces/<ws>", "/agent/v1")
    for method, rest, door in _UPLOADS
]
hot_routes += [
    route("POST", "/agent/v1/runs/<run>/artifacts", hot.add),
    route("POST", "/api/v1/workspaces/<ws>/runs/<run>/artifacts/pack", hot.pack),
    route("GET", "/api/v1/workspaces/<ws>/runs/<run>/zip", hot.zip_folder),
    route("GET", "/api/v1/workspaces/<ws>/runs/<run>/text/lines/<path:path>", hot.read_lines),
    route("GET", "/api/v1/workspaces/<ws>/runs/<run>/text/search/<path:path>", hot.search),
    route("GET", f"{previews.PLACE}/<sealed>", hot.preview),
]
