"""Credentials of the form `zaf_<kind>_<id>_<secret>_<check>`.

The prefix lets secret scanners and our own log filter find leaks; the check tells a typing error
from an attack; 256 random bits make one SHA-256 with a pepper enough (no slow hash needed).
"""

import hashlib
import hmac
import logging
import re
import secrets
import zlib
from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string

from studio.kernel.actors import Actor
from studio.kernel.errors import Unauthenticated
from zaffre.protocol import TOKEN_KINDS, TOKEN_PREFIX

_SHAPE = re.compile(
    rf"{TOKEN_PREFIX}_({'|'.join(TOKEN_KINDS)})_([A-Za-z0-9]{{10,26}})_([A-Za-z0-9-]{{43}})_([0-9a-f]{{6}})\Z"
)
_LEAK = re.compile(
    rf"{TOKEN_PREFIX}_(?:{'|'.join(TOKEN_KINDS)})_[A-Za-z0-9]+_[A-Za-z0-9-]+(?:_[0-9a-f]{{6}})?"
    # The sealed part of an address (studio.kernel.addresses).
    rf"|{TOKEN_PREFIX}_url_[A-Za-z0-9_-]+"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    kind: str
    id: str
    secret: str


def _check(body: str) -> str:
    return f"{zlib.crc32(body.encode()) & 0xFFFFFF:06x}"


def new(kind: str, token_id: str) -> tuple[str, str]:
    """Return (the token to show once, the hash to keep)."""
    # `_` separates the parts, so the secret may not contain it.
    secret = secrets.token_urlsafe(32).replace("_", "-")
    body = f"{TOKEN_PREFIX}_{kind}_{token_id}_{secret}"
    return f"{body}_{_check(body)}", hash_secret(secret)


def parse(text: str) -> Parsed:
    """Split a token. Raises Unauthenticated when it is none, or mistyped."""
    match = _SHAPE.match(text.strip())
    if not match:
        raise Unauthenticated(
            "This is not a Zaffre token.", hint="A token begins with zaf_ and is shown once, when made."
        )
    kind, token_id, secret, check = match.groups()
    if not hmac.compare_digest(_check(text.strip().rsplit("_", 1)[0]), check):
        raise Unauthenticated("The token is incomplete or mistyped.", hint="Copy it again, whole.")
    return Parsed(kind, token_id, secret)


def hash_secret(secret: str) -> str:
    return hashlib.sha256(settings.SECRET_KEY.encode() + secret.encode()).hexdigest()


def matches(secret: str, kept: str) -> bool:
    return hmac.compare_digest(hash_secret(secret), kept)


def actor_of_bearer(header: str, *, address: str = "") -> Actor:
    """Return the actor behind an `Authorization` header. Raises Unauthenticated.

    The resolver of the token's kind is named in settings.TOKEN_RESOLVERS, because the kernel
    may not import the rooms that own users, nodes and runs.
    """
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "bearer" or not value:
        raise Unauthenticated("The Authorization header must be `Bearer <token>`.")
    parsed = parse(value)
    resolver = settings.TOKEN_RESOLVERS.get(parsed.kind)
    if resolver is None:
        raise Unauthenticated("This credential is not for this door.", hint="Endpoint keys are for scoring only.")
    return import_string(resolver)(parsed, address=address)


class HideTokens(logging.Filter):
    """Replace tokens in log lines: a secret never reaches a log file."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if TOKEN_PREFIX + "_" in text:
            record.msg, record.args = _LEAK.sub(f"{TOKEN_PREFIX}_…", text), None
        return True
