"""Who keeps agents on attached machines, in `manage.py nodes`. One is active, others wait for its lock.

Each machine has a task of its own, which begins anew whenever somebody wants something else of it (`Attachment.asked`).
It holds one connection; the agent on the machine needs none, so all of this may be killed at any moment.
"""

import asyncio
import json
import logging
from typing import Any

from django.conf import settings

from studio.kernel import db
from studio.kernel.actors import SYSTEM
from studio.kernel.errors import ZaffreError
from workspace.attached import kit, machine, queries, services, states
from workspace.attached.machine import Machine
from workspace.attached.models import Attachment
from workspace.attached.places import Place, Trouble, fingerprint

log = logging.getLogger(__name__)

#: Seconds between two looks at what is wanted, and for a started agent to be heard of.
ROUND, ONLINE_SECONDS = 1.0, 90.0


class Changed(Exception):
    """Somebody wants something else of the machine: the next round begins anew."""


class Keeper:
    """All machines. `round` again and again; `stop` at the end, which leaves the agents alone."""

    def __init__(self) -> None:
        self._tasks: dict[int, tuple[int, asyncio.Task[None]]] = {}

    async def round(self) -> None:
        """Begin, begin anew or drop what the rows say."""
        rows = {row.pk: row for row in await db.run(lambda: list(queries.all_attachments(actor=SYSTEM)))}
        for key, (asked, task) in list(self._tasks.items()):
            if key not in rows or rows[key].asked != asked:
                await _end(task)
                del self._tasks[key]
        for key, row in rows.items():
            if key not in self._tasks:
                self._tasks[key] = (row.asked, asyncio.create_task(Keep(row).run()))

    async def stop(self) -> bool:
        """Let go of every machine; False when a connection does not want to end."""
        done = await _end(*(task for _, task in self._tasks.values()))
        self._tasks.clear()
        return done


async def _end(*tasks: "asyncio.Task[None]") -> bool:
    for task in tasks:
        task.cancel()
    return not tasks or not (await asyncio.wait(tasks, timeout=5))[1]


