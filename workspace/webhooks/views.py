"""Pages of webhooks: the list, and one with what became of its messages."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.webhooks import queries, services
from workspace.webhooks.events import EVENTS


@signed_in
def webhooks(request: SignedInRequest, ws: str) -> HttpResponse:
    found = queries.list_webhooks(ws, actor=request.actor)
    return render(request, "webhooks/list.html", {"webhooks": found, "events": EVENTS})


@signed_in
def webhook(request: SignedInRequest, ws: str, webhook: str) -> HttpResponse:
    shown = {
        "webhook": queries.get_webhook(ws, webhook, actor=request.actor),
        "deliveries": queries.list_deliveries(ws, webhook, actor=request.actor),
        "events": EVENTS,
    }
    return render(request, "webhooks/detail.html", shown)


def _given(form: QueryDict) -> dict[str, object]:
    words = {key: form.get(key, "") for key in ("name", "url", "description")}
    return {**words, "events": form.getlist("events")}


@require_POST
@signed_in
def create(request: SignedInRequest, ws: str) -> HttpResponse:
    form = request.POST
    return post(
        request,
        lambda: services.create_webhook(ws, actor=request.actor, secret=form.get("secret", ""), **_given(form)),  # type: ignore[arg-type]
        said=_("The webhook was made. Send it a test."),
        to=lambda made: reverse("webhook", args=[ws, made.pk]),
        back=reverse("webhooks", args=[ws]),
    )


@require_POST
@signed_in
def change(request: SignedInRequest, ws: str, webhook: str) -> HttpResponse:
    form = request.POST
    # An empty field keeps the secret, which the page cannot show.
    secret = "" if "unsigned" in form else form.get("secret") or None
    return post(
        request,
        lambda: services.change_webhook(
            ws,
            webhook,
            actor=request.actor,
            secret=secret,
            active="active" in form,
            **_given(form),  # type: ignore[arg-type]
        ),
        said=_("Saved."),
        to=reverse("webhook", args=[ws, webhook]),
    )


@require_POST
@signed_in
def test(request: SignedInRequest, ws: str, webhook: str) -> HttpResponse:
    tried = services.try_webhook(ws, webhook, actor=request.actor)
    if tried.succeeded:
        messages.success(request, _("The receiver took the test: %(status)s.") % {"status": tried.status})
    elif tried.status:
        messages.error(request, _("The receiver answered %(status)s.") % {"status": tried.status})
    else:
        messages.error(request, tried.error)
    return redirect("webhook", ws, webhook)


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, webhook: str) -> HttpResponse:
    return post(
        request,
        lambda: services.delete_webhook(ws, webhook, actor=request.actor),
        said=_("The webhook was deleted."),
        to=reverse("webhooks", args=[ws]),
    )
