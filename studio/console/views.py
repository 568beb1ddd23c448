"""The console of the people who run the site."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.console import queries
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.accounts import services


@signed_in
def console(request: SignedInRequest) -> HttpResponse:
    return render(request, "console/console.html", queries.overview(actor=request.actor))


@require_POST
@signed_in
def create_user(request: SignedInRequest) -> HttpResponse:
    form = request.POST
    return post(
        request,
        lambda: services.create_user(
            actor=request.actor,
            username=form.get("username", ""),
            password=form.get("password", ""),
            display_name=form.get("display_name", ""),
            is_admin="is_admin" in form,
        ),
        said=_("The account was made."),
        to=reverse("console"),
    )


@require_POST
@signed_in
def switch_user(request: SignedInRequest, username: str) -> HttpResponse:
    """Close an account, or open it again."""
    change = services.activate_user if request.POST.get("active") else services.deactivate_user
    return post(
        request,
        lambda: change(username, actor=request.actor),
        said=_("The account was changed."),
        to=reverse("console"),
    )
