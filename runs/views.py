"""Pages of experiments and runs."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from runs import choices, cloning, outputs, queries, services, tabs
from runs.bin.queries import get_binned
from runs.origins.known import git_of
from runs.reproducing import reproduce
from runs.spelling import command_line, sdk_code
from runs.tables import services as tables
from runs.tables.queries import marks_of
from runs.tensorboards.exporting import numbers_of
from runs.tensorboards.panel import panel
from runs.tensorboards.queries import has_event_files
from studio.kernel.errors import Invalid, NotFound
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.compute.pages import frame_of

#: Runs in a tab of a compute target.
OF_TARGET = 50
TABS = (
    "overview",
    "metrics",
    "images",
    "children",
    "outputs",
    "snapshot",
    "environment",
    "lineage",
    "raw",
    "tensorboard",
)


@signed_in
def experiments(request: SignedInRequest, ws: str) -> HttpResponse:
    return render(request, "runs/experiments.html", {"experiments": queries.list_experiments(ws, actor=request.actor)})


@signed_in
def of_target(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """The newest runs of a compute target, as a tab of its page."""
    shown = frame_of(ws, name, "runs", actor=request.actor)
    shown["where"] = f"target = '{shown['target'].name}'"
    rows = queries.list_runs(ws, actor=request.actor, where=shown["where"], archived=None, limit=OF_TARGET)
    shown["runs"] = [queries.run_out(row) for row in rows]
    return render(request, "compute/runs.html", shown)


@signed_in
def run(request: SignedInRequest, ws: str, run: str, tab: str = "overview") -> HttpResponse:
    """One run, with one of its tabs."""
    if tab not in TABS:
        raise NotFound(_("A run's page has no tab %(tab)s.") % {"tab": repr(tab[:40])})
    try:
        row = queries.get_run(ws, run, actor=request.actor)
    except NotFound as error:
        if error.code != "deleted":
            raise
        return render(request, "runs/deleted.html", {"entry": get_binned(ws, run, actor=request.actor)}, status=404)
    told = queries.run_in_full(row)
    shown: dict[str, Any] = {
        "row": row,
        "run": told,
        "tab": tab,
        "final": row.is_final,
        "api": reverse("api:run", args=[ws, run]),
    }
    shown |= tabs.course(row, told, actor=request.actor)
    shown["marks"] = dict.fromkeys(marks_of(ws, run, actor=request.actor), True)
    shown["has_events"] = has_event_files([row.pk])
    shown["has_numbers"] = bool(numbers_of(row.metrics))
    if tab == "tensorboard":
        shown |= panel(ws, [row.pk], actor=request.actor, session=request.session.session_key or "")
    if tab == "outputs":
        shown |= outputs.outputs(ws, row, request.GET, actor=request.actor)
    if tab == "images":
        shown |= outputs.images(ws, row, request.GET, actor=request.actor)
    if tab == "metrics":
        shown |= tabs.measured(row, told, actor=request.actor)
    if tab == "overview":
        shown |= tabs.overview(ws, row, told, actor=request.actor)
    if tab == "children":
        shown |= tabs.below(ws, row, actor=request.actor)
    if tab == "snapshot":
        shown |= tabs.snapshot(ws, row, request.GET.dict(), actor=request.actor)
    if tab == "environment":
        shown |= tabs.environment(ws, row, request.GET.dict(), actor=request.actor)
    if tab == "lineage":
        shown |= tabs.origins(ws, row, actor=request.actor)
    return render(request, f"runs/{tab}.html", shown)


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
def archive(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    """Hide the run from the lists, or show it again with `archived=0`."""
    away = request.POST.get("archived") != "0"

    said = _("The run is archived: the lists show it only when they are asked to.") if away else _("The run is back.")
    return post(
        request,
        lambda: services.archive_run(ws, run, actor=request.actor, archived=away),
        said=said,
        to=_there(ws, run),
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
            git=git_of(row),
            tags=dict(cloning.form_of(queries.run_out(row)).tags),
            properties={cloning.CLONED_FROM: row.pk},
        ),
        said=_("A new run was submitted."),
        to=lambda made: _there(ws, made.pk),
        back=_there(ws, run),
    )


@require_POST
@signed_in
def reproduce_run(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    """The run once more, with the versions that it had; its page says whether the numbers agree."""
    return post(
        request,
        lambda: reproduce(ws, run, actor=request.actor),
        said=_("A run that does the same again was submitted. Its page will say whether the numbers agree."),
        to=lambda made: _there(ws, made.pk),
        back=_there(ws, run),
    )


@signed_in
def clone(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    """The run as a form to change and submit as a new one; what is refused comes back as it was typed."""
    row = queries.get_run(ws, run, actor=request.actor)
    services.require_submit(ws, actor=request.actor)
    code = {"snapshot": row.snapshot_id, "git": git_of(row), "properties": {cloning.CLONED_FROM: row.pk}}
    form = cloning.form_of(queries.run_out(row))
    scripts = [one["path"] for one in (row.snapshot.files if row.snapshot else ())][: choices.MOST]
    return _form(request, ws, form, lambda _given: code, lambda _given: {"row": row, "scripts": scripts}, "clone")


@signed_in
def new(request: SignedInRequest, ws: str) -> HttpResponse:
    """A form from nothing: the code comes from the browser or is that of an earlier run."""
    services.require_submit(ws, actor=request.actor)
    form = choices.first_form(ws, request.GET.dict(), actor=request.actor)
    code, shown = (partial(work, ws, actor=request.actor) for work in (choices.code_of, choices.sent))
    return _form(request, ws, form, code, shown, "new")


def _form(
    request: SignedInRequest,
    ws: str,
    form: cloning.Form,
    code: Callable[[cloning.Form], dict[str, Any]],
    shown: Callable[[cloning.Form], dict[str, Any]],
    page: str,
) -> HttpResponse:
    """The page `page` with its form, or what was typed into it submitted as a run of `code`."""
    wrong: dict[str, Any] | None = None
    submitted: dict[str, Any] = {}
    try:
        if request.method == "POST":
            form = cloning.typed(request.POST)
            told = {} if "spell" in request.POST else code(form)
            submitted = cloning.submission(form)
            if told:
                made = services.submit_run(ws, actor=request.actor, **submitted, **told)
                messages.success(request, _("A new run was submitted."))
                return redirect(_there(ws, made.pk))
        elif form.script or form.arguments:
            submitted = cloning.submission(form)
    except Invalid as error:
        wrong = {"field": cloning.field_of(error), "message": error.message, "hint": error.hint}
    spelled = {"command": command_line(submitted), "code": sdk_code(submitted)} if submitted and not wrong else {}
    there = {"form": form, "wrong": wrong, "spelled": spelled}
    there |= choices.offered(ws, actor=request.actor) | shown(form)
    return render(request, f"runs/{page}.html", there, status=422 if wrong else 200)


@require_POST
@signed_in
def rename(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    name = request.POST.get("name", "")
    return post(
        request,
        lambda: services.edit_run(ws, run, actor=request.actor, name=name),
        said=_("The run has another name."),
        to=_there(ws, run),
    )


@require_POST
@signed_in
def baseline(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    """Hold the other runs of the experiment to this one, or with `off` to none."""
    work = tables.unmark_run if request.POST.get("off") else tables.mark_run
    said = _("The experiment has no baseline now.") if request.POST.get("off") else _("This run is the baseline now.")
    return post(request, lambda: work(ws, run, actor=request.actor, kind="baseline"), said=said, to=_there(ws, run))
