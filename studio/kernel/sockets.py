"""What all live sockets share: who watches, what others have asked already, the end when the right ends."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from studio.kernel import credentials
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound, Unauthenticated, ZaffreError
from studio.kernel.live import Hub, Subscriber, hub
from studio.kernel.shared import KEPT

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)

#: Longest stay of a socket that nobody reads from.
STUCK = 30.0
CODES = {Unauthenticated: 4401, Forbidden: 4403, NotFound: 4404}


class Watcher(AsyncWebsocketConsumer):
    """What all sockets share: who watches, the beat, the re-check, the end."""

    # No channel layer: it would cost each socket a Redis connection that the hub makes unnecessary.
    channel_layer_alias = "none"

    async def connect(self) -> None:
        self.names: dict[str, str] = self.scope["url_route"]["kwargs"]
        self.headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in self.scope["headers"]}
        self.hello: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.acked = True
        self.hub: Hub = hub()
        self.subscriber: Subscriber | None = None
        await self.accept()
        self.task = asyncio.create_task(self._live())

    async def disconnect(self, code: int) -> None:
        task = getattr(self, "task", None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            told = json.loads(text_data or "")
            kind = told["t"]
        except (ValueError, TypeError, KeyError):
            return  # a client of another version; nothing it can say here is worth an end
        if kind == "hello" and not self.hello.done():
            self.hello.set_result(told)
        elif kind == "ack":
            self.acked = True
            if self.subscriber is not None:
                self.subscriber.ring()

    async def _live(self) -> None:
        try:
            await self.watch()
        except ZaffreError as error:
            await self.close(next((code for kind, code in CODES.items() if isinstance(error, kind)), 4500))
        except (DatabaseError, TimeoutError, OSError):
            log.warning("a live socket ends because something behind it is away", exc_info=True)
            await self.close(1013)
        except Exception:
            log.exception("a live socket broke")
            await self.close(1011)

    async def watch(self) -> None:
        raise AssertionError("each socket says how it watches")

    async def who(self) -> Actor:
        named = (self.headers.get("authorization"), self.headers.get("cookie"), (self.scope.get("client") or ("",))[0])
        return await self.ask(("who", named), lambda: credentials.actor_of(self.scope, self.headers))

    async def ask(self, key: Hashable, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a question that others may have too: put after the last bell, at most KEPT seconds ago."""
        heard = self.subscriber.heard if self.subscriber else 0.0
        return await self.hub.shared.ask(key, question, since=max(heard, time.monotonic() - KEPT))

    async def put(self, frame: bytes) -> None:
        # A reader that takes nothing for so long is gone or would hold our memory.
        async with asyncio.timeout(STUCK):
            await self.send(text_data=frame.decode())

    async def tell(self, kind: str, **more: Any) -> None:
        await self.put(msgspec.json.encode({"t": kind, **more}, enc_hook=str))
