"""Addresses that MLflow's client uses without its credential: one part of an upload, or one file of a place.

They carry who asked for them. His rights are asked again at each use, so that they end with his token, his password or
his membership, and not only by the clock.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from runs import queries as runs
from studio.kernel import addresses, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden
from workspace.accounts import queries as accounts

#: The host of a public address that nobody set.
LOCAL = {"localhost", "127.0.0.1", "::1"}
PART, UPLOAD, READ, WRITE = "mlflow part", "mlflow upload", "mlflow read", "mlflow write"
#: How long parts may come.
UPLOADING = 24 * 3600
#: The longest that a client may ask for, as MLflow's server has it.
LONGEST = 7 * 24 * 3600


def maker(actor: Actor) -> dict[str, Any]:
    """What `actor_again` needs. Raises Forbidden for what is neither a person nor code."""
    if actor.kind == "run":
        return {"run": actor.token_id}
    if not actor.is_user:
        raise Forbidden("Addresses are made for people and running code.")
    if actor.token_id:
        return {"token": actor.token_id}
    return {"user": actor.user_id, "stamp": accounts.stamp_of(actor=actor)}


def actor_again(made_by: dict[str, Any], request: hot.Request) -> Actor:
    """Who made the address, at the network address that uses it. Raises Unauthenticated when he would not be let in."""
    sender = (request.scope.get("client") or ("",))[0] or ""
    if "run" in made_by:
        return replace(runs.actor_of_token_id(made_by["run"]), address=sender)
    if "token" in made_by:
        return replace(accounts.actor_of_token_id(made_by["token"]), address=sender)
    return accounts.actor_of_proof(made_by["user"], made_by["stamp"], address=sender)


def address(request: hot.Request, ws: str, door: str, claims: dict[str, Any], *, use: str, seconds: float) -> str:
    """A whole address below this workspace's."""
    sealed = addresses.seal_claims({**claims, "ws": ws}, use=use, seconds=seconds)
    return f"{_origin(request)}/mlflow/{ws}/api/2.0/mlflow-artifacts/{door}/{sealed}"


def opened(sealed: str, ws: str, *, use: str) -> dict[str, Any]:
    """What lies in an address. Raises Forbidden for a wrong, changed or old one, and for another workspace's."""
    claims = addresses.open_claims(sealed, use=use)
    if claims["ws"] != ws:
        raise Forbidden("This address is not valid: it was made for something else, or changed.", code="bad_address")
    return claims


def _origin(request: hot.Request) -> str:
    """The studio's public address where one was set; else the host that the caller uses, if it is one of ours.

    Behind a proxy neither the host nor the scheme of a request need be what its sender used.
    """
    told = settings.PUBLIC_URL.rstrip("/")
    host = request.headers.get("host", "")
    if urlsplit(told).hostname not in LOCAL or not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        return told
    return f"{request.scope.get('scheme', 'http')}://{host}"
