"""The tab of a compute target with what waits and what runs, and the buttons that change a run's place."""

import re
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from runs import services
from runs.asking import LEAST_PRIORITY, MOST_PRIORITY
from runs.queues.queries import queue_of
from runs.queues.usage import usage_of
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.compute.pages import frame_of
from workspace.quotas.ledger import AMOUNTS
from workspace.quotas.services import set_quota

_WHOLE = re.compile(r"-?[0-9]{1,4}\Z")


@signed_in
def queue(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    shown = frame_of(ws, name, "queue", actor=request.actor)
    shown["line"] = queue_of(ws, name, actor=request.actor)
    shown["least"], shown["most"] = LEAST_PRIORITY, MOST_PRIORITY
    return render(request, "compute/queue.html", shown)


@require_POST
@signed_in
def prioritize(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    """Another priority for a run that waits; `target` is the page to go back to."""
    text = request.POST.get("priority", "").strip()
    number = int(text) if _WHOLE.match(text) else text
    target = request.POST.get("target", "")
    return post(
        request,
        lambda: services.set_priority(ws, run, actor=request.actor, priority=number),
        said=_("The priority was changed."),
        to=reverse("target_queue", args=[ws, target]) if target else reverse("run", args=[ws, run]),
    )


@require_POST
@signed_in
def give_up(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    return post(
        request,
        lambda: services.give_up_run(ws, run, actor=request.actor),
        said=_("The attempt was given up."),
        to=reverse("run", args=[ws, run]),
    )


@signed_in
def usage(request: SignedInRequest, ws: str) -> HttpResponse:
    """What the workspace and its people use of the compute, beside what they may; who may, sets it here."""
    shown = usage_of(ws, actor=request.actor)
    if request.method != "POST":
        choices = _whose(shown)
        asked = request.GET.get("whose", "")
        chosen = next((one for one in choices if one["value"] == asked), choices[0] if choices else None)
        told = {"usage": shown, "amounts": AMOUNTS, "choices": choices, "chosen": chosen}
        return render(request, "compute/usage.html", told)
    form = request.POST
    return post(
        request,
        lambda: set_quota(
            ws, actor=request.actor, scope=form.get("scope", ""), username=form.get("user", ""), amounts=form.dict()
        ),
        said=_("The limit was set."),
        to=reverse("usage", args=[ws]),
    )


def _whose(usage: dict[str, Any]) -> list[dict[str, Any]]:
    """Whose limit the reader may set: [{value, label, scope, user, limits}], as they are now."""
    found = []
    if usage["may_change"]:
        found.append(("workspace", "", _("The workspace's limit"), usage["workspace"]))
        found.append(("user", "", _("Everybody without a limit of their own"), usage["everybody"]))
        none = dict.fromkeys(AMOUNTS)
        found += [("user", one["user"], one["name"], one["limits"] if one["own"] else none) for one in usage["people"]]
    if usage["may_limit"]:
        found.append(("site", "", _("The site's limit"), usage["site"]))
    return [
        {"value": f"{scope}:{user}", "label": label, "scope": scope, "user": user, "limits": limits}
        for scope, user, label, limits in found
    ]
