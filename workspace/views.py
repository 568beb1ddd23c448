"""Pages about a workspace itself: making one, its members, its settings."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.errors import Invalid
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace import queries, services
from workspace.founding import found_workspace
from workspace.models import Role


@signed_in
def create(request: SignedInRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "workspace/new.html")
    form = request.POST
    return post(
        request,
        lambda: found_workspace(
            actor=request.actor,
            slug=form.get("slug", ""),
            name=form.get("name", ""),
            description=form.get("description", ""),
        ),
        said=_("The workspace was made."),
        to=lambda made: reverse("workspace_home", args=[made.slug]),
    )


@signed_in
def settings(request: SignedInRequest, ws: str) -> HttpResponse:
    shown = {
        "settings": queries.read_settings(ws, actor=request.actor),
        "members": queries.list_members(ws, actor=request.actor),
        "roles": Role.values,
    }
    return render(request, "workspace/settings.html", shown)


@require_POST
@signed_in
def change(request: SignedInRequest, ws: str) -> HttpResponse:
    form = request.POST
    return post(
        request,
        lambda: services.change_workspace(
            ws, actor=request.actor, name=form.get("name"), description=form.get("description")
        ),
        said=_("Saved."),
        to=reverse("settings", args=[ws]),
    )


@require_POST
@signed_in
def add_member(request: SignedInRequest, ws: str) -> HttpResponse:
    form = request.POST
    return post(
        request,
        lambda: services.add_member(
            ws, actor=request.actor, username=form.get("username", "").strip(), role=form.get("role", "")
        ),
        said=_("The member was added."),
        to=reverse("settings", args=[ws]),
    )


@require_POST
@signed_in
def change_member(request: SignedInRequest, ws: str, username: str) -> HttpResponse:
    """Give a member another role, or take them out."""
    form, actor = request.POST, request.actor

    def work() -> None:
        if "remove" in form:
            services.remove_member(ws, actor=actor, username=username)
        else:
            services.change_role(ws, actor=actor, username=username, role=form.get("role", ""))

    return post(request, work, said=_("The member was changed."), to=reverse("settings", args=[ws]))


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str) -> HttpResponse:
    def work() -> None:
        if request.POST.get("typed") != ws:
            raise Invalid(_("The short name was not typed as it is; nothing was deleted."))
        services.delete_workspace(ws, actor=request.actor)

    return post(request, work, said=_("The workspace was deleted."), to="/?all", back=reverse("settings", args=[ws]))
