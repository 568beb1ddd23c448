"""Pages of the key vault. They hold no value: the page of a secret asks for it when an owner wants to see it."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.secrets import forms, queries, services


@signed_in
def secrets(request: SignedInRequest, ws: str) -> HttpResponse:
    shown = {
        "secrets": queries.list_secrets(ws, actor=request.actor),
        "deleted": queries.list_deleted(ws, actor=request.actor),
        "shortest": forms.SHORTEST,
    }
    return render(request, "secrets/list.html", shown)


@signed_in
def secret(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    found = queries.get_secret(ws, name, actor=request.actor)
    shown = {"secret": found, "versions": found.versions.all(), "shortest": forms.SHORTEST}
    return render(request, "secrets/secret.html", shown)


def _text(given: str) -> str:
    # Browsers send line ends as CRLF; a private key with those is none.
    return given.replace("\r\n", "\n")


@require_POST
@signed_in
def create(request: SignedInRequest, ws: str) -> HttpResponse:
    form = request.POST
    return post(
        request,
        lambda: services.create_secret(
            ws,
            form.get("name", "").strip(),
            actor=request.actor,
            value=_text(form.get("value", "")),
            description=form.get("description", ""),
        ),
        said=_("The secret is kept. Runs can use it by its name."),
        to=lambda made: reverse("secret", args=[ws, made.name]),
        back=reverse("keyvault", args=[ws]),
    )


@require_POST
@signed_in
def change(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """A new value, or another description where none is given."""
    form, actor = request.POST, request.actor
    value, description = _text(form.get("value", "")), form.get("description", "")
    return post(
        request,
        lambda: (
            services.set_secret(ws, name, actor=actor, value=value, description=description)
            if value
            else services.describe_secret(ws, name, actor=actor, description=description)
        ),
        said=_("The new value is kept. Runs that start from now on get it.") if value else _("Saved."),
        to=reverse("secret", args=[ws, name]),
    )


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    return post(
        request,
        lambda: services.delete_secret(ws, name, actor=request.actor),
        said=_("The secret was deleted. It can be restored for seven days."),
        to=reverse("keyvault", args=[ws]),
    )


@require_POST
@signed_in
def restore(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    return post(
        request,
        lambda: services.restore_secret(ws, name, actor=request.actor),
        said=_("The secret was restored."),
        to=reverse("secret", args=[ws, name]),
        back=reverse("keyvault", args=[ws]),
    )
