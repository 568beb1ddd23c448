"""Pages of environments."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.environments import forms, pages, queries, services


@signed_in
def environments(request: SignedInRequest, ws: str) -> HttpResponse:
    """Those that people registered, or those that the studio keeps; `q` looks for a part of the name."""
    return render(request, "environments/list.html", pages.listed(ws, request.GET, actor=request.actor))


@signed_in
def environment(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """What a version is made of."""
    shown = pages.frame_of(ws, name, request.GET, "overview", actor=request.actor)
    lock, found = queries.packages_of(shown["version"])
    builds = queries.list_builds(ws, name, actor=request.actor, version=shown["version"].version)
    shown |= {"lock": lock, "installed": found[:12], "build": builds.first()}
    return render(request, "environments/overview.html", shown)


@signed_in
def packages(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """What it was resolved to: exact packages with their hashes."""
    shown = pages.frame_of(ws, name, request.GET, "packages", actor=request.actor)
    lock, found = queries.packages_of(shown["version"])
    q = request.GET.get("q", "").strip().lower()
    kept = [one for one in found if q in one["name"]]
    return render(
        request, "environments/packages.html", {**shown, "lock": lock, "packages": kept, "all": len(found), "q": q}
    )


@signed_in
def builds(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    shown = pages.frame_of(ws, name, request.GET, "builds", actor=request.actor)
    found = queries.list_builds(ws, name, actor=request.actor)[: pages.MOST_ROWS]
    return render(request, "environments/builds.html", {**shown, "builds": found})


@signed_in
def build(request: SignedInRequest, ws: str, name: str, build: str) -> HttpResponse:
    """One build with its log, which grows on the page while the node works."""
    found = queries.get_build(ws, build, actor=request.actor)
    if found.version.environment.name != name:
        raise NotFound(
            _("The environment %(name)s has no build %(build)s.") % {"name": name[:64], "build": repr(build[:40])}
        )
    shown = pages.frame_of(ws, name, {"version": str(found.version.version)}, "builds", actor=request.actor)
    return render(request, "environments/build.html", {**shown, "build": found, "live": found.ended is None})


@signed_in
def used(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """The runs and the deployments of a version."""
    shown = pages.frame_of(ws, name, request.GET, "used", actor=request.actor)
    return render(request, "environments/used.html", shown | queries.used_by(shown["version"]))


@signed_in
def diff(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """Two versions beside each other."""
    shown = pages.frame_of(ws, name, {"version": request.GET.get("to", "")}, "diff", actor=request.actor)
    old = pages.number_of(request.GET.get("from", "")) or max(1, shown["version"].version - 1)
    found: dict[str, Any] = queries.compare(ws, name, old, shown["version"].version, actor=request.actor)
    return render(request, "environments/diff.html", shown | found)


@require_POST
@signed_in
def start_build(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    form = request.POST
    return post(
        request,
        lambda: services.start_build(
            ws,
            name,
            pages.number_of(form.get("version", "")),
            actor=request.actor,
            target=form.get("target", ""),
            again=form.get("again") == "1",
        )[0],
        said="",
        to=lambda made: reverse("environment_build", args=[ws, name, made.pk]),
        back=reverse("environment", args=[ws, name]),
    )


@require_POST
@signed_in
def cancel_build(request: SignedInRequest, ws: str, name: str, build: str) -> HttpResponse:
    return post(
        request,
        lambda: services.cancel_build(ws, build, actor=request.actor),
        said=_("The build is being canceled."),
        to=reverse("environment_build", args=[ws, name, build]),
    )


@signed_in
def register(request: SignedInRequest, ws: str) -> HttpResponse:
    """The form of a new environment, or of the next version of ?from=; what was refused comes back as it was typed."""
    shown = pages.form_of(ws, request.GET, actor=request.actor)
    if request.method == "POST":
        form = request.POST
        try:
            made = services.register_environment(
                ws,
                actor=request.actor,
                name=form.get("name", ""),
                spec=forms.posted_spec(form),
                description=form.get("description", ""),
            )
        except (Invalid, Conflict) as refused:
            refused.details["field"] = forms.posted_field(form, str(refused.details.get("field") or ""))
            shown |= {"refused": refused, "given": form, "kind": form.get("kind", "pip")}
            return render(request, "environments/new.html", shown, status=422)
        name, number = made.environment.name, made.version
        told = _("%(name)s:%(n)d is this already.") if made.unchanged else _("%(name)s:%(n)d was registered.")
        messages.success(request, told % {"name": name, "n": number})
        return redirect("environment", ws, name)
    return render(request, "environments/new.html", shown)
