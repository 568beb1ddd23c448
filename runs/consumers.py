"""The live door: a run page's socket, and the workspace's feed of facts.

Bells say that something changed; what changed is read from the database, from where this socket
stands. So a lost bell, a dropped frame or a reconnect costs time and never a byte or a point.
"""

import asyncio
import base64
import logging
import re
import time
from collections.abc import Awaitable
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from runs import watching
from runs.watching import LogPiece
from studio.kernel import db
from studio.kernel.live import Subscriber, pass_on
from studio.kernel.sockets import Watcher

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)

BEAT = 20.0
#: Seconds between two looks at whether this person may still watch.
RECHECK = 4.0
#: Seconds between two looks at points and log that no bell asked for, in case one was lost unnoticed.
SWEEP = 30.0
HELLO = 10.0
#: Seconds after which the next log frame goes out although the last was not acknowledged.
ACK = 2.0
#: More points than this at once are not told: the page reads a thinned series instead.
MAX_POINTS = 10_000
#: Points frames waiting for a slow browser above which it gets one frame out of the database instead.
MANY = 8
#: Parts of a run that move all the time; a change of these alone is not worth a frame.
RESTLESS = ("duration_seconds", "metrics")
_POINTS_HEAD = b'{"t":"points",'
_LOG = b'{"t":"log",'
#: Bells that say only that there is something: the page reads what it shows of it.
_ITEMS, _CHILDREN, _FILES = b'{"t":"items"}', b'{"t":"children"}', b'{"t":"files"}'  # as their senders encode them
_POINTS = re.compile(rb'\{"t":"points","seq":(\d+),"prev":(\d+),')


@lru_cache(maxsize=4)
def _points_of(frame: bytes) -> tuple[int, int, str] | None:
    """(seq, prev, text) of a points frame, else None. Read once for all sockets that get the same bytes."""
    match = _POINTS.match(frame)
    return (int(match[1]), int(match[2]), frame.decode()) if match else None


class FeedConsumer(Watcher):
    """/ws/w/<ws>/feed: {"t":"fact","topic":…} for whatever changes in the workspace."""

    TOPICS = ("runs", "endpoints", "compute", "models", "environments")

    async def watch(self) -> None:
        await db.run(watching.may_watch, self.names["ws"], actor=await self.who())
        subscriber = await self.hub.subscribe([f"{topic}.{self.names['ws']}" for topic in self.TOPICS])
        try:
            await self._pass_on(subscriber)
        finally:
            await self.hub.leave(subscriber)

    async def _pass_on(self, subscriber: Subscriber) -> None:
        beat = check = time.monotonic()
        while True:
            await subscriber.wait(min(RECHECK, BEAT))
            now = time.monotonic()
            if now - check >= RECHECK:
                await db.run(watching.may_watch, self.names["ws"], actor=await self.who())
                check = now
            for topic, fact in subscriber.take():
                # Spliced, not decoded: the fact is JSON of ours already.
                head = b'{"t":"fact","topic":"%s"' % topic.partition(".")[0].encode()
                await self.put(head + (b"," if len(fact) > 2 else b"") + fact[1:])
            if subscriber.behind:
                subscriber.behind = False
                await self.tell("behind")
            if now - beat >= BEAT:
                beat = now
                await self.tell("beat")


