"""Logging in and out, and one's own account."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from studio.kernel.errors import Invalid, TooMany, Unauthenticated
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, actor_of, signed_in
from workspace.accounts import queries, services
from workspace.accounts.models import User


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or "/"
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe else "/"


def _in_language(response: HttpResponse, user: User) -> HttpResponse:
    if user.language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME, user.language, max_age=365 * 86400, samesite="Lax", httponly=True
        )
    return response


@never_cache
def log_in(request: HttpRequest) -> HttpResponse:
    """The log-in page, and its form."""
    name, problem = "", None
    if request.method == "POST":
        name = request.POST.get("username", "")
        try:
            user = services.log_in(request, name, request.POST.get("password", ""))
            return _in_language(redirect(_next(request)), user)
        except (Unauthenticated, TooMany, Invalid) as refused:
            problem = refused
    elif actor_of(request).is_user:
        return redirect(_next(request))
    shown = {"name": name, "problem": problem, "next": _next(request)}
    return render(request, "accounts/login.html", shown, status=problem.status if problem else 200)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    services.log_out(request, actor=actor_of(request))
    return redirect("login")


@never_cache
@signed_in
def account(request: SignedInRequest) -> HttpResponse:
    """The account's page. A new token's text is shown on it once: it waits in the session for this one look."""
    made = request.session.pop("new_token", None)
    shown = {"tokens": queries.list_tokens(actor=request.actor), "made": made, "choices": settings.LANGUAGES}
    return render(request, "accounts/account.html", shown)


@require_POST
@signed_in
def profile(request: SignedInRequest) -> HttpResponse:
    form = request.POST
    fields = {name: form[name] for name in ("display_name", "language", "theme") if name in form}
    response = post(
        request,
        lambda: services.update_profile(actor=request.actor, **fields),
        said=_("Saved."),
        to=_next(request) if "next" in form else reverse("account"),
    )
    return _in_language(response, queries.user_of(request.actor))


@require_POST
@signed_in
def password(request: SignedInRequest) -> HttpResponse:
    form = request.POST
    return post(
        request,
        lambda: services.change_password(
            request, actor=request.actor, old=form.get("old", ""), new=form.get("new", "")
        ),
        said=_("Your password was changed. Other browsers were logged out."),
        to=reverse("account"),
    )


@require_POST
@signed_in
def create_token(request: SignedInRequest) -> HttpResponse:
    days = request.POST.get("days", "")
    try:
        token, text = services.create_token(
            actor=request.actor, name=request.POST.get("name", ""), days=int(days) if days.isdecimal() else 0
        )
        request.session["new_token"] = {"name": token.name, "text": text}
    except Invalid as refused:
        messages.error(request, refused.message)
    return redirect("account")


@require_POST
@signed_in
def revoke_token(request: SignedInRequest, token_id: str) -> HttpResponse:
    return post(
        request,
        lambda: services.revoke_token(token_id, actor=request.actor),
        said=_("The token was revoked."),
        to=reverse("account"),
    )
