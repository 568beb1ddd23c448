from django.urls import path

from runs.origins import api

_RUN = "workspaces/<str:ws>/runs/<str:run>"

api_routes = [
    path(f"{_RUN}/uncommitted.diff", api.Uncommitted.as_view(), name="run_uncommitted"),
    path(f"{_RUN}/agreement", api.Agreement.as_view(), name="run_agreement"),
]
