"""What the frame around every page reads: how much there is, and the quick search."""

from typing import Any

from django.db import connection
from django.db.models import F, Model, OuterRef, QuerySet, Subquery

from registry.endpoints.models import Deployment, Endpoint
from registry.models import Model as RegisteredModel
from runs.models import Experiment, Run
from runs.reports.models import Report
from studio.kernel.actors import Actor
from studio.shell.navigation import address
from workspace.access import can, get_workspace
from workspace.compute.models import ComputeTarget, Node
from workspace.datasets.models import Dataset
from workspace.environments.models import Environment
from workspace.models import Membership, Workspace

COUNTED: dict[str, type[Model]] = {
    "datasets": Dataset,
    "experiments": Experiment,
    "models": RegisteredModel,
    "reports": Report,
    "endpoints": Endpoint,
    "targets": ComputeTarget,
    "environments": Environment,
    "members": Membership,
}
#: Hits of each kind in the quick search.
MOST = 6


def counts(workspace: Workspace, *, actor: Actor) -> dict[str, int]:
    """How much of everything the workspace holds, in one query. The caller has opened it for the actor."""
    # Written out: every page asks it, and the same subqueries built by the ORM took longer than their answer.
    own = (table._meta.db_table for table in COUNTED.values())
    asked = (f"(SELECT count(*) FROM {name} WHERE workspace_id = %s)" for name in own)  # noqa: S608 - our tables
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(asked)}", [workspace.pk] * len(COUNTED))
        return dict(zip(COUNTED, cursor.fetchone() or (), strict=True))


def find(slug: str, text: str, *, actor: Actor) -> list[dict[str, str]]:
    """Runs, models, datasets, endpoints, experiments and reports whose name contains `text`, the newest first."""
    space = get_workspace(slug, actor=actor, action="run.read")
    text = text.strip().replace("\0", "")[:100]
    found: list[dict[str, str]] = []
    tables: list[tuple[str, str, QuerySet[Any]]] = [
        ("run", "run", Run.objects.filter(workspace=space, deleted__isnull=True)),
        ("experiment", "experiment", Experiment.objects.filter(workspace=space)),
        ("model", "model", RegisteredModel.objects.filter(workspace=space)),
        ("dataset", "dataset", Dataset.objects.filter(workspace=space)),
        ("endpoint", "endpoint", Endpoint.objects.filter(workspace=space)),
        ("report", "report", Report.objects.filter(workspace=space).annotate(name=F("title"))),
    ]
    for kind, page, rows in tables:
        for pk, name in rows.filter(name__icontains=text).order_by("-pk").values_list("pk", "name")[:MOST]:
            url = address(page, slug, pk if kind in {"run", "report"} else name)
            if url:
                found.append({"kind": kind, "name": name, "url": url})
    return found


def lately(slug: str, *, actor: Actor) -> dict[str, Any]:
    """The newest runs, the endpoints and whether there are machines, for the home; empty for who may not read them."""
    space = get_workspace(slug, actor=actor, action="workspace.read")
    if not can(space, actor=actor, action="run.read"):
        return {"runs": [], "endpoints": [], "machines": False}
    shown_runs = Run.objects.filter(workspace=space, deleted__isnull=True, archived__isnull=True)
    runs = shown_runs.select_related("experiment").order_by("-pk")[:8]
    # The one that answers, else the newest one, as everywhere.
    shown = Deployment.objects.filter(endpoint=OuterRef("pk")).order_by("-traffic", "-number").values("state")[:1]
    endpoints = Endpoint.objects.filter(workspace=space).annotate(state=Subquery(shown)).order_by("name")[:8]
    machines = Node.objects.filter(target__workspace=space, removed__isnull=True).exists()
    return {"runs": list(runs), "endpoints": list(endpoints), "machines": machines}
