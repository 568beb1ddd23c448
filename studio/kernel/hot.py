"""The raw door: a few routes where speed is the product, without Django's request cycle.

Same rules as every door: authenticate, decode, call one service or query, answer. Errors have the
one body of studio.kernel.errors.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from django.db import Error as DatabaseError

from studio.kernel import credentials, db
from studio.kernel.actors import Actor
from studio.kernel.api import as_zaffre_error
from studio.kernel.errors import Invalid, OtherProtocol, TooLarge, TooSlow, Unavailable, ZaffreError
from zaffre.protocol import MAX_JSON_BODY, PROTOCOL, PROTOCOL_HEADER, VERSION

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Body = bytes | AsyncIterator[bytes]
Told = TypeVar("Told")

#: After a refusal we read this much more, so that the sender sees the answer and not a reset.
LINGER = 1024 * 1024
#: How long the sender of a body may say nothing, in seconds.
STALL = 30.0
#: How long we wait for a sender in all: this many seconds, and one more for each so many bytes that came.
START, SLOWEST = 30.0, 1024
_JSON = msgspec.json.Encoder()


class Gone(Exception):
    """The sender went away in the middle of its body."""


class Pace:
    """Bounds how long the sender of one body may keep us waiting; what we do with the pieces is not counted."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._waited = 0.0
        self._came = 0
        #: Nothing more is waited for.
        self.spent = False

    async def next(self) -> dict[str, Any]:
        """The next message. Raises TooSlow when it does not come in time."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            async with asyncio.timeout(min(STALL, START + self._came / SLOWEST - self._waited)):
                message = await self._receive()
        except TimeoutError:
            self.spent = True
            raise TooSlow(
                f"The body came too slowly: {self._came} bytes, and then nothing more in time.",
                hint="Send it again over a connection that carries it.",
                received=self._came,
            ) from None
        self._waited += clock() - begun
        self._came += len(message.get("body", b""))
        return message


@dataclass
class Response:
    status: int = 200
    body: Body = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def json(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON. NaN and infinities must have been made strings before: they are not JSON."""
    return Response(status, _JSON.encode(data), dict(headers or {}))


class Request:
    """What a hot function needs of an HTTP request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self._pace = Pace(receive)
        self._ended = False
        self.headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        self.query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    async def actor(self, *, browser_may_write: bool = False) -> Actor:
        """Who calls. Raises Unauthenticated for nobody; see studio.kernel.credentials."""
        return await credentials.actor_of(self.scope, self.headers, browser_may_write=browser_may_write)

    def number(self, name: str, default: int | None = None, *, least: int = 0, most: int = 2**62) -> int | None:
        """A whole number of the query string. Raises Invalid outside [least, most]."""
        raw = self.query.get(name, [""])[-1]
        if not raw:
            return default
        if not re.fullmatch(r"-?\d{1,19}", raw) or not least <= int(raw) <= most:
            raise Invalid(f"{name} is a whole number from {least} to {most}, not {raw[:20]!r}.")
        return int(raw)

    async def stream(self, *, limit: int) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises TooLarge past `limit` bytes, TooSlow, Gone when the sender went away."""
        announced = self.headers.get("content-length", "0")
        too_large = TooLarge(f"The body has more than {limit} bytes, the most that is taken here.", limit=limit)
        if announced.isdigit() and int(announced) > limit:
            raise too_large
        size = 0
        while not self._ended:
            piece = await self._next()
            size += len(piece)
            if size > limit:
                raise too_large
            if piece:
                yield piece

    async def body(self, *, limit: int = MAX_JSON_BODY) -> bytes:
        """The whole body. Raises as `stream` does."""
        return b"".join([piece async for piece in self.stream(limit=limit)])

    async def left(self) -> None:
        """Return when the sender has gone away. For long waits after the whole body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def drain(self) -> None:
        """Read what the sender still sends, up to LINGER bytes and 5 seconds."""
        left = 0 if self._pace.spent else LINGER
        try:
            async with asyncio.timeout(5):
                while not self._ended and left > 0:
                    left -= len(await self._next())
        except (TimeoutError, TooSlow, Gone):
            return

    async def _next(self) -> bytes:
        message = await self._pace.next()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise Gone
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def decoded(self, kind: type[Told], words: str, *, limit: int = MAX_JSON_BODY) -> Told:
        """The body, `decoded`. Raises as it, and as `stream`."""
        return decoded(await self.body(limit=limit), kind, words)


def decoded(raw: bytes, kind: type[Told], words: str) -> Told:
    """A body as JSON of this shape, which `words` tell who sent another. Raises Invalid."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is {words}: {error}.") from None


Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """A method and a path such as `/api/v1/workspaces/<ws>/blobs/<sha256>`, matched before Django is asked.

    A last part `<path:name>` takes all that is left; it has its turn after all paths without one, and last of all
    those whose method is `*`, which is any.
    """

    method: str
    path: str
    handler: Handler


