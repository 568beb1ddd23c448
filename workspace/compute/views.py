"""Pages of compute targets and their nodes."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from studio.kernel.web import SignedInRequest, signed_in
from workspace.compute import queries, services


@signed_in
def targets(request: SignedInRequest, ws: str) -> HttpResponse:
    return render(request, "compute/list.html", {"targets": queries.list_targets(ws, actor=request.actor)})


@signed_in
def target(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """One target with its nodes. The text of a new enrolment waits in the session for this one look."""
    now = timezone.now()
    nodes = queries.list_nodes(ws, name, actor=request.actor)
    shown = {
        "target": queries.get_target(ws, name, actor=request.actor),
        "nodes": [(node, queries.is_online(node, now)) for node in nodes],
        "command": request.session.pop("enrolment", None),
    }
    return render(request, "compute/target.html", shown)


@require_POST
@signed_in
def enrol(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """Make the one command that attaches a machine."""
    _, text = services.create_enrolment(ws, name, actor=request.actor)
    request.session["enrolment"] = f"zaffre node start --join {settings.PUBLIC_URL} {text}"
    return redirect("target", ws, name)
