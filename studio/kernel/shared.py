"""Questions that many sockets have in the same moment, put once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Answer = TypeVar("Answer")

#: Seconds for which an answer is kept for those who may take an old one.
KEPT = 1.0


class Shared:
    """Questions that were put a moment ago, by key, with their answers. For one event loop."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def ask(self, key: Hashable, question: Callable[[], Awaitable[Answer]], *, since: float) -> Answer:
        """The answer to `question`, which may be another asker's if it was put at `since` (time.monotonic) or later.

        What the question raises, all who share it get.
        """
        held = self._asked.get(key)
        if held is None or held[0] < since:
            now = time.monotonic()
            held = self._asked[key] = (now, asyncio.create_task(_put(question)))
            asyncio.get_running_loop().call_later(KEPT, self._forget, key, held)
        # Shielded: an asker that goes away leaves the question to the others.
        answer: Answer = await asyncio.shield(held[1])
        return answer

    def _forget(self, key: Hashable, held: tuple[float, asyncio.Task[Any]]) -> None:
        if self._asked.get(key) is held:
            del self._asked[key]
        if held[1].done() and not held[1].cancelled():
            held[1].exception()  # seen, also when every asker went away


async def _put(question: Callable[[], Awaitable[Answer]]) -> Answer:
    return await question()
