"""Pages of the machines that a cluster takes its nodes from."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.attached import queries, services
from workspace.attached.forms import posted_way
from workspace.compute import forms, kinds, pages
from workspace.compute.services import require_new
from workspace.secrets.queries import list_secrets

#: What comes back in the form when something of it was refused: never a password or a key.
_KEPT = (
    "name",
    "way",
    "hosts",
    "username",
    "description",
    "tags",
    "min_nodes",
    "max_nodes",
    "idle_seconds_before_scaledown",
    "slots",
    "forward",
)


@signed_in
def new(request: SignedInRequest, ws: str) -> HttpResponse:
    require_new(ws, kinds.CLUSTER, actor=request.actor)
    shown: dict[str, Any] = {"given": {"min_nodes": 0, "slots": 1, "idle_seconds_before_scaledown": kinds.IDLE_SECONDS}}
    if request.method == "POST":
        form = request.POST
        try:
            settings = forms.posted_settings(kinds.CLUSTER, form)
            given: dict[str, Any] = {
                **{key: form.get(key, "") for key in ("hosts", "username", "description")},
                **posted_way(form),
                "forward": "forward" in form,
                "settings": {key: value for key, value in settings.items() if value != ""},
                "tags": forms.posted_tags(form),
            }
            made = services.create_pool(ws, form.get("name", "").strip(), actor=request.actor, given=given)
            return redirect("target_hosts", ws, made.name)
        except (Invalid, Conflict) as refused:
            shown = {"given": {key: form.get(key, "") for key in _KEPT}, "refused": refused}
    return render(request, "attached/pool.html", shown, status=422 if "refused" in shown else 200)


@signed_in
def hosts(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    shown = pages.frame_of(ws, name, "hosts", actor=request.actor)
    found = queries.list_hosts(ws, name, actor=request.actor)
    shown["hosts"] = [queries.host_out(one) for one in found]
    may_list = shown["may_change"]
    shown["secrets"] = [one.name for one in list_secrets(ws, actor=request.actor)] if may_list else []
    shown["settled"] = all(one.state in {"free", "busy", "confirm", "failed"} for one in found)
    return render(request, "attached/hosts.html", shown)


@require_POST
@signed_in
def change(request: SignedInRequest, ws: str, name: str, verb: str) -> HttpResponse:
    """`add` machines, or `login` to all otherwise."""
    if verb not in ("add", "login"):
        raise NotFound(_("A pool has no button %(verb)s.") % {"verb": repr(verb[:20])})
    form = request.POST
    if verb == "add":
        said = _("The machines were added.")
        given: dict[str, Any] = {"hosts": form.get("hosts", ""), "forward": "forward" in form}
        work = services.add_hosts
    else:
        said = _("Saved. The studio logs in with it now.")
        given = {"username": form.get("username", ""), **posted_way(form)}
        work = services.change_hosts
    to = reverse("target_hosts", args=[ws, name])
    return post(request, lambda: work(ws, name, actor=request.actor, given=given), said=said, to=to)


@require_POST
@signed_in
def host(request: SignedInRequest, ws: str, name: str, host: int, verb: str) -> HttpResponse:
    """`confirm` its key, try it `again`, log in to it in its own `way`, or `remove` it from the pool."""
    if verb not in ("confirm", "again", "way", "remove"):
        raise NotFound(_("A machine has no button %(verb)s.") % {"verb": repr(verb[:20])})
    said = ""
    form = request.POST
    if verb == "confirm":
        said = _("The key is known from now on; another one is refused.")
    elif verb == "way":
        said = _("Saved. The studio logs in with it now.")
    to = reverse("target_hosts", args=[ws, name])

    def work() -> None:
        if verb == "confirm":
            services.confirm_host(ws, name, host, actor=request.actor, shown=form.get("fingerprint", ""))
        elif verb == "way":
            given = {"username": form.get("username"), "secret": form.get("secret"), "forward": "forward" in form}
            services.change_host(ws, name, host, actor=request.actor, given=given)
        elif verb == "again":
            services.try_host(ws, name, host, actor=request.actor)
        else:
            services.remove_host(ws, name, host, actor=request.actor)

    return post(request, work, said=said, to=to)
