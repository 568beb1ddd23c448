"""The keeper of attached machines in its rounds, in a thread of its own, while this process holds the lock for them."""

import asyncio
import logging
import os
import threading

from studio.active import Held, serve_alone
from workspace.attached.keeper import ROUND, Keeper

log = logging.getLogger(__name__)

#: Any number that no other lock of ours has, the same in every such process: who holds it is the active one.
LOCK = 7_305_181
#: Seconds for its connections to end. What is half done is begun anew by the next one, so nothing is worth waiting for.
LEAVING = 10.0


class Attached:
    """From `start()` to `stop()`. While the database is away the machines go on as they are."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attached", daemon=True)

    def start(self) -> None:
        # It tells of every channel.
        logging.getLogger("asyncssh").setLevel(logging.WARNING)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()

    def ended(self) -> bool:
        """Whether it has let go of all machines, for which it gets a moment."""
        self._thread.join(LEAVING)
        return not self._thread.is_alive()

    def _run(self) -> None:
        serve_alone(LOCK, lambda held: asyncio.run(self._serve(held)), end=self._end, log=log)

    async def _serve(self, held: Held) -> None:
        keeper = Keeper()
        log.info("this process looks after attached machines")
        try:
            while not self._end.is_set():
                # The lock ends with its connection: without it somebody else is the one.
                await asyncio.to_thread(held.execute, "SELECT 1")
                await keeper.round()
                await asyncio.sleep(ROUND)
        finally:
            if not await keeper.stop() and not self._end.is_set():
                # The loop would wait for it for ever. Nodes outlive this process, and the next one begins anew.
                log.error("a connection does not end, so this process does")
                os._exit(1)
