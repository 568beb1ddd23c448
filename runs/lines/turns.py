"""Long looks at logs and files: in threads of their own, a few at once, some waiting, and no more."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from studio.kernel import db
from studio.kernel.errors import Unavailable

Answer = TypeVar("Answer")


class Turns:
    """`threads` looks at once, and `waiting` more that wait for their turn."""

    def __init__(self, what: str, *, threads: int, waiting: int) -> None:
        self._what = what
        self._count = threads
        self.places = threading.BoundedSemaphore(threads + waiting)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=self._count, thread_name_prefix=self._what)

    async def take(self, work: Callable[[], Answer]) -> Answer:
        """What the work answers. Raises Unavailable when too many wait."""
        if not self.places.acquire(blocking=False):
            raise Unavailable(f"Too many {self._what} are under way.", hint="Try again in a few seconds.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, db.released, work)
        finally:
            self.places.release()
