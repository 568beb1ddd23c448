"""The provider `ssh`: nodes on the machines of a pool, each reached by a task of its own in a loop beside the manager.

Which machine serves which node stands in the machines' rows, so a manager that was killed finds everything again.
"""

import asyncio
import logging
import threading
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from studio.kernel.actors import SYSTEM
from workspace.attached import hosting, queries
from workspace.attached.models import Host
from workspace.attached.tender import Tender
from workspace.compute.providers import Machine, Order

log = logging.getLogger(__name__)


class Pool:
    """All pools of the studio. Its thread begins with the first thing to do, and ends with the process."""

    name = "ssh"
    #: Agents on other machines go on when the studio stops.
    ends_with_us = False

    def __init__(self) -> None:
        self._tenders: dict[str, Tender] = {}
        self._chores: dict[int, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self, order: Order) -> dict[str, Any]:
        known = self._tenders.get(order.node)
        if known is None or not known.alive:
            known = self._begin(order.node, order)
        return known.handle or dict(order.handle)

    def stop(self, node: str, *, kill: bool = False, forget: bool = False) -> None:
        known = self._tenders.get(node)
        if known is not None and known.alive:
            self._running().call_soon_threadsafe(partial(known.leave, kill=kill))
        elif forget:
            self._tenders.pop(node, None)

    def list(self) -> dict[str, Machine]:
        hosts = list(queries.pool_hosts(actor=SYSTEM))
        for host in hosts:
            if host.node and not (host.node in self._tenders and self._tenders[host.node].alive):
                self._begin(host.node, None)
        self._tend(hosts)
        return {
            node: Machine(
                node, alive=one.alive, handle=one.handle, reason=one.reason, why=one.why, preparing=one.preparing
            )
            for node, one in self._tenders.items()
        }

    def tail(self, node: str) -> str:
        known = self._tenders.get(node)
        return known.said if known else ""

    def close(self) -> None:
        """Let go of every machine, as the end of the process does: agents go on."""
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(10)
            loop.close()
        self._tenders.clear()
        self._chores.clear()

    def _begin(self, node: str, order: Order | None) -> Tender:
        made = self._tenders[node] = Tender(node, order)
        self._do(made.run())
        return made

    def _tend(self, hosts: Sequence[Host]) -> None:
        self._chores = {key: task for key, task in self._chores.items() if not task.done()}
        for host in hosts:
            if host.pk not in self._chores and hosting.is_due(host):
                self._chores[host.pk] = self._do(hosting.tend(host))

    def _do(self, work: Coroutine[Any, Any, None]) -> Any:
        return asyncio.run_coroutine_threadsafe(_told(work), self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            # It tells of every channel.
            logging.getLogger("asyncssh").setLevel(logging.WARNING)
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="pool", daemon=True)
            self._thread.start()
        return self._loop


async def _told(work: Coroutine[Any, Any, None]) -> None:
    """Nobody waits for the work, so what it raises is written down here."""
    try:
        await work
    except Exception:
        log.exception("a machine of a pool")


async def _cancel_all() -> None:
    tasks = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
