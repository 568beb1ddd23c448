"""The HTML door's frame: headers of every answer, and errors as pages that say what to do."""

import logging
from collections.abc import AsyncIterator, Callable

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.middleware.gzip import GZipMiddleware, re_accepts_gzip
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode

from studio.kernel.actors import ANONYMOUS, Actor
from studio.kernel.api import address_of, as_zaffre_error
from studio.kernel.errors import Unauthenticated
from studio.kernel.latepages import compressed

log = logging.getLogger(__name__)
Answer = Callable[[HttpRequest], HttpResponse]

POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self' ws: wss:",
        "style-src 'self'",
        "script-src 'self'",
        " ".join(["frame-src 'self'", settings.CONTENT_URL]).strip(),
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


class SecurityHeaders:
    """A strict policy on every answer: our own scripts and styles only, none inline."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        return response


class CompressedPages(GZipMiddleware):
    """Compress pages for browsers that take it: a table of runs becomes a tenth.

    Pages alone: files have a length and ranges of their own. What a page holds against forgery is masked anew in each
    answer, and Django's middleware adds a random length, so a guess at it cannot be told by the size.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        if isinstance(response, StreamingHttpResponse):
            parts = response.streaming_content
            if isinstance(parts, AsyncIterator) and re_accepts_gzip.search(request.headers.get("Accept-Encoding", "")):
                response.streaming_content = compressed(parts)
                response.headers["Content-Encoding"] = "gzip"
            patch_vary_headers(response, ("Accept-Encoding",))
            return response
        shorter: HttpResponseBase = super().process_response(request, response)
        return shorter


class ErrorPages:
    """Turn the studio's errors, raised anywhere below a page, into a page (or JSON for JSON callers)."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        known = as_zaffre_error(error)
        if known is None:
            return None
        again = {"Retry-After": "2"} if known.status == 503 else {}
        if request.path.startswith(("/api/", "/agent/")):
            return JsonResponse(known.body(), status=known.status, headers=again)
        if isinstance(known, Unauthenticated):
            return redirect(f"/login?{urlencode({'next': request.get_full_path()})}")
        if known.status == 503:
            # The page would ask the same database who reads it.
            request.user = AnonymousUser()
        response = render(request, "errors/refused.html", {"error": known}, status=known.status)
        for name, value in again.items():
            response[name] = value
        return response


class SignedInRequest(HttpRequest):
    """What `signed_in` hands to a view."""

    actor: Actor


def actor_of(request: HttpRequest) -> Actor:
    """The person behind a page request, ANONYMOUS when nobody is logged in."""
    if request.user.is_authenticated and request.user.is_active:
        return request.user.as_actor(address=address_of(request))
    return ANONYMOUS


def signed_in(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Send visitors to the log-in page, and back afterwards; hand the view its actor as `request.actor`."""

    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        actor = actor_of(request)
        if actor.kind == "anonymous":
            raise Unauthenticated("Log in to see this page.")
        request.actor = actor  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    wrapper.__name__ = view.__name__
    wrapper.__doc__ = view.__doc__
    return wrapper