class Keep:
    """One machine, from the first contact until it is let go."""

    def __init__(self, row: Attachment) -> None:
        self.row = row
        self._lines: list[str] = []

    async def run(self) -> None:
        """Returns when it was let go, when only a person can help, or when somebody wants something else."""
        while True:
            try:
                await (self._detach() if self.row.detaching else self._attach())
                return
            except Changed:
                return
            except Trouble as trouble:
                if not await self._troubled(trouble):
                    return
            except Exception:
                log.exception("attached machine %s", self.row.pk)
                await self._troubled(Trouble("failed", again=True))
            await asyncio.sleep(states.pause(self.row.failures))

    # --- writing down -----------------------------------------------------------------------------
    async def _note(self, **changes: Any) -> None:
        if not await db.run(services.note, self.row, actor=SYSTEM, **changes):
            raise Changed

    async def _step(self, name: str, note: str = "", *, tick: str = states.BUSY, **more: Any) -> None:
        """Tick the step off (or say that it is at work), together with what else changes."""
        await self._note(steps=states.ticked(self.row.steps, name, tick, note), **more)

    async def _troubled(self, trouble: Trouble) -> bool:
        """Say why, and whether it is tried again by itself."""
        row = self.row
        at = next((one["name"] for one in row.steps if one["state"] == states.BUSY), "")
        steps = states.ticked(row.steps, at, states.BROKEN) if at else row.steps
        if row.detaching:
            state = states.LEFTOVER
        elif trouble.code == "host_key":
            state, steps = states.CONFIRM, row.steps
        elif trouble.again and row.state == states.RUNNING and row.node_id and await self._is_heard_of(row.node_id):
            # The agent needs no connection of ours: runs go on, and the page says what is wrong with ours.
            state = states.RUNNING
        else:
            state = states.UNREACHABLE if trouble.again else states.FAILED
        failures = row.failures + 1
        told = {"code": trouble.code, "about": trouble.about, "failures": failures, "log": self._log()}
        try:
            await self._note(state=state, steps=steps, **told)
        except Changed:
            return False
        return trouble.again

    @staticmethod
    async def _is_heard_of(node: str) -> bool:
        return await db.run(lambda: queries.is_heard_of(node, actor=SYSTEM))

    def _say(self, line: str) -> None:
        self._lines.append(line)

    def _log(self) -> str:
        text, self._lines = "".join(f"{line}\n" for line in self._lines), []
        return self.row.log + text

    # --- attaching --------------------------------------------------------------------------------
    async def _attach(self) -> None:
        row = self.row
        if row.state != states.RUNNING:
            await self._step(states.CONNECT)
        place = await db.run(services.place_of, row, actor=SYSTEM)
        await self._know(place)
        box = Machine(await self._log_in(place))
        try:
            folder = await self._prepare(box)
            await self._start(box, folder)
            await self._watch(box, folder)
        finally:
            box.close()

    async def _know(self, place: Place) -> None:
        """Have a key that the machine must show. The first one waits until somebody has confirmed it."""
        row = self.row
        if row.host_key:
            if row.state != states.RUNNING:
                await self._step(states.HOST_KEY, fingerprint(row.host_key), tick=states.DONE)
            return
        shown = await machine.host_key(place)
        self._say(f"The machine shows the key {fingerprint(shown)}.")
        if not row.trust_first:
            await self._step(states.HOST_KEY, fingerprint(shown), shown_key=shown)
            raise Trouble("host_key")
        await self._step(states.HOST_KEY, fingerprint(shown), tick=states.DONE, host_key=shown)

    async def _log_in(self, place: Place) -> Any:
        if self.row.state != states.RUNNING:
            await self._step(states.LOG_IN)
        try:
            return await machine.connect(place, self.row.host_key)
        except Trouble as trouble:
            if trouble.code == "host_key_changed":
                shown = await machine.host_key(place)
                await self._step(states.HOST_KEY, fingerprint(shown), tick=states.BROKEN, shown_key=shown)
            raise

    async def _prepare(self, box: Machine) -> str:
        """Everything on the machine that the agent needs, its configuration too; returns its folder."""
        row = self.row
        running = row.state == states.RUNNING
        found = await box.look()
        folder = f"{found['home']}/.zaffre/attached/{kit.mark_of(row.pk)}"
        facts = {"folder": folder, **{key: found[key] for key in ("python", "version", "home")}}
        if not running:
            note = f"{found['version']} ({found['python']})"
            await self._step(states.PYTHON, note, tick=states.DONE, found=facts, state=states.INSTALLING)
        url, got = await box.way_to_studio(row.studio_url, row.forwarded)
        if got != row.forwarded:
            await self._note(forwarded=got)
        if running:
            return folder
        packed = await kit.pack()
        await self._step(states.COPY)
        told = {"url": url, "name": found["host"] or row.target.name, "slots": row.slots, "dir": folder}
        told["token"] = await db.run(services.invite, row, actor=SYSTEM)
        await box.copy(folder, {**packed.files, "node.json": json.dumps(told).encode()})
        await self._step(states.INSTALL)
        await self._installed(box, folder, packed, found)
        return folder

    async def _installed(self, box: Machine, folder: str, packed: kit.Kit, found: dict[str, Any]) -> None:
        work = asyncio.create_task(box.install(folder, packed.wheel, found, packed.mark(found), say=self._say))
        try:
            # The page shows what the installer says while it works.
            while not (await asyncio.wait({work}, timeout=1.5))[0]:
                if self._lines:
                    await self._note(log=self._log())
        finally:
            if not work.done():
                work.cancel()
        await work

    async def _start(self, box: Machine, folder: str) -> None:
        running = self.row.state == states.RUNNING
        if not running:
            await self._step(states.START)
        await box.start(folder)
        if running:
            return
        await self._step(states.ONLINE)
        end = asyncio.get_running_loop().time() + ONLINE_SECONDS
        tail = ""
        while asyncio.get_running_loop().time() < end:
            alive, node, tail = await box.watch(folder)
            if node and await self._is_heard_of(node):
                await db.run(services.settle, self.row, actor=SYSTEM, node_id=node)
                self._say("The agent works.")
                await self._step(
                    states.ONLINE,
                    tick=states.DONE,
                    state=states.RUNNING,
                    code="",
                    about="",
                    failures=0,
                    log=self._log(),
                )
                return
            if alive != "alive":
                raise Trouble("start_failed", tail, again=True)
            await asyncio.sleep(1.0)
        raise Trouble("not_online", tail, again=True)

    async def _watch(self, box: Machine, folder: str) -> None:
        """Look after the agent; an ended one is started again. Raises Trouble when the machine is away."""
        while True:
            await asyncio.sleep(settings.SSH_LOOK_SECONDS)
            alive, _, tail = await box.watch(folder)
            if alive == "alive":
                if self.row.code or self.row.failures:
                    await self._note(code="", about="", failures=0)
                continue
            if alive == "gone":
                await self._note(state=states.CONNECTING, steps=states.fresh(), code="agent_died")
                raise Trouble("agent_died", "", again=True)
            await self._note(code="agent_died", about=tail, failures=self.row.failures + 1)
            await asyncio.sleep(states.pause(self.row.failures))
            await box.start(folder)

    # --- letting go -------------------------------------------------------------------------------
    async def _detach(self) -> None:
        row = self.row
        if row.host_key and row.found.get("folder"):
            place = await db.run(services.place_of, row, actor=SYSTEM)
            box = Machine(await machine.connect(place, row.host_key))
            try:
                await box.remove(row.found["folder"])
            finally:
                box.close()
        try:
            await db.run(services.detached, row, actor=SYSTEM)
        except ZaffreError as held:
            raise Trouble("not_removed", held.message, again=True) from None
