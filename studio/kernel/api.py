"""The JSON door's frame: who calls, what a body may be, how an error is told."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, transaction
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from studio.kernel import tokens
from studio.kernel.actors import ANONYMOUS, Actor
from studio.kernel.errors import Invalid, TooLarge, Unauthenticated, Unavailable, ZaffreError
from studio.kernel.models import IdempotencyKey
from studio.kernel.rows import insert
from zaffre.protocol import IDEMPOTENCY_HEADER, MAX_JSON_BODY

if TYPE_CHECKING:
    # Not at run time: its class body imports this module by the names in the settings.
    from rest_framework.views import APIView

log = logging.getLogger(__name__)

#: The largest JSON body of all doors (20 000 files with long paths) and its deepest nesting.
MOST_JSON = 8 * 1024 * 1024
MOST_DEPTH = 64


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer zaf_…`. First in the list, so that an anonymous caller gets 401 and not 403."""

    def authenticate(self, request: Request) -> tuple[Actor, str] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        return tokens.actor_of_bearer(header, address=address_of(request)), "token"

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionActor(SessionAuthentication):
    """The browser's session, with Django's CSRF check on every unsafe method."""

    def authenticate(self, request: Request) -> tuple[Actor, str] | None:
        user = getattr(request._request, "user", None)
        if user is None or not user.is_authenticated or not user.is_active:
            return None
        self.enforce_csrf(request)
        return user.as_actor(address=address_of(request)), "session"


class SignedIn(BasePermission):
    """Default deny: a view that lets anonymous visitors in has to say so itself."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return actor_of(request).kind != "anonymous"


def address_of(request: Any) -> str:
    return str(request.META.get("REMOTE_ADDR") or "")


def actor_of(request: Request) -> Actor:
    """The actor behind an API request, ANONYMOUS when there is none."""
    return request.user if isinstance(request.user, Actor) else ANONYMOUS


def parse(serializer: type[Serializer], data: Any) -> dict[str, Any]:
    """Return the checked body. Raises Invalid that names each wrong field."""
    bound = serializer(data=data)
    if not bound.is_valid():
        first = next(iter(bound.errors))
        problem = bound.errors[first]
        text = problem[0] if isinstance(problem, list) and problem else problem
        raise Invalid(f"{first}: {text}", hint="See details for every field.", fields=bound.errors)
    return dict(bound.validated_data)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn whatever was raised into the one error body."""
    known = as_zaffre_error(error)
    if known is None:
        return None
    response = Response(known.body(), status=known.status)
    if known.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if known.status == 503:
        response["Retry-After"] = "2"
    return response


def as_zaffre_error(error: Exception) -> ZaffreError | None:
    """Translate what frameworks raise; None for a defect of ours, which stays a 500."""
    if isinstance(error, ZaffreError):
        return error
    if isinstance(error, Http404):
        return _named(404, "not_found", "There is nothing at this address.")
    if isinstance(error, (drf.NotAuthenticated, drf.AuthenticationFailed)):
        return Unauthenticated("Log in, or send a token in the Authorization header.")
    if isinstance(error, (PermissionDenied, drf.PermissionDenied)):
        return _named(403, "forbidden", str(error) or "You may not do this.")
    if isinstance(error, drf.ParseError):
        return Invalid(f"The body is not valid JSON: {error}", code="bad_json")
    if isinstance(error, drf.APIException):
        return _named(error.status_code, str(error.default_code), str(error.detail))
    if isinstance(error, (DataError, UnicodeEncodeError)):
        # A NUL or half a surrogate pair in a text, a number that no column holds: the caller's mistake, wherever
        # it was found.
        log.warning("a value could not be stored: %s", type(error).__name__, exc_info=True)
        return Invalid("Something in this request cannot be stored, such as a NUL character.", code="unstorable")
    if isinstance(error, RecursionError):
        # Of a decoder: nothing of ours goes that deep.
        log.warning("a request was nested too deeply", exc_info=True)
        return Invalid("The body is nested too deeply.", code="bad_json")
    # A connection that broke under a statement is an InterfaceError.
    if isinstance(error, (OperationalError, InterfaceError)):
        log.exception("the database did not answer")
        return Unavailable("The database is not answering right now.", hint="Try again in a few seconds.")
    if isinstance(error, OSError) and error.errno == 28:
        return _named(507, "disk_full", "The studio's disk is full: nothing of this request was kept.")
    return None