def route(method: str, path: str, handler: Handler) -> Route:
    """For a room's `hot_routes`. `<name>` matches one segment and becomes a keyword of the handler."""
    return Route(method, path, handler)


class Router:
    """Finds the hot function of a request, or None: then Django has the request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[re.Pattern[str], Handler]]] = {}
        self._open: dict[str, list[tuple[re.Pattern[str], Handler]]] = {}
        for each in routes:
            # Everything but the <names> is literal text.
            front, _, rest = each.path.partition("<path:")
            parts = re.split(r"<(\w+)>", front)
            pattern = "".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
            if rest:
                whole = re.compile(f"{pattern}(?P<{rest.removesuffix('>')}>.+)", re.DOTALL)
                self._open.setdefault(each.method, []).append((whole, each.handler))
            else:
                shape = (each.method, each.path.count("/"))
                self._by_shape.setdefault(shape, []).append((re.compile(pattern), each.handler))

    def match(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        fitting = self._by_shape.get((method, path.count("/")), [])
        for pattern, handler in (*fitting, *self._open.get(method, ()), *self._open.get("*", ())):
            if found := pattern.fullmatch(path):
                return handler, found.groupdict()
        return None


async def serve(handler: Handler, names: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
    """Call the hot function and send its answer, or the error it raised."""
    request = Request(scope, receive)
    try:
        response = await handler(request, **names)
    except Gone:
        return
    except Exception as error:
        response = refused(as_refusal(error))
        await request.drain()
    await answer(response, send)


def as_refusal(error: Exception) -> ZaffreError:
    """The error of ours that stands for whatever was raised; a defect goes to the log and says nothing of itself."""
    known = as_zaffre_error(error)
    if known is None and isinstance(error, DatabaseError):
        # A connection that broke under a statement is an InterfaceError, not an OperationalError.
        log.exception("the database refused a hot request")
        known = Unavailable("The database is not answering right now.", hint="Try again in a few seconds.")
    if known is None:
        log.error("a hot function failed", exc_info=error)
        known = ZaffreError("Something broke on our side. It was written to the log.", code="broken")
    return known


def refused(error: ZaffreError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error, with the headers that its status asks for."""
    response = Response(error.status, _JSON.encode(error.body()), dict(headers or {}))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status in {429, 503}:
        response.headers["Retry-After"] = "2"
    if error.status in {408, 413}:
        response.headers["Connection"] = "close"
    return response


def refuse_other_protocol(scope: Scope) -> Response | None:
    """The answer to a client or node that speaks another version of the protocol, None for all others.

    Who names none, such as a browser or curl, is served.
    """
    name = PROTOCOL_HEADER.lower().encode()
    told = next((value.decode("latin-1") for key, value in scope["headers"] if key == name), str(PROTOCOL))
    if told == str(PROTOCOL):
        return None
    return refused(
        OtherProtocol(
            f"This studio speaks version {PROTOCOL} of the protocol, and the caller version {told[:10]}.",
            hint="Install the client that this studio hands out; its pages show the command.",
            needed=PROTOCOL,
            version=VERSION,
        )
    )


async def answer(response: Response, send: Send) -> None:
    """Send an answer."""
    headers = {
        "Content-Type": response.content_type,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        **response.headers,
    }
    if isinstance(response.body, bytes):
        headers["Content-Length"] = str(len(response.body))
    raw = [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body})
        return
    # An error in the middle cuts the connection: a reader must not take half a file for a whole one.
    async for piece in response.body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def pieces_in_thread(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Iterate a blocking reader (a blob, rows) in database threads, one piece ahead of nobody."""
    iterator = iter(pieces)
    while (piece := await db.run(next, iterator, None)) is not None:
        yield piece
