"""The one way out: requests to addresses that users name, which must not reach what only the studio can reach.

A name is resolved once, by the connector, and what it resolved to is what is connected to: a second look could be told
something else. Redirects are not followed and the environment's proxies are not used, for the same reason.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings

from studio.kernel.errors import Invalid

SECONDS = 10.0
MOST_BYTES = 64 * 1024
MOST_URL = 2000
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Undelivered(Exception):
    """The request was not answered; the text says why, and nothing of what the other side said."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


def clean_url(text: str, *, noun: str) -> str:
    """Return the address as it may be kept. Raises Invalid; where its name leads is looked at when it is called."""
    text, begin = text.strip(), noun[0].upper() + noun[1:]
    if not text:
        raise Invalid(f"{begin} cannot be empty or just whitespace.", field="url")
    if len(text) > MOST_URL or not text.isprintable() or " " in text:
        raise Invalid(f"{begin} has at most {MOST_URL} characters, all of them visible.", field="url")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Invalid(f"Invalid {noun} {text[:80]!r}: {error}.", field="url") from None
    if parts.scheme not in _PORTS:
        raise Invalid(f"Invalid {noun} scheme: {parts.scheme[:20]!r}. It is http or https.", field="url")
    if not parts.hostname or port == 0:
        raise Invalid(f"{begin} must include a hostname: {text[:80]!r}.", field="url")
    if parts.username is not None or parts.password is not None:
        raise Invalid(f"{begin} may not hold a user name or a password.", field="url")
    literal = _literal(parts.hostname)
    if literal and not _reachable(literal, parts.hostname, port or _PORTS[parts.scheme]):
        raise Invalid(f"{begin} leads into a private network, which the studio does not call.", field="url")
    return text


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send one POST and return the answer, its body cut at 64 kB. Blocks for 10 s at most. Raises Undelivered."""
    return asyncio.run(_post(url, body, headers))


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        clean_url(url, noun="URL")
    except Invalid as refused:
        raise Undelivered(refused.message) from None
    connector = aiohttp.TCPConnector(resolver=_Resolver(), use_dns_cache=False, force_close=True)
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.post(url, data=body, headers=dict(headers), allow_redirects=False) as answer,
        ):
            return Answer(answer.status, await answer.content.read(MOST_BYTES))
    except Undelivered:
        raise
    except TimeoutError:
        raise Undelivered(f"There was no answer within {SECONDS:.0f} s.") from None
    except aiohttp.ClientConnectorError as error:
        cause = error.os_error
        if isinstance(cause, _PrivateAddress):
            raise Undelivered(str(cause)) from None
        raise Undelivered(f"It could not be reached: {cause.strerror or type(cause).__name__}.") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Undelivered(f"The connection broke: {type(error).__name__}.") from None


class _PrivateAddress(OSError):
    pass


class _Resolver(AbstractResolver):
    """Gives only addresses that may be called, so that there is no other one to connect to."""

    def __init__(self) -> None:
        self._real = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._real.resolve(host, port, family)
        able = [one for one in found if _reachable(ipaddress.ip_address(one["host"].partition("%")[0]), host, port)]
        if not able:
            raise _PrivateAddress("The name leads into a private network, which the studio does not call.")
        return able

    async def close(self) -> None:
        await self._real.close()


def _literal(host: str) -> Any:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _reachable(address: Any, host: str, port: int) -> bool:
    """Whether it is an address of the world, or one that the operator has named."""
    return f"{host.lower()}:{port}" in settings.OUTGOING_ALLOWED or is_public(address)


def is_public(address: Any) -> bool:
    """Whether it is an address of the world, and so is the one that is inside of it, of those that carry another."""
    inside = [getattr(address, kind, None) for kind in ("ipv4_mapped", "sixtofour")]
    if address.version == 6 and address in _NAT64:
        inside.append(ipaddress.ip_address(int(address) & 0xFFFFFFFF))
    if address.version == 6 and address.teredo:
        return False
    return all(one.is_global and not one.is_multicast for one in [address, *filter(None, inside)])
