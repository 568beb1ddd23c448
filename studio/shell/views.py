"""The pages around the rooms' pages."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from studio.kernel.errors import NotFound
from studio.kernel.web import SignedInRequest, signed_in
from studio.shell import queries
from workspace.queries import my_workspaces


@signed_in
def home(request: SignedInRequest) -> HttpResponse:
    """The workspaces of the visitor; who has one only goes straight there."""
    mine = list(my_workspaces(actor=request.actor))
    if len(mine) == 1 and "all" not in request.GET:
        return redirect("workspace_home", mine[0].workspace.slug)
    return render(request, "shell/home.html", {"mine": mine})


@signed_in
def workspace_home(request: SignedInRequest, ws: str) -> HttpResponse:
    """What happened lately in a workspace, and what to do next."""
    return render(request, "shell/workspace.html", queries.lately(ws, actor=request.actor))


@signed_in
def find(request: SignedInRequest, ws: str) -> JsonResponse:
    """The quick search, as JSON for the palette."""
    return JsonResponse({"found": queries.find(ws, request.GET.get("q", ""), actor=request.actor)})


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """No such address: a page for people, the usual error body for programs."""
    if request.path.startswith(("/api/", "/agent/")):
        missing = NotFound(_("There is nothing at this address."))
        return JsonResponse(missing.body(), status=missing.status)
    return render(request, "errors/404.html", status=404)


def broken(request: HttpRequest) -> HttpResponse:
    return render(request, "errors/500.html", status=500)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form whose proof of origin is missing or old."""
    return render(request, "errors/csrf.html", {"reason": reason}, status=403)
