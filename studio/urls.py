"""Every address of the studio, room by room. The hot and live doors are in studio/asgi.py."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.urls import URLPattern, include, path

from studio.console import health

ROOMS = [
    "workspace.accounts",
    "workspace",
    "workspace.audit",
    "workspace.datasets",
    "workspace.environments",
    "workspace.secrets",
    "workspace.compute",
    "workspace.attached",
    "workspace.webhooks",
    "runs.snapshots",
    # Before the run's own: what is said of many runs begins like the address of one.
    "runs.tables",
    "runs.bin",
    "runs.origins",
    "runs.queues",
    "runs",
    "runs.metrics",
    "runs.logs",
    "runs.artifacts",
    "runs.compare",
    "runs.reports",
    "runs.tensorboards",
    "registry",
    "registry.endpoints",
    "registry.loggedmodels",
    "studio.shell",
    "studio.console",
    "studio.mlflow",
]


def collect(kind: str) -> list[Any]:
    """All routes of one kind (`pages`, `api_routes`, `agent_routes`, `live_routes`, `hot_routes`)."""
    found: list[Any] = []
    for room in ROOMS:
        if find_spec(f"{room}.urls"):
            found += getattr(import_module(f"{room}.urls"), kind, [])
    return found


urlpatterns: list[URLPattern | Any] = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/v1/", include((collect("api_routes"), "api"))),
    path("agent/v1/", include((collect("agent_routes"), "agent"))),
    *collect("pages"),
]
handler404 = "studio.shell.views.not_found"
handler500 = "studio.shell.views.broken"
