"""The one entry of the web process: looks at the path, then hands the request to the right world.

Hot functions and live sockets do not pass through Django's request cycle; everything else does.
"""

import asyncio
import gc
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import django
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class _Django(ASGIHandler):
    """Django's part, in one thread from the first middleware to the view and back.

    As it comes, each request visits the event loop between its middleware and its view, which are all synchronous here,
    and waits for its turn whenever a thread changes.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
# Django must stand before the rooms' doors can be imported.
django.setup(set_prefix=False)
django_app = _Django()

from runs import services as runs  # noqa: E402
from runs.artifacts import small  # noqa: E402
from runs.logs import services as logs  # noqa: E402
from runs.metrics import services as metrics  # noqa: E402
from studio.kernel import content, hot, live  # noqa: E402
from studio.kernel.api import MOST_JSON  # noqa: E402
from studio.kernel.errors import NotFound, TooLarge, TooSlow, ZaffreError  # noqa: E402
from studio.shell.warming import warm  # noqa: E402
from studio.urls import collect  # noqa: E402

log = logging.getLogger(__name__)
App = Callable[[hot.Scope, hot.Receive, hot.Send], Awaitable[None]]

#: The largest body that is not for a hot function: JSON, with room for a form around it.
MOST_BODY = 2 * MOST_JSON
#: Paths that the gateway answers; it also runs as a process of its own, on the next port.
GATEWAY_PATHS = ("/score/",)


def _gateway() -> App | None:
    if find_spec("studio.gateway") is None or find_spec("studio.gateway.app") is None:
        return None
    app: App = import_module("studio.gateway.app").app
    return app


router = hot.Router(collect("hot_routes"))
gateway = _gateway()
_sockets = URLRouter(collect("live_routes"))
_sockets_of_browsers = AllowedHostsOriginValidator(_sockets)


async def application(scope: hot.Scope, receive: hot.Receive, send: hot.Send) -> None:
    """The ASGI entry: `uvicorn studio.asgi:application`."""
    if scope["type"] == "http":
        refusal = hot.refuse_other_protocol(scope)
        found = router.match(scope["method"], scope["path"])
        if refusal is not None:
            await hot.answer(refusal, send)
        elif content.is_out_of_place(scope):
            await hot.answer(hot.refused(NotFound("This studio answers here under another address.")), send)
        elif found is not None:
            await hot.serve(*found, scope, receive, send)
        elif gateway is not None and scope["path"].startswith(GATEWAY_PATHS):
            await gateway(scope, receive, send)
        else:
            await _pages_and_json(scope, receive, send)
    elif scope["type"] == "websocket":
        await _websocket(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)


async def _pages_and_json(scope: hot.Scope, receive: hot.Receive, send: hot.Send) -> None:
    """Django's part, with a bound: it takes a whole body to disk before anybody asks who sends it."""
    pace = hot.Pace(receive)
    size, whole = 0, False
    refusal: ZaffreError | None = None

    async def bounded() -> dict[str, Any]:
        nonlocal size, whole, refusal
        try:
            # After the body Django waits here for as long as the answer takes, to learn whether the caller left.
            message = await (receive() if whole else pace.next())
        except TooSlow as error:
            refusal = error
            return {"type": "http.disconnect"}
        whole = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > MOST_BODY:
            refusal = TooLarge(f"At most {MOST_BODY} bytes are taken here.", limit=MOST_BODY)
        return message if refusal is None else {"type": "http.disconnect"}

    told = next((value for key, value in scope["headers"] if key == b"content-length"), b"0")
    if told.isdigit() and int(told) > MOST_BODY:
        refusal = TooLarge(f"At most {MOST_BODY} bytes are taken here.", limit=MOST_BODY)
        await hot.Request(scope, receive).drain()
    else:
        await django_app(scope, bounded, send)
    if refusal is not None:
        await hot.answer(hot.refused(refusal), send)


async def _websocket(scope: hot.Scope, receive: hot.Receive, send: hot.Send) -> None:
    # A browser cannot be made to send an Authorization header to a socket, so it needs no Origin check.
    by_token = any(key == b"authorization" for key, _ in scope["headers"])
    try:
        await (_sockets if by_token else _sockets_of_browsers)(scope, receive, send)
    except ValueError as error:
        if not str(error).startswith("No route found"):
            raise
        await send({"type": "websocket.close", "code": 4404})


async def _lifespan(scope: hot.Scope, receive: hot.Receive, send: hot.Send) -> None:
    child = _Child(gateway, scope) if gateway is not None else None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            live.hub().start()
            if child is not None:
                await child.start()
            # What was imported stays. The collector need not walk over it whenever a table of runs is read.
            gc.collect()
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
            ready = asyncio.create_task(asyncio.to_thread(warm), name="warm pages")
        else:
            if child is not None:
                await child.stop()
            await live.hub().stop()
            await ready
            # What was accepted is written before we go.
            await asyncio.to_thread(runs.drain)
            await asyncio.to_thread(metrics.drain)
            await asyncio.to_thread(logs.drain)
            await asyncio.to_thread(small.drain)
            await send({"type": "lifespan.shutdown.complete"})
            return


class _Child:
    """A mounted application's own lifespan: told when we start and when we stop."""

    def __init__(self, app: App, scope: hot.Scope) -> None:
        self._app, self._scope = app, scope
        self._to: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())
        await self._ask("lifespan.startup")

    async def stop(self) -> None:
        await self._ask("lifespan.shutdown")
        if self._task is not None:
            await self._task

    async def _ask(self, what: str) -> None:
        await self._to.put({"type": what})
        await self._from.get()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._to.get, self._from.put)
        except Exception:
            # An application without a lifespan says so by failing; ours goes on without it.
            log.info("the gateway takes no lifespan", exc_info=True)
        # Nobody is kept waiting for an answer that will not come.
        await self._from.put({"type": "ended"})
        await self._from.put({"type": "ended"})
