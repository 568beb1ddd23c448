"""The live door of charts: one socket for all runs that a page draws, however many.

Like the socket of a run's page it hands on bells, and the page reads from the database what a bell does not say: each
piece names its predecessor, so whoever stands elsewhere knows that something is missing. What comes within a tenth of a
second goes out together, and only of the metrics that are on the screen.
"""

import asyncio
import json
import time
from functools import lru_cache
from typing import Any

import msgspec

from runs.metrics import overlay
from studio.kernel import db
from studio.kernel.live import Subscriber
from studio.kernel.sockets import Watcher

BEAT = 20.0
#: Seconds between two looks at whether this person may still watch.
RECHECK = 4.0
#: Seconds between two tellings of all numbers, in case a bell was lost unnoticed.
SWEEP = 30.0
HELLO = 10.0
#: Seconds between two frames.
GATHER = 0.1
#: Frames that may wait: of hundreds of runs some come at once.
WAITING = 4096
_POINTS = b'{"t":"points",'
_BELLS = (("items", b'{"t":"items"}'), ("run", b'{"t":"run"}'))  # as their senders encode them


class _Frame(msgspec.Struct):
    seq: int
    prev: int
    data: dict[str, msgspec.Raw]


class _Watch(msgspec.Struct):
    """What the page shows: {"t":"watch","runs":[…],"keys":[…]}. `bells`: of all else that runs log, too."""

    runs: list[str]
    keys: list[str]
    bells: bool = False


_frames = msgspec.json.Decoder(_Frame)


@lru_cache(maxsize=64)
def _frame(raw: bytes) -> _Frame:
    """Read once for all sockets that get the same bytes."""
    return _frames.decode(raw)


class ChartConsumer(Watcher):
    """/ws/w/<ws>/chart: {"t":"points","pieces":[[run, prev, seq, {key: [steps, values, times]}]]}, and {"t":"seqs"}.

    Who asked for bells gets {"t":"rang","what":"items" or "run","runs":[…]}: tables and pictures, params, tags, states.
    """

    async def connect(self) -> None:
        self.asked: _Watch | None = None
        self.changed = asyncio.Event()
        await super().connect()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            told = json.loads(text_data or "")
            if told["t"] == "watch":
                self.asked = msgspec.convert(
                    {name: told[name] for name in _Watch.__struct_fields__ if name in told}, _Watch
                )
                self.changed.set()
                if self.subscriber is not None:
                    self.subscriber.ring()
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # a client of another version; nothing it can say here is worth an end

    async def watch(self) -> None:
        self.ws = self.names["ws"]
        self.keys: frozenset[str] = frozenset()
        await db.run(overlay.may_look, self.ws, actor=await self.who())
        async with asyncio.timeout(HELLO):
            await self.changed.wait()
        try:
            await self._follow(await self._join())
        finally:
            if self.subscriber is not None:
                await self.hub.leave(self.subscriber)

    async def _join(self) -> Subscriber:
        """Hear of the runs that the page asked for and this person sees, and say where they stand."""
        self.changed.clear()
        asked = self.asked or _Watch([], [])
        self.keys = frozenset(asked.keys[: overlay.MAX_SERIES])
        self.bells = asked.bells
        self.runs = list(dict.fromkeys(asked.runs))[: overlay.MAX_RUNS]
        # Before the subscription: a stranger must not make the hub join topics.
        seen = await self._numbers()
        before, self.subscriber = self.subscriber, None
        try:
            topics = [f"run.{run}" for run in seen]
            subscriber = self.subscriber = await self.hub.subscribe(topics, most=WAITING)
        finally:
            if before is not None:
                await self.hub.leave(before)
        subscriber.behind = False
        await self.tell("seqs", seqs=await self._numbers())
        return subscriber

    async def _numbers(self) -> dict[str, int]:
        return await db.run(overlay.newest, self.ws, self.runs, actor=await self.who())

    async def _follow(self, subscriber: Subscriber) -> None:
        beat = check = sweep = time.monotonic()
        sent = 0.0
        while True:
            await subscriber.wait(RECHECK)
            if self.changed.is_set():
                subscriber = await self._join()
                sweep = time.monotonic()
                continue
            # A lonely frame goes at once; of many each waits until its tenth of a second is over.
            if (rest := sent + GATHER - time.monotonic()) > 0:
                await asyncio.sleep(rest)
            now = time.monotonic()
            if now - check >= RECHECK:
                await db.run(overlay.may_look, self.ws, actor=await self.who())
                check = now
            frames = subscriber.take()
            pieces = self._pieces(frames)
            if pieces:
                sent = now
                await self.put(msgspec.json.encode({"t": "points", "pieces": pieces}))
            if self.bells and await self._ring(frames):
                sent = now
            if subscriber.behind or now - sweep >= SWEEP or not self.hub.connected:
                subscriber.behind = False
                await self.tell("seqs", seqs=await self._numbers())
                sweep = now
            if now - beat >= BEAT:
                beat = now
                await self.tell("beat")

    async def _ring(self, frames: list[tuple[str, bytes]]) -> bool:
        """Say whose tables and pictures, or facts, are more than before; False when nobody's are."""
        found = {
            what: sorted({topic.removeprefix("run.") for topic, raw in frames if raw == bell}) for what, bell in _BELLS
        }
        for what, runs in found.items():
            if runs:
                await self.tell("rang", what=what, runs=runs)
        return any(found.values())

    def _pieces(self, frames: list[tuple[str, bytes]]) -> list[list[Any]]:
        """[[run, prev, seq, data]] in their order; of one run joined where no metric is in both."""
        found: list[list[Any]] = []
        last: dict[str, list[Any]] = {}
        for topic, raw in frames:
            if not raw.startswith(_POINTS):
                continue
            frame, run = _frame(raw), topic.removeprefix("run.")
            data = {key: points for key, points in frame.data.items() if key in self.keys}
            before = last.get(run)
            if before is not None and before[2] == frame.prev and not before[3].keys() & data.keys():
                before[2] = frame.seq
                before[3] |= data
            else:
                last[run] = [run, frame.prev, frame.seq, data]
                found.append(last[run])
        return found
