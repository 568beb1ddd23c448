"""Pages of boards: the tab of a run and the page of several, and the buttons on both."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from runs.tensorboards import panel, queries, services
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in


@signed_in
def board_of_runs(request: SignedInRequest, ws: str) -> HttpResponse:
    """One TensorBoard for several runs: ?run=ID&run=ID"""
    _, runs = queries.runs_of(ws, request.GET.getlist("run"), actor=request.actor)
    ids = [run.pk for run in runs]
    shown: dict[str, Any] = {"runs": runs, "has_events": queries.has_event_files(ids)}
    shown |= panel.panel(ws, ids, actor=request.actor, session=request.session.session_key or "")
    return render(request, "runs/tensorboards.html", shown)


@require_POST
@signed_in
def open_board(request: SignedInRequest, ws: str) -> HttpResponse:
    ids = request.POST.getlist("run")
    query = "&".join(f"run={one}" for one in ids if one.isalnum())
    there = _back(request, f"{reverse('tensorboard', args=[ws])}?{query}")
    work = services.open_board
    # The page that it goes back to shows how far it is.
    return post(request, lambda: work(ws, actor=request.actor, run_ids=ids), said="", to=there)


@require_POST
@signed_in
def stop_board(request: SignedInRequest, ws: str, board: str) -> HttpResponse:
    there = _back(request, reverse("runs", args=[ws]))
    work = services.stop_board
    return post(request, lambda: work(ws, board, actor=request.actor), said="", to=there)


@require_POST
@signed_in
def seen(request: SignedInRequest, ws: str, board: str) -> HttpResponse:
    """A page that shows the board is before somebody's eyes."""
    services.note_use(ws, board, actor=request.actor)
    return HttpResponse(status=204)


def _back(request: SignedInRequest, otherwise: str) -> str:
    """The page that the button was on: one of ours."""
    there = request.POST.get("next", "")
    fits = there.startswith("/w/") and url_has_allowed_host_and_scheme(there, allowed_hosts=None)
    return there if fits else otherwise
