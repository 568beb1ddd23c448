from django.urls import path

from runs.artifacts import agent_api, api, hot
from studio.kernel.hot import Handler, route

_LIST = "workspaces/<str:ws>/runs/<str:run>/artifacts"

api_routes = [
    path(_LIST, api.Artifacts.as_view(), name="artifacts"),
    path(f"{_LIST}/<path:path>", api.ArtifactFile.as_view(), name="artifact"),
]

agent_routes = [
    path("runs/<str:run>/artifacts", agent_api.Artifacts.as_view(), name="run_artifacts"),
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
hot_routes.append(route("POST", "/api/v1/workspaces/<ws>/runs/<run>/artifacts/pack", hot.pack))
