"""Pages of attached machines: the form, and a machine with its steps ticked off while they are done."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.errors import Conflict, Invalid
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.attached import queries, services, states, words
from workspace.attached.forms import posted_way
from workspace.attached.models import Attachment
from workspace.attached.places import fingerprint
from workspace.compute import pages
from workspace.compute.services import require_new

#: What comes back in the form when something of it was refused: never a password or a key.
_KEPT = ("name", "way", "address", "port", "username", "slots", "studio_url", "forward")


@signed_in
def attach(request: SignedInRequest, ws: str) -> HttpResponse:
    require_new(ws, "attached", actor=request.actor)
    shown: dict[str, Any] = {"given": {"port": 22, "slots": 1, "studio_url": settings.PUBLIC_URL}}
    if request.method == "POST":
        form = request.POST
        try:
            made = services.attach_machine(ws, form.get("name", "").strip(), actor=request.actor, given=_given(form))
            return redirect("machine", ws, made.target.name)
        except (Invalid, Conflict) as refused:
            shown = {"given": {key: form.get(key, "") for key in _KEPT}, "refused": refused}
    return render(request, "attached/new.html", shown, status=422 if "refused" in shown else 200)


def _given(form: QueryDict) -> dict[str, Any]:
    words_given: dict[str, Any] = {
        key: form.get(key, "") for key in ("address", "port", "username", "slots", "studio_url")
    }
    return {**words_given, **posted_way(form), "forward": "forward" in form}


@signed_in
def machine(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    found = queries.get_attachment(ws, name, actor=request.actor)
    shown = {
        **pages.frame_of(ws, name, "machine", actor=request.actor),
        "machine": found,
        "steps": _steps(found),
        "reason": words.reason(found.code, found.about),
        "shown_key": fingerprint(found.shown_key),
        "host_key": fingerprint(found.host_key),
        "settled": found.state in {states.RUNNING, states.FAILED, states.CONFIRM},
    }
    return render(request, "attached/machine.html", shown)


def _steps(found: Attachment) -> list[dict[str, str]]:
    names = {
        states.CONNECT: _("Reach the machine"),
        states.HOST_KEY: _("Know its key"),
        states.LOG_IN: _("Log in"),
        states.PYTHON: _("Find Python 3.9 or newer"),
        states.COPY: _("Copy the client"),
        states.INSTALL: _("Install it"),
        states.START: _("Start the agent"),
        states.ONLINE: _("Hear of it"),
    }
    return [{**one, "label": names.get(one["name"], one["name"])} for one in found.steps]


@require_POST
@signed_in
def confirm(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    shown = request.POST.get("fingerprint", "")
    return post(
        request,
        lambda: services.confirm_key(ws, name, actor=request.actor, shown=shown),
        said=_("The key is known from now on; another one is refused."),
        to=reverse("machine", args=[ws, name]),
    )


@require_POST
@signed_in
def again(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    to = reverse("machine", args=[ws, name])
    return post(request, lambda: services.try_again(ws, name, actor=request.actor), said="", to=to)


@require_POST
@signed_in
def credential(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    given = _given(request.POST)
    return post(
        request,
        lambda: services.change_credential(ws, name, actor=request.actor, given=given),
        said=_("Saved. The studio logs in with it now."),
        to=reverse("machine", args=[ws, name]),
    )


@require_POST
@signed_in
def detach(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    to = reverse("machine", args=[ws, name])
    return post(request, lambda: services.detach_machine(ws, name, actor=request.actor), said="", to=to)


@require_POST
@signed_in
def forget(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    return post(
        request,
        lambda: services.forget_machine(ws, name, actor=request.actor),
        said=_("%(name)s was removed from the list. What is on the machine stays there.") % {"name": name},
        to=reverse("compute", args=[ws]),
        back=reverse("machine", args=[ws, name]),
    )
