"""Carrying one request to a replica and its answer back, and nothing of it that is not for the other side."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from studio.gateway.refusals import Refused
from studio.gateway.upstream import CONNECT_SECONDS, Upstream

Header = tuple[bytes, bytes]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

#: About one connection, and not about the message (RFC 9110, 7.6.1).
HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
#: A caller's credentials are the gateway's to judge; users' code never sees them. And what a caller says of proxies
#: before it is not to be believed.
NOT_FOR_REPLICAS = HOP | {
    b"authorization",
    b"proxy-authorization",
    b"cookie",
    b"host",
    b"content-length",
    b"expect",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-real-ip",
}
#: The answer comes from users' code but from the studio's own origin: it must not act on the browser there.
NOT_FOR_CALLERS = HOP | {
    b"set-cookie",
    b"set-cookie2",
    b"clear-site-data",
    b"service-worker-allowed",
    b"strict-transport-security",
    b"alt-svc",
    b"refresh",
    b"link",
    b"sourcemap",
    b"www-authenticate",
    b"proxy-authenticate",
    b"content-security-policy",
    b"content-security-policy-report-only",
    b"x-content-type-options",
    b"cache-control",
    b"server",
    b"date",
}
#: Whatever is answered: not guessed, not run, not kept.
ALWAYS = [
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    query: bytes
    headers: list[Header]
    body: bytes

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice does no harm: by its method, or because the caller says so."""
        return self.method == "GET" or any(name == b"idempotency-key" for name, _ in self.headers)


class NotTaken(Exception):
    """The replica surely did not get the request."""


class Lost(Exception):
    """The connection broke before an answer; the replica may have got the request."""


def for_replica(headers: Iterable[Header]) -> list[tuple[str, str]]:
    """The caller's headers that users' code may see."""
    listed = list(headers)
    dropped = NOT_FOR_REPLICAS | _named_by_connection(listed)
    dropped |= {name for name, _ in listed if name.startswith(b"access-control-")}
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in listed if name not in dropped]


def for_caller(headers: Iterable[Header]) -> list[Header]:
    """The replica's headers that a browser in the studio's origin may see."""
    listed = [(name.lower(), value) for name, value in headers]
    dropped = NOT_FOR_CALLERS | _named_by_connection(listed)
    return [
        (name, value) for name, value in listed if name not in dropped and not name.startswith(b"access-control-")
    ] + ALWAYS


def _named_by_connection(headers: Iterable[Header]) -> set[bytes]:
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named |= {word.strip().lower() for word in value.split(b",")}
    return named


async def carry(upstream: Upstream, call: Call, send: Send, *, seconds: float) -> None:
    """Send the call to the replica and stream its answer.

    Raises NotTaken and Lost as long as nothing was answered, Refused 504 when it takes longer than `seconds`. An
    answer that breaks off in the middle ends without its last piece, which cuts the caller's connection.
    """
    url = URL(upstream.base + call.path + (f"?{call.query.decode('ascii')}" if call.query else ""), encoded=True)
    upstream.begin()
    try:
        async with upstream.session().request(
            call.method,
            url,
            data=call.body if call.method == "POST" else None,
            headers=for_replica(call.headers),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS),
        ) as answer:
            await _stream(answer, send)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        upstream.shun()
        raise NotTaken from error
    except TimeoutError:
        raise Refused(
            504,
            "timeout",
            f"The scoring script did not answer within {seconds:.0f} s.",
            hint="Send less at once, or make run() quicker.",
        ) from None
    except aiohttp.ClientError as error:
        upstream.shun()
        raise Lost from error
    finally:
        await upstream.end()


async def _stream(answer: aiohttp.ClientResponse, send: Send) -> None:
    headers = for_caller(answer.raw_headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    try:
        async for piece in answer.content.iter_any():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except (TimeoutError, aiohttp.ClientError):
        return
    await send({"type": "http.response.body", "body": b""})