def _named(status: int, code: str, message: str) -> ZaffreError:
    known = ZaffreError(message, code=code)
    known.status = status
    return known


def once(request: Request, make: Callable[[], tuple[dict[str, Any], int]]) -> Response:
    """Answer a POST that creates something; a repeat with the same Idempotency-Key gets the first answer.

    Raises as `made_once`.
    """
    canonical = json.dumps([request.path, request.data], sort_keys=True, default=str)
    key = request.headers.get(IDEMPOTENCY_HEADER, "")
    body, status = made_once(key, canonical.encode(), make, actor=actor_of(request))
    return Response(body, status=status)


def made_once(key: str, asked: bytes, make: Callable[[], tuple[Any, int]], *, actor: Actor) -> tuple[Any, int]:
    """(body, status) that `make` returns; for a key that the actor sent before, with the same `asked`, those of then.

    Raises Invalid when the key comes back with another body. Kept 24 hours. Nobody looks first whether the key is
    known, because it seldom is: of twins, and of a repeat, the second one is rolled back whole.
    """
    if not key:
        return make()
    if len(key) > 200:
        raise Invalid(f"{IDEMPOTENCY_HEADER} has at most 200 characters.")
    owner = f"{actor.kind}:{actor.user_id or actor.run_id or actor.node_id}"
    fingerprint = hashlib.sha256(asked).hexdigest()
    try:
        with transaction.atomic():
            body, status = make()
            # Through JSON once, so that a repeat is byte for byte the first answer.
            body = json.loads(json.dumps(body, default=str))
            insert(IdempotencyKey(owner=owner, key=key, fingerprint=fingerprint, status=status, body=body))
        return body, status
    except (IntegrityError, ZaffreError):
        earlier = IdempotencyKey.objects.filter(owner=owner, key=key).first()
        if earlier is None:
            raise
    if earlier.fingerprint != fingerprint:
        raise Invalid(
            "This Idempotency-Key was used with another body.",
            code="key_reused",
            hint="Use a new key for a new request.",
        )
    return earlier.body, earlier.status


class BoundedJSON(BaseParser):
    """What `request.data` is read with: JSON of a size and a depth that harm nobody."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Raises TooLarge before more than the limit is read, Invalid `bad_json`."""
        return decode_json(stream.read(MOST_JSON + 1), MOST_JSON)


def decode_json(raw: bytes, limit: int) -> Any:
    """The value of a JSON body. Raises TooLarge, and Invalid `bad_json` for what is none or is nested too deeply."""
    if len(raw) > limit:
        raise TooLarge(f"The body has more than {limit} bytes, the most that is taken here.")
    try:
        value = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The body is not valid JSON: {str(error)[:200]}", code="bad_json") from None
    level, depth = [value], 0
    while level := [one for part in level if isinstance(part, (dict, list)) for one in _inside(part)]:
        depth += 1
        if depth > MOST_DEPTH:
            raise Invalid(f"The body is nested deeper than {MOST_DEPTH} levels.", code="bad_json")
    return value


def _inside(part: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return part.values() if isinstance(part, dict) else part


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def body_limit(request: Request, limit: int) -> bytes:
    """The raw body, refused with TooLarge over `limit` bytes."""
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > limit:
        raise TooLarge(f"The body is {length} bytes, and at most {limit} are allowed.")
    return bytes(request._request.read(limit + 1))


def json_body(request: Request, limit: int = MAX_JSON_BODY) -> Any:
    """The decoded body, refused with TooLarge before it is read whole. Use it instead of `request.data`."""
    return decode_json(body_limit(request, limit), limit)


def page_limit(request: Request, default: int = 100, most: int = 1000) -> int:
    """The `limit` of a listing. Raises Invalid when it is not a number from 1 to `most`."""
    raw = request.query_params.get("limit", str(default))
    # Digits of other scripts are digits for Python, and a very long number is an error of its own.
    if not (raw.isascii() and raw.isdigit() and len(raw) < 10 and 1 <= int(raw) <= most):
        raise Invalid(f"limit is a number from 1 to {most}, not {raw[:20]!r}.")
    return int(raw)
