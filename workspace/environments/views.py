"""Pages of environments."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.environments import queries, services


@signed_in
def environments(request: SignedInRequest, ws: str) -> HttpResponse:
    return render(
        request, "environments/list.html", {"environments": queries.list_environments(ws, actor=request.actor)}
    )


@signed_in
def environment(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    shown = {
        "environment": queries.get_environment(ws, name, actor=request.actor),
        "versions": queries.list_versions(ws, name, actor=request.actor),
    }
    return render(request, "environments/environment.html", shown)


@require_POST
@signed_in
def register(request: SignedInRequest, ws: str) -> HttpResponse:
    """Add a version from a list of requirements, one on each line."""
    form = request.POST
    lines = [line.strip() for line in form.get("requirements", "").splitlines()]
    spec = {"kind": "pip", "requirements": [line for line in lines if line and not line.startswith("#")]}
    return post(
        request,
        lambda: services.register_environment(
            ws, actor=request.actor, name=form.get("name", ""), spec=spec, description=form.get("description", "")
        ),
        said=_("The environment was registered."),
        to=lambda made: reverse("environment", args=[ws, made.environment.name]),
        back=reverse("environments", args=[ws]),
    )
