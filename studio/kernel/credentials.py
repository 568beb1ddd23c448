"""Who sends a raw HTTP request or opens a socket: a token, or the browser's session."""

import hashlib
import io
import time
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from studio.kernel import db, tokens
from studio.kernel.actors import Actor
from studio.kernel.belief import Believed, forget_all
from studio.kernel.errors import Forbidden, Unauthenticated

_known: Believed[tuple[bytes, str], Actor] = Believed()

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
NOBODY = "Log in, or send a token in the Authorization header."


async def actor_of(scope: dict[str, Any], headers: dict[str, str], *, browser_may_write: bool = False) -> Actor:
    """Return the actor behind a request.

    A session is enough to read; to write it needs `browser_may_write` and passes Django's CSRF check.
    Raises Unauthenticated for nobody, Forbidden for a session that may not write here.
    """
    address = (scope.get("client") or ("",))[0] or ""
    bearer = headers.get("authorization", "")
    if bearer:
        return await _of_bearer(bearer, address)
    key = session_key(headers)
    actor = await db.run(actor_of_session, key, address=address) if key else None
    if actor is None:
        raise Unauthenticated(NOBODY)
    if scope.get("method", "GET") not in SAFE_METHODS:
        if not browser_may_write:
            raise Unauthenticated("This address takes a token, not a browser's session.", hint=NOBODY)
        refuse_forged(scope)
    return actor


async def _of_bearer(header: str, address: str) -> Actor:
    # The digest is kept rather than the token: a dump of this process shows no credential.
    key = (hashlib.sha256(header.encode("utf-8", "replace")).digest(), address)
    actor = _known.get(key)
    if actor is None:
        asked = time.monotonic()
        actor = await db.run(tokens.actor_of_bearer, header, address=address)
        _known.keep(key, actor, asked=asked)
    return actor


def forget() -> None:
    """Believe nobody without asking: for tests, and after a credential was revoked in this process."""
    forget_all()


def session_key(headers: dict[str, str]) -> str:
    """The session's key in the Cookie header, empty when there is none."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def actor_of_session(key: str, *, address: str = "") -> Actor | None:
    """Return the person of a session, None when it ended, was forged, or its password changed."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]
    if not user.is_authenticated or not user.is_active:
        return None
    return user.as_actor(address=address)


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        raise Forbidden(f"The browser's request could not be trusted: {reason}", code="csrf", hint="Reload the page.")


def refuse_forged(scope: dict[str, Any]) -> None:
    """Check X-CSRFToken and Origin of a session's unsafe request as Django does. Raises Forbidden."""
    # Without a content type the check never looks for its token in the body, which we have not read.
    headers = [pair for pair in scope["headers"] if pair[0] not in {b"content-type", b"content-length"}]
    try:
        request = ASGIRequest({**scope, "headers": headers}, io.BytesIO())
        check = _CsrfCheck(lambda _: HttpResponse())
        check.process_request(request)
        check.process_view(request, lambda _: HttpResponse(), (), {})
    except DisallowedHost:
        raise Forbidden("This studio does not answer under this host name.", code="host") from None
