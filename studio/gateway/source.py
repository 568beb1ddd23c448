"""Where the routes come from: Redis, by bell and every two seconds, and a copy on disk for a start without it."""

import asyncio
import logging
import os
import random
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from studio.gateway import wire

log = logging.getLogger(__name__)

EVERY = 2.0
#: Longest that Redis may think about one question.
PATIENCE = 5.0
LONGEST_PAUSE = 2.0
#: Longest that the first request waits for it.
FIRST = 1.0


class Source:
    """Calls `take` with every new version. What Redis lost or spoiled is no reason to forget the last good one."""

    def __init__(self, url: str, copy: Path, take: Callable[[wire.Routes], Awaitable[None]]) -> None:
        self._url, self._copy, self._take = url, copy, take
        self._version = ""
        self._task: asyncio.Task[None] | None = None
        #: Set once it is known what Redis has, or that it does not answer.
        self._settled = asyncio.Event()

    async def start(self) -> None:
        """Go on listening; return once there are routes, from Redis or else from the copy on disk, if anywhere."""
        if self._settled.is_set():
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="routes")
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST):
                await self._settled.wait()
        if not self._settled.is_set():
            await self._settle()

    async def _settle(self) -> None:
        """Take the copy unless there are routes: an older answer is better than none."""
        if not self._version:
            body = await asyncio.to_thread(self._read_copy)
            if body and not self._version:
                await self._accept(body, "the copy on disk")
        self._settled.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        pause = 0.1
        while True:
            # redis-py's own default closes an idle socket after five seconds.
            client = redis.asyncio.from_url(
                self._url, socket_timeout=None, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
            )
            pubsub = client.pubsub()
            try:
                async with asyncio.timeout(PATIENCE):
                    await pubsub.subscribe(wire.ROUTES_BELL)
                while True:
                    async with asyncio.timeout(PATIENCE):
                        await self._refresh(client)
                    pause = 0.1
                    await pubsub.get_message(timeout=EVERY)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("Redis is away (%s); the last routes stay", type(error).__name__)
                await self._settle()
            except Exception:
                # This loop is what makes revoked keys useless: nothing that Redis holds may end it.
                log.exception("the routes cannot be followed; the last ones stay")
                await self._settle()
            finally:
                with suppress(RedisError, OSError):
                    await pubsub.aclose()
                    await client.aclose()
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, hides nothing
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _refresh(self, client: Any) -> None:
        version = await client.hget(wire.ROUTES_KEY, "version")
        # An emptied Redis has none: the relay publishes again within seconds, and until then nothing changes.
        if version is not None and version.decode() != self._version:
            body = await client.hget(wire.ROUTES_KEY, "body")
            if body is not None and await self._accept(body, "Redis"):
                await asyncio.to_thread(self._write_copy, body)
        await self._settle()

    async def _accept(self, body: bytes, origin: str) -> bool:
        try:
            routes = wire.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.error("the routes of %s cannot be read: %s", origin, error)
            return False
        self._version = routes.version
        await self._take(routes)
        return True

    def _read_copy(self) -> bytes:
        try:
            return self._copy.read_bytes()
        except OSError:
            return b""

    def _write_copy(self, body: bytes) -> None:
        """For this user's eyes only: hashes of keys are in it."""
        try:
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".routes-", dir=self._copy.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(body)
                os.replace(name, self._copy)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            log.warning("the copy of the routes was not kept: %s", error)
