"""One node of a pool: from taking a machine for it until the machine is given back.

The machine's row says whom it serves before anything is started there, so whoever comes after us finds it. The agent
needs no connection of ours: runs go on while we are away, or while the machine cannot be reached.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Any

from django.conf import settings

from studio.kernel import db
from studio.kernel.actors import SYSTEM
from workspace.attached import hosting, services, states
from workspace.attached.machine import PATIENCE, Machine
from workspace.attached.models import Host
from workspace.attached.places import Trouble
from workspace.compute import providers
from workspace.compute.providers import Order

log = logging.getLogger(__name__)

#: An agent that ends so often in one connection is started on another machine, if at all.
MOST_STARTS = 4
#: Seconds between two looks at an agent that nobody has heard of, and after which it should have been.
FIRST_LOOK, SHOULD_WORK = 1.0, 60.0


class Over(Exception):
    """There is no agent, and none is to be started here."""


class Tender:
    """`run` returns when the machine is free again. Without an order it only looks after an agent that is there."""

    def __init__(self, node: str, order: Order | None) -> None:
        self.node, self.order = node, order
        self.alive, self.preparing = True, order is not None
        self.reason = self.said = ""
        self.why: dict[str, Any] = {}
        self.handle: dict[str, Any] = {}
        self._host: Host | None = None
        self._works = False
        self._begun: float | None = None
        self._left, self._kill = asyncio.Event(), False

    def shown(self) -> providers.Machine:
        told: dict[str, Any] = {"reason": self.reason, "why": self.why, "preparing": self.preparing}
        return providers.Machine(self.node, alive=self.alive, handle=self.handle, **told)

    def leave(self, *, kill: bool = False) -> None:
        """End the agent; `kill` gives its runs no grace, and lets a machine go that cannot be reached."""
        self._kill = self._kill or kill
        self._left.set()

    async def run(self) -> None:
        try:
            await self._serve()
            self.preparing = False
            await self._give_back()
        except Exception:
            log.exception("node %s of a pool", self.node)
        finally:
            self.alive = self.preparing = False

    async def _serve(self) -> None:
        """Keep the agent until somebody wants it to go. A machine that fails before it works gives way to another."""
        while not self._left.is_set():
            if self._host is None and not await self._take():
                return
            assert self._host is not None
            try:
                await self._until_left(self._keep(self._host))
            except Over as over:
                self.reason = str(over)
                return
            except Trouble as trouble:
                self.said = self.said or trouble.about
                await hosting.troubled(self._host, trouble)
                if self._works:
                    await self._until_left(asyncio.sleep(states.pause(self._host.failures)))
                else:
                    await self._free()

    async def _take(self) -> bool:
        new = self.order is not None
        self._host = await db.run(services.take_host, self.node, actor=SYSTEM, new=new)
        if self._host is None:
            self.why = await db.run(services.why_no_host, self.node, actor=SYSTEM) if new else {}
            return False
        self.handle = {"host": self._host.address}
        return True

    async def _until_left(self, work: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.ensure_future(work), asyncio.ensure_future(self._left.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, host: Host) -> None:
        async with hosting.logged_in(host) as box:
            folder = await self._started(host, box)
            await self._watch(host, box, folder)

    async def _started(self, host: Host, box: Machine) -> str:
        """The folder of the node's agent, which has been started. Raises Over when there is none to be started."""
        url, got = await box.way_to_studio("" if host.forward else settings.PUBLIC_URL, host.forwarded)
        if got != host.forwarded:
            await hosting.note(host, forwarded=got)
        folder = host.found.get("folder") or ""
        state, known, self.said = await box.watch(folder) if folder else ("gone", "", "")
        if known == self.node:
            self._works, self.preparing = True, False
            if state != "alive":
                await box.start(folder)
            return folder
        if self.order is None:
            raise Over("Its agent was not there any more.")
        folder = await hosting.prepare(host, box, node=self.node)
        if not folder:
            raise Over("The machine serves another node.")
        told = {**self.order.config(), "url": url, "dir": folder, "token": await db.run(self.order.token)}
        await box.copy(folder, {"node.json": json.dumps(told).encode()})
        self.preparing = False
        await box.start(folder)
        self._begun = asyncio.get_running_loop().time()
        return folder

    async def _watch(self, host: Host, box: Machine, folder: str) -> None:
        ended = 0
        while True:
            await asyncio.sleep(settings.SSH_LOOK_SECONDS if self._works else FIRST_LOOK)
            state, known, self.said = await box.watch(folder)
            if state == "alive":
                if known == self.node and (host.code or not self._works):
                    await hosting.note(host)
                self._works = self._works or known == self.node
                continue
            if not self._works:
                raise Trouble("start_failed", self.said, again=True)
            ended += 1
            if ended > MOST_STARTS:
                raise Over(f"Its agent ended {ended} times.")
            await asyncio.sleep(states.pause(ended))
            await box.start(folder)

    # --- giving back ------------------------------------------------------------------------------
    async def _give_back(self) -> None:
        """Stop the agent and remove what is the node's; the client and its caches stay for the next one."""
        if self._host is None:
            self._host = await db.run(services.take_host, self.node, actor=SYSTEM, new=False)
        host = self._host
        if host is None:
            return
        silent = self._begun is not None and not self._works
        late = silent and asyncio.get_running_loop().time() - (self._begun or 0.0) > SHOULD_WORK
        while folder := host.found.get("folder"):
            try:
                async with hosting.logged_in(host) as box:
                    await box.release(folder, patience=0 if self._kill else PATIENCE)
                break
            except Trouble as trouble:
                await hosting.troubled(host, trouble)
                if self._kill:
                    # Its token is dead. What is left there is ended before the machine serves again.
                    break
                await asyncio.sleep(states.pause(min(host.failures, 3)))
        if late:
            await hosting.troubled(host, Trouble("not_online", self.said, again=True))
        await self._free()

    async def _free(self) -> None:
        if self._host is not None:
            await db.run(services.free_host, self._host, self.node, actor=SYSTEM)
        self._host = None
