"""The process behind attached machines: the keeper's rounds, while this process holds the lock for them."""

import asyncio
import logging
import os
from typing import Any

import psycopg
from django.db.utils import Error as DatabaseError

from studio.active import TAKE, parameters
from workspace.attached.keeper import ROUND, Keeper

log = logging.getLogger(__name__)

#: Any number that no other lock of ours has, the same in every such process: who holds it is the active one.
LOCK = 7_305_181


class Attached:
    """`run()` until `stop()`. While the database is away the machines go on as they are."""

    def __init__(self) -> None:
        self._stopped = False

    def stop(self, *_: object) -> None:
        self._stopped = True

    async def run(self) -> None:
        # It tells of every channel.
        logging.getLogger("asyncssh").setLevel(logging.WARNING)
        while not self._stopped:
            try:
                async with await psycopg.AsyncConnection.connect(**parameters(), autocommit=True) as held:
                    await self._serve(held)
            except (psycopg.Error, DatabaseError) as error:
                log.warning("the database is away (%s); trying again", type(error).__name__)
                await asyncio.sleep(1.0)

    async def _serve(self, held: "psycopg.AsyncConnection[tuple[Any, ...]]") -> None:
        while not await _is_active(held):
            if self._stopped:
                return
            await asyncio.sleep(1.0)
        keeper = Keeper()
        log.info("this process looks after attached machines")
        try:
            while not self._stopped:
                # The lock ends with its connection: without it somebody else is the one.
                await held.execute("SELECT 1")
                await keeper.round()
                await asyncio.sleep(ROUND)
        finally:
            if not await keeper.stop() and self._stopped:
                # Whatever is half done is begun anew by the next one: nothing is worth waiting for.
                log.warning("a connection did not end; leaving it")
                os._exit(0)


async def _is_active(held: "psycopg.AsyncConnection[tuple[Any, ...]]") -> bool:
    row = await (await held.execute(TAKE, [LOCK])).fetchone()
    return bool(row and row[0])
