"""The hub's subscriptions at Redis: they outlive their subscribers for a moment."""

import asyncio
import time

from studio.kernel import live
from studio.kernel.events import LIVE_PREFIX, client

PATIENCE = 60


def listeners(topic: str) -> int:
    ((_, number),) = client().pubsub_numsub(LIVE_PREFIX + topic)
    return int(number)


def deserted(topic: str) -> bool:
    end = time.monotonic() + PATIENCE
    while listeners(topic) and time.monotonic() < end:
        time.sleep(0.02)
    return not listeners(topic)


async def test_a_topic_is_kept_for_who_comes_back_and_let_go_of_afterwards(monkeypatch):
    hub = live.Hub()
    try:
        await hub.leave(await hub.subscribe(["pool.7"], patience=PATIENCE))
        assert listeners("pool.7") == 1
        monkeypatch.setattr(live, "LINGER", 0.01)
        await hub.leave(await hub.subscribe(["pool.7"], patience=PATIENCE))
        assert await asyncio.to_thread(deserted, "pool.7")
    finally:
        await hub.stop()


async def test_who_comes_back_keeps_the_topic(monkeypatch):
    monkeypatch.setattr(live, "LINGER", 0.01)
    hub = live.Hub()
    try:
        await hub.leave(await hub.subscribe(["pool.8"], patience=PATIENCE))
        again = await hub.subscribe(["pool.8"], patience=PATIENCE)
        await asyncio.sleep(0.1)
        assert listeners("pool.8") == 1
        client().publish(LIVE_PREFIX + "pool.8", b"{}")
        await again.wait(PATIENCE)
        assert again.take() == [("pool.8", b"{}")]
    finally:
        await hub.stop()