class RunConsumer(Watcher):
    """/ws/w/<ws>/runs/<run>: the run, its points since `seq` and its log since `log`, then all that follows."""

    async def watch(self) -> None:
        self.ws, self.run_id = self.names["ws"], self.names["run"]
        self.shown: dict[str, Any] = {}
        self.attempt: int | None = None
        #: The log holds bytes that this socket was not sent yet; when the last frame went out.
        self.owed, self.sent = False, 0.0
        # Before the subscription: a stranger must not make the hub join topics.
        self.idle = False
        self.actor = await self.who()
        await self._look_up()
        self.subscriber = await self.hub.subscribe([f"run.{self.run_id}"])
        try:
            hello: dict[str, Any] = {}
            with suppress(TimeoutError):  # who does not say where it stands gets everything
                async with asyncio.timeout(HELLO):
                    hello = await self.hello
            self.seq, self.offset = _whole(hello.get("seq"), 0), _whole(hello.get("log"), -1)
            await self._follow(self.subscriber)
        finally:
            await self.hub.leave(self.subscriber)

    async def _follow(self, subscriber: Subscriber) -> None:
        subscriber.behind = False  # nothing was told yet: the first look is whole
        await self._look()
        # What was logged between the page's own reading and our subscription rang for nobody.
        await self.put(_ITEMS)
        beat = check = sweep = time.monotonic()
        subscriber.at_once = self._points_at_once
        while True:
            self.idle = True
            await subscriber.wait(ACK if self.owed else min(RECHECK, BEAT))
            self.idle = False
            frames, behind = [frame for _, frame in subscriber.take()], subscriber.behind
            subscriber.behind = False
            changed = await self._forward_points(frames)
            now = time.monotonic()
            if behind or now - sweep >= SWEEP or not self.hub.connected:
                await self._look()
                if behind:  # a bell of these may be among the lost ones
                    await self.put(_ITEMS)
                    await self.put(_FILES)
                check = sweep = now
            elif changed or now - check >= RECHECK:
                await self._look_at_run()
                check = now
            if self.owed or any(frame.startswith(_LOG) for frame in frames):
                await self._send_log()
            if now - beat >= BEAT:
                beat = now
                await self.tell("beat")

    def _points_at_once(self, frame: bytes) -> bool:
        """Send a frame that continues what this socket has, if nothing else is under way and the browser takes it."""
        told = _points_of(frame) if self.idle else None
        if told is None:
            return False
        seq, prev, text = told
        if seq <= self.seq:
            return True  # the database told us already
        if prev != self.seq:
            return False
        try:
            sent = pass_on(self.base_send({"type": "websocket.send", "text": text}))
        except Exception:
            return False  # whatever it is, the socket's own task meets it when it sends the frame
        if sent:
            self.seq = seq
        return sent

    async def _forward_points(self, frames: list[bytes]) -> bool:
        """Hand on points that continue what this socket has, and say whether something else needs a look."""
        changed = False
        many = sum(frame.startswith(_POINTS_HEAD) for frame in frames) > MANY
        for frame in frames:
            match = _POINTS.match(frame)
            if frame in (_ITEMS, _CHILDREN, _FILES):
                await self.put(frame)
                continue
            if not match:
                changed = changed or not frame.startswith(_LOG)
                continue
            seq, prev = int(match[1]), int(match[2])
            if seq <= self.seq:
                continue  # the database told us already
            if prev == self.seq and not many:
                await self.put(frame)
                self.seq = seq
            else:
                await self._catch_up()
        return changed

    async def _look(self) -> None:
        """Bring run, points and log up to the database."""
        await self._look_at_run()
        await self._catch_up()
        await self._send_log()

    async def _look_at_run(self) -> None:
        """Re-check the right to watch, and show the run if it changed."""
        self.actor = await self.who()
        steady, frame = await self._look_up()
        if steady != self.shown:
            self.shown = steady
            new_attempt = self.attempt is not None and steady.get("attempt", self.attempt) != self.attempt
            await self.put(frame)
            if new_attempt:
                await self._send_log()

    async def _look_up(self) -> tuple[dict[str, Any], bytes]:
        """What is steady of the run, and its frame."""

        async def look() -> tuple[dict[str, Any], bytes]:
            run = await db.run(watching.look, self.ws, self.run_id, actor=self.actor)
            steady = {key: value for key, value in run.items() if key not in RESTLESS}
            return steady, msgspec.json.encode({"t": "run", "run": run}, enc_hook=str)

        return await self.ask(("run", self.ws, self.run_id, self.actor), look)

    async def _catch_up(self) -> None:
        seq, actor = self.seq, self.actor

        def read() -> Awaitable[watching.News]:
            return db.run(watching.points, self.ws, self.run_id, actor=actor, since=seq, most=MAX_POINTS)

        found = await self.ask(("points", self.ws, self.run_id, actor, seq), read)
        if found.seq <= self.seq:
            return
        before, self.seq = self.seq, found.seq
        if found.frame is None:
            await self.tell("behind")
        else:
            await self.put(found.frame(before))

    async def _send_log(self) -> None:
        """Send one frame of what the log has after this socket's offset, if none is in flight."""
        now = time.monotonic()
        if not self.acked and now - self.sent < ACK:
            self.owed = True  # the acknowledgement rings
            return
        actor, offset, attempt = self.actor, self.offset, self.attempt

        def read() -> Awaitable[LogPiece]:
            return db.run(watching.log_piece, self.ws, self.run_id, actor=actor, offset=offset, attempt=attempt)

        piece = await self.ask(("log", self.ws, self.run_id, actor, offset, attempt), read)
        new_attempt = self.attempt is not None and piece.attempt != self.attempt
        self.attempt, self.offset = piece.attempt, piece.offset + len(piece.data)
        self.owed = self.offset < piece.length
        if not piece.data and not new_attempt:
            return
        self.acked, self.sent = False, now
        text = base64.b64encode(piece.data).decode()
        more: dict[str, Any] = {"elided": piece.elided} if piece.elided else {}
        if piece.marks:
            more["marks"] = piece.marks
        await self.tell("log", offset=piece.offset, length=piece.length, attempt=piece.attempt, text=text, **more)


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and -1 <= value < 2**62 else default
