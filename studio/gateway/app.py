"""The gateway's entry: `uvicorn studio.gateway.app:app`, and mounted in the web process under /score/."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from studio.gateway import keys, limits, table, wire
from studio.gateway.refusals import Refused, unauthenticated, unavailable
from studio.gateway.relay import Call, Lost, NotTaken, carry
from studio.gateway.source import Source

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PREFIX = "/score/"
#: What of a replica can be reached: below the endpoint's address, and how it is called there.
PLACES = {
    ("POST", ""): "/score",
    ("POST", "/"): "/score",
    ("GET", ""): "/",
    ("GET", "/"): "/",
    ("GET", "/swagger.json"): "/swagger.json",
}


class Gone(Exception):
    """The caller went away in the middle of its body."""


class Gateway:
    """One per event loop. Works with a server's lifespan and without."""

    def __init__(
        self, *, redis_url: str, copy: Path, seconds: float = limits.ANSWER_SECONDS, queue: int = limits.QUEUE
    ) -> None:
        self._table = table.EMPTY
        self._source = Source(redis_url, copy, self._swap)
        self._gate = limits.Gate(queue)
        self._seconds = seconds

    async def start(self) -> None:
        """Return once the routes are known, from wherever. Called by every request; only the first one waits."""
        await self._source.start()

    async def stop(self) -> None:
        await self._source.stop()
        for upstream in self._table.upstreams.values():
            await upstream.close()

    async def _swap(self, routes: wire.Routes) -> None:
        before, self._table = self._table, table.build(routes, self._table)
        for key, upstream in before.upstreams.items():
            if key not in self._table.upstreams:
                await upstream.retire()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = _Body(scope, receive)
        begun = False

        async def sending(message: Mapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._answer(scope, request, sending)
        except Gone:
            return
        except Refused as refused:
            if begun:
                return  # half an answer: ending without its last piece cuts the connection
            whole = await request.drain()
            await _refuse(refused, send, close=not whole)
        except Exception:
            log.exception("the gateway failed at a request")
            if not begun:
                broken = Refused(500, "broken", "Something broke on our side. It was written to the log.")
                await _refuse(broken, send, close=True)

    async def _answer(self, scope: Scope, request: "_Body", send: Send) -> None:
        if scope["path"] == "/healthz":
            await _reply(send, 200, b'{"status":"ok"}')
            return
        name, place = _split(scope["path"])
        await self.start()
        if not self._table.version:
            raise unavailable("The gateway does not know any endpoint yet: the studio is starting.")
        endpoint = self._table.endpoints.get(name)
        if not keys.opens(keys.key_of(request.header(b"authorization")), endpoint) or endpoint is None:
            raise unauthenticated()
        path = _path(scope["method"], place)
        lanes = self._table.lanes[name]
        with self._gate.enter(name, replicas=sum(len(lane.upstreams) for lane in lanes)):
            body = await request.read()
            call = Call(scope["method"], path, _query(scope), scope["headers"], body)
            await self._score(name, call, send)

    async def _score(self, name: str, call: Call, send: Send) -> None:
        """Ask the least loaded replica, and another one when that did not take the request."""
        # Looked up again: while the body came, the routes may have changed.
        endpoint, lanes = self._table.endpoints.get(name), self._table.lanes.get(name, ())
        now = asyncio.get_running_loop().time()
        first = table.choose(lanes, now=now)
        if first is None:
            raise unavailable((endpoint.note if endpoint else "") or "No replica of this endpoint is ready right now.")
        lost = _lost()
        try:
            await carry(first, call, send, seconds=self._seconds)
            return
        except NotTaken:
            lost = unavailable("The replica of this endpoint cannot be reached; it is being started again.")
        except Lost:
            if not call.repeatable:
                raise lost from None
        # By the routes of now: they may have changed because the first one ended.
        lanes = self._table.lanes.get(name, ())
        second = table.choose(lanes, now=asyncio.get_running_loop().time(), but=first)
        if second is None:
            raise lost
        try:
            await carry(second, call, send, seconds=self._seconds)
        except NotTaken:
            raise unavailable("No replica of this endpoint can be reached right now.") from None
        except Lost:
            raise _lost() from None


def _lost() -> Refused:
    return Refused(
        502,
        "replica_lost",
        "The replica ended before it answered. It may have handled the request.",
        hint="Send it again if that does no harm; with an Idempotency-Key header it is repeated for you.",
    )


def _split(path: str) -> tuple[str, str]:
    """The name `<workspace>/<endpoint>` in a path, and what follows it. Raises Refused 404."""
    parts = path.removeprefix(PREFIX).split("/", 2) if path.startswith(PREFIX) else []
    if len(parts) < 2 or not all(parts[:2]):
        raise Refused(404, "not_found", "There is nothing here; score with POST /score/<workspace>/<endpoint>.")
    return f"{parts[0]}/{parts[1]}", f"/{parts[2]}" if len(parts) == 3 else ""


def _path(method: str, place: str) -> str:
    found = PLACES.get((method, place))
    if found is not None:
        return found
    allowed = sorted(known for known, other in PLACES if other == place)
    if not allowed:
        raise Refused(404, "not_found", f"An endpoint has nothing at {place[:100]}.")
    raise Refused(405, "method_not_allowed", f"{method} is not taken here.", headers={"Allow": ", ".join(allowed)})


def _query(scope: Scope) -> bytes:
    query = bytes(scope.get("query_string", b""))
    # It becomes a line of the request to the replica: nothing may end that line.
    if any(not 0x21 <= char <= 0x7E for char in query):
        raise Refused(400, "bad_query", "The query string has characters that must be written with %.")
    return query


class _Body:
    """The body of a request: read whole, because it may have to be sent twice."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive
        length = self.header(b"content-length")
        self._announced = int(length) if length.isdigit() else 0
        self._ended = not self._announced and not self.header(b"transfer-encoding")

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for known, value in self._headers if known == name), "")

    async def read(self) -> bytes:
        """Raises Refused 413 over the limit and 408 for a slow sender, Gone."""
        if self._announced > limits.MAX_BODY:
            raise _too_large()
        pieces, size = [], 0
        try:
            async with asyncio.timeout(limits.BODY_SECONDS):
                while not self._ended:
                    pieces.append(await self._next())
                    size += len(pieces[-1])
                    if size > limits.MAX_BODY:
                        raise _too_large()
        except TimeoutError:
            raise Refused(408, "slow", f"The body did not come within {limits.BODY_SECONDS:.0f} s.") from None
        return b"".join(pieces)

    async def drain(self) -> bool:
        """Read what still comes, within limits; say whether that was all."""
        left = limits.LINGER
        with suppress(TimeoutError, Gone):
            async with asyncio.timeout(limits.LINGER_SECONDS):
                while not self._ended and left > 0:
                    left -= len(await self._next())
        return self._ended

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise Gone
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))


def _too_large() -> Refused:
    return Refused(
        413,
        "too_large",
        f"The body has more than {limits.MAX_BODY} bytes, the most that is taken here.",
        hint="Send fewer rows at once.",
    )


async def _refuse(refused: Refused, send: Send, *, close: bool) -> None:
    more = {"Connection": "close"} if close else {}
    await _reply(send, refused.status, refused.body(), {**refused.headers, **more})


async def _reply(send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    told = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        **(headers or {}),
    }
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def from_environment() -> Gateway:
    """As the studio's own settings do, which the gateway may not read."""
    var = Path(os.environ.get("ZAFFRE_VAR") or Path(__file__).resolve().parent.parent.parent / "var")
    url = os.environ.get("REDIS_URL") or f"unix://{var}/run/valkey.sock"
    return Gateway(redis_url=url, copy=var / "run" / "routes.json")


_gateways: "WeakKeyDictionary[asyncio.AbstractEventLoop, Gateway]" = WeakKeyDictionary()


def _gateway() -> Gateway:
    """The gateway of the running event loop: one per process, as a server has one loop."""
    loop = asyncio.get_running_loop()
    if loop not in _gateways:
        _gateways[loop] = from_environment()
    return _gateways[loop]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI entry."""
    if scope["type"] == "http":
        await _gateway()(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4404})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await _gateway().start()
            await send({"type": "lifespan.startup.complete"})
        else:
            await _gateway().stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
