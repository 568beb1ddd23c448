from django.urls import path

from runs.artifacts import agent_api, api

_LIST = "workspaces/<str:ws>/runs/<str:run>/artifacts"

api_routes = [
    path(_LIST, api.Artifacts.as_view(), name="artifacts"),
    path(f"{_LIST}/<path:path>", api.ArtifactFile.as_view(), name="artifact"),
]

agent_routes = [
    path("runs/<str:run>/artifacts", agent_api.Artifacts.as_view(), name="run_artifacts"),
]
