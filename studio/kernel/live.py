"""The live hub: one Redis subscription per process, and every socket's small queue behind it.

A frame is encoded once, by whoever published it, and handed on as the same bytes. Redis may lose
facts, and a slow socket may drop them; both end in `behind`, after which the socket's owner reads
what it missed from the database. The path not taken: Channels' groups, which cost one Redis read
per socket and frame.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import redis.asyncio
from django.conf import settings
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from studio.kernel.events import LIVE_PREFIX
from studio.kernel.shared import Shared

log = logging.getLogger(__name__)

#: Frames that may wait for one socket. Past it they are dropped and the socket is behind.
QUEUE = 64
#: Seconds without a word from Redis after which we ask, and twice after which it counts as gone.
SILENCE = 15.0
LONGEST_PAUSE = 5.0
#: Seconds for which a topic without subscribers is kept: a node that asks for work again finds it there.
LINGER = 5.0
#: A topic that is always subscribed, so that the connection is in subscriber mode from the start.
_KEEPER = "-"


class Subscriber:
    """One socket's view of some topics: a bounded queue that forgets rather than grows."""

    def __init__(self, topics: list[str], *, most: int = QUEUE) -> None:
        self.topics = topics
        self._most = most
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bell = asyncio.Event()
        #: Facts were lost: read the database. The owner sets it back.
        self.behind = False
        #: When the last bell rang (time.monotonic): an answer of the database must not be older.
        self.heard = 0.0
        #: The owner's short way for a frame: called in the hub's loop, must not wait; False puts the frame in line.
        self.at_once: Callable[[bytes], bool] | None = None

    def offer(self, topic: str, frame: bytes) -> None:
        # Waking a task costs more than sending a frame; who is up to date and can take it gets it without.
        if self.at_once is not None and not self._waiting and not self.behind and self.at_once(frame):
            return
        self.heard = time.monotonic()
        if len(self._waiting) >= self._most:
            self._waiting.clear()
            self.behind = True
        else:
            self._waiting.append((topic, frame))
        self._bell.set()

    def fall_behind(self) -> None:
        self._waiting.clear()
        self.behind = True
        self.heard = time.monotonic()
        self._bell.set()

    def ring(self) -> None:
        """Wake whoever waits, for a reason of its own."""
        self._bell.set()

    def take(self) -> list[tuple[str, bytes]]:
        """All that waits, as (topic, frame)."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._bell.clear()
        return taken

    async def wait(self, seconds: float) -> None:
        """Return when something waits, or after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()


class Hub:
    """Topics and their subscribers, fed by one Redis connection that is restored for ever."""

    def __init__(self) -> None:
        self._topics: dict[str, set[Subscriber]] = {}
        self._confirmed: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        #: Tasks whose end nobody waits for.
        self._telling: set[asyncio.Task[None]] = set()
        #: What sockets of the same run ask the database in the same moment.
        self.shared = Shared()
        #: False while Redis is away: watchers then look at the database by themselves.
        self.connected = False

    def start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="live-hub")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def subscribe(self, topics: list[str], *, patience: float = 2.0, most: int = QUEUE) -> Subscriber:
        """Join topics. Returns once Redis confirmed, so that a database read afterwards leaves no gap.

        `most` frames may wait for the subscriber.

        When Redis does not confirm within `patience` seconds the subscriber starts as `behind`.
        """
        self.start()
        subscriber = Subscriber(topics, most=most)
        new = [topic for topic in topics if topic not in self._topics]
        for topic in topics:
            self._topics.setdefault(topic, set()).add(subscriber)
            self._confirmed.setdefault(topic, asyncio.Event())
        try:
            await self._tell("subscribe", new)
            async with asyncio.timeout(patience):
                for topic in topics:
                    await self._confirmed[topic].wait()
        except TimeoutError:
            subscriber.behind = True
        except BaseException:
            # Its owner went away while it waited, and never gets what it would have to leave.
            await self.leave(subscriber)
            raise
        subscriber.heard = time.monotonic()
        return subscriber

    async def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber, and soon the topics that nobody else watches."""
        for topic in subscriber.topics:
            members = self._topics.get(topic, set())
            members.discard(subscriber)
            if not members:
                asyncio.get_running_loop().call_later(LINGER, self._let_go, topic)

    def _let_go(self, topic: str) -> None:
        if self._topics.get(topic):
            return
        self._topics.pop(topic, None)
        self._confirmed.pop(topic, None)
        telling = asyncio.create_task(self._tell("unsubscribe", [topic]))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell(self, verb: str, topics: list[str]) -> None:
        if not topics or self._pubsub is None or not self.connected:
            return  # the connection that is being made subscribes to every topic itself
        try:
            async with self._sending:
                if verb == "subscribe":
                    await self._pubsub.subscribe(*(LIVE_PREFIX + topic for topic in topics))
                else:
                    # A socket that joined in this very moment needs the topic again.
                    gone = [LIVE_PREFIX + topic for topic in topics if topic not in self._topics]
                    if gone:
                        await self._pubsub.unsubscribe(*gone)
        except (RedisError, OSError) as error:
            log.debug("%s waits for the next connection: %s", verb, error)

    async def _run(self) -> None:
        pause = 0.1
        first = True
        while True:
            client = redis.asyncio.from_url(
                settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)
            )
            pubsub = client.pubsub()
            try:
                known = [_KEEPER, *self._topics]
                await pubsub.subscribe(*(LIVE_PREFIX + topic for topic in known))
                self._pubsub, self.connected = pubsub, True
                # Sockets that joined while the connection was made were told to wait for it.
                await self._tell("subscribe", [topic for topic in self._topics if topic not in known])
                if not first:
                    self._all_behind()
                pause, first = 0.1, False
                await self._read(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("the live hub lost Redis and comes back: %s", type(error).__name__)
            finally:
                self.connected, self._pubsub = False, None
                for confirmed in self._confirmed.values():
                    confirmed.clear()
                with suppress(RedisError, OSError):
                    await pubsub.aclose()
                    await client.aclose()
            first = False
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, hides nothing
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _read(self, pubsub: PubSub) -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=SILENCE)
            if message is None:
                if asked:
                    raise TimeoutError
                asked = True
                async with self._sending:
                    await pubsub.ping()
                continue
            asked = False
            topic = str(message.get("channel") or b"", "utf-8").removeprefix(LIVE_PREFIX)
            if message["type"] == "message":
                for subscriber in self._topics.get(topic, ()):
                    subscriber.offer(topic, message["data"])
            elif message["type"] == "subscribe" and topic in self._confirmed:
                self._confirmed[topic].set()

    def _all_behind(self) -> None:
        for members in self._topics.values():
            for subscriber in members:
                subscriber.fall_behind()


def pass_on(sending: Coroutine[Any, Any, None]) -> bool:
    """Finish a send that need not wait; else give it up, before it wrote anything, and return False."""
    try:
        sending.send(None)
    except StopIteration:
        return True
    # A server waits for room before it writes. One that wrote first makes its client see a frame twice.
    sending.close()
    return False


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop: one per process, as a server has one loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
