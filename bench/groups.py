"""The peer of table G: Channels' groups through Redis, one consumer a socket. Runs in an environment of its own.

`REDIS=unix:///… uvicorn groups:app`. `POST /` sends its body to everybody at `/ws`, and answers 204 when Redis has it.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

settings.configure(
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # The default capacity of 100 drops messages of a burst, and then there is nothing to compare.
            "CONFIG": {"hosts": [os.environ["REDIS"]], "capacity": 10_000},
        }
    }
)

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402

GROUP = "run"


class Watcher(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()
        await self.send(text_data='{"t":"items"}')

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def points(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


_sockets = Watcher.as_asgi()


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """The ASGI entry."""
    if scope["type"] == "websocket":
        await _sockets(scope, receive, send)
    elif scope["type"] == "http":
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if body:
            await get_channel_layer().group_send(GROUP, {"type": "points", "text": body.decode()})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
