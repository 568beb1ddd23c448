"""Pages of experiments and runs."""

from pathlib import PurePosixPath
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from runs import children, queries, sections, services
from runs.artifacts.queries import list_artifacts, list_folder
from runs.lineage import queries as lineage
from runs.models import Status
from runs.tables.columns import columns
from studio.kernel.actors import Actor
from studio.kernel.downloads import INLINE
from studio.kernel.errors import NotFound
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in

#: Runs in the tree of child runs.
CHILDREN = 500
#: Files of a run that are shown at once; more of them are opened folder by folder.
FLAT = 200
TABS = ("overview", "metrics", "images", "children", "outputs", "snapshot", "environment")


@signed_in
def experiments(request: SignedInRequest, ws: str) -> HttpResponse:
    return render(request, "runs/experiments.html", {"experiments": queries.list_experiments(ws, actor=request.actor)})


@signed_in
def run(request: SignedInRequest, ws: str, run: str, tab: str = "overview") -> HttpResponse:
    """One run, with one of its tabs."""
    if tab not in TABS:
        raise NotFound(f"A run's page has no tab {tab[:40]!r}.")
    row = queries.get_run(ws, run, actor=request.actor)
    shown: dict[str, Any] = {"row": row, "run": queries.run_in_full(row), "tab": tab, "final": row.is_final}
    # The script's own failure: the node did its step well, so the step itself does not say it.
    shown["failed_step"] = Status.RUNNING if row.status == Status.FAILED and (row.exit_code or row.signal) else ""
    if tab == "outputs":
        shown |= _files(ws, run, request.GET.get("folder", "").strip("/"), actor=request.actor)
    if tab == "images":
        files = list_artifacts(ws, run, actor=request.actor, prefix="")
        shown["images"] = [one for one in files if PurePosixPath(one.path).suffix.lower() in INLINE]
    if tab == "overview":
        shown["lineage"] = lineage.of_run(ws, row, actor=request.actor)
        # By the relation and not by its class: models are built on runs, and not the other way round.
        shown["logged"] = row.logged_models.filter(deleted__isnull=True).order_by("created") if row.has_lineage else []
    if tab in {"overview", "metrics"}:
        shown |= sections.metrics(row.metrics) | sections.phase(shown["run"])
    if tab == "children":
        found = [
            queries.run_out(one)
            for one in children.list_children(ws, run, actor=request.actor, recursive=True, limit=CHILDREN)
        ]
        shown["columns"] = columns(found, "metrics", most=sections.MOST_COLUMNS)
        shown["below"] = sections.with_cells(sections.tree(found, row.pk), shown["columns"])
        shown["more"] = len(found) == CHILDREN
    return render(request, f"runs/{tab}.html", shown)


def _files(ws: str, run: str, folder: str, *, actor: Actor) -> dict[str, Any]:
    """What the run left behind: all of it while it is little, else one folder after the other."""
    few = list(list_artifacts(ws, run, actor=actor)[: FLAT + 1]) if not folder else []
    if not folder and len(few) <= FLAT:
        return {"artifacts": few}
    parts = folder.split("/") if folder else []
    return {
        "folder": folder,
        "above": [("/".join(parts[: at + 1]), part) for at, part in enumerate(parts)],
        "entries": [
            {"name": one.name, "path": f"{folder}/{one.name}" if folder else one.name, "entry": one}
            for one in list_folder(ws, run, actor=actor, folder=folder)
        ],
    }


def _there(ws: str, run: str) -> str:
    return reverse("run", args=[ws, run])


@require_POST
@signed_in
def cancel(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    work = services.cancel_run
    said = _("Cancel was asked for. The node ends the script and keeps its outputs.")
    return post(request, lambda: work(ws, run, actor=request.actor), said=said, to=_there(ws, run))


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    return post(
        request,
        lambda: services.delete_run(ws, run, actor=request.actor),
        said=_("The run was deleted."),
        to=reverse("runs", args=[ws]),
        back=_there(ws, run),
    )


@require_POST
@signed_in
def submit_again(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    """A new run with the same code and the same configuration."""
    row = queries.get_run(ws, run, actor=request.actor)
    return post(
        request,
        lambda: services.submit_run(
            ws,
            actor=request.actor,
            experiment=row.experiment.name,
            config=row.config,
            snapshot=row.snapshot_id,
        ),
        said=_("A new run was submitted."),
        to=lambda made: _there(ws, made.pk),
        back=_there(ws, run),
    )
