"""What is done on the machines of a pool whether they serve a node or not: their keys, the client, leaving."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from django.utils import timezone

from studio.kernel import db
from studio.kernel.actors import SYSTEM
from workspace.attached import kit, machine, services
from workspace.attached.machine import Machine
from workspace.attached.models import Host
from workspace.attached.places import Place, Trouble

#: One at a time on each machine.
_BUSY: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)


@asynccontextmanager
async def logged_in(host: Host) -> AsyncIterator[Machine]:
    """The machine, which has the key that somebody trusts. Raises Trouble."""
    place = await db.run(services.host_place, host, actor=SYSTEM)
    box = Machine(await machine.connect(place, host.host_key))
    try:
        yield box
    finally:
        box.close()


async def note(host: Host, **changes: Any) -> None:
    await db.run(services.note_host, host, actor=SYSTEM, **changes)


async def troubled(host: Host, trouble: Trouble) -> None:
    """Write down why the machine cannot be used. A changed key waits until somebody has looked at it."""
    more = {}
    if trouble.code == "host_key_changed":
        with suppress(Trouble):
            more["shown_key"] = await machine.host_key(Place(host.host, host.port, host.username))
    await note(host, code=trouble.code, about=trouble.about, again=trouble.again, **more)


async def prepare(host: Host, box: Machine, *, node: str = "") -> str:
    """End what an earlier node left there and install the client, as far as it is not there; return the folder.

    Returns an empty word when the machine serves another node than this one meanwhile. Raises Trouble.
    """
    async with _BUSY[host.pk]:
        if await db.run(services.served_by, host, actor=SYSTEM) != node:
            return ""
        found = await box.look()
        folder = f"{found['home']}/.zaffre/attached/{kit.mark_of('pool', host.pk)}"
        facts = {"folder": folder, **{key: found[key] for key in ("python", "version", "home")}}
        await note(host, found=facts)
        await box.release(folder, patience=0)
        packed = await kit.pack()
        await box.copy(folder, dict(packed.files))
        await box.install(folder, packed.wheel, found, packed.mark(found), say=lambda _line: None)
        await note(host, prepared=timezone.now())
    return folder


def is_due(host: Host) -> bool:
    """Whether there is something to do on a machine that serves no node."""
    if host.node or (host.retry_at is not None and host.retry_at > timezone.now()):
        return False
    return is_leaving(host) or (not host.blocked and not host.shown_key and not (host.host_key and host.prepared))


def is_leaving(host: Host) -> bool:
    return host.leaving or host.target.deleted is not None


async def tend(host: Host) -> None:
    """Do what is due: learn its key, install the client before a node needs it, or remove what is there."""
    try:
        if is_leaving(host):
            await _clean(host)
        elif not host.host_key:
            shown = await machine.host_key(Place(host.host, host.port, host.username))
            await note(host, **({"host_key": shown} if host.trust_first else {"shown_key": shown}))
        else:
            async with logged_in(host) as box:
                await prepare(host, box)
    except Trouble as trouble:
        if is_leaving(host) and host.failures >= services.MOST_TRIES:
            await db.run(services.gone_host, host, actor=SYSTEM)
        else:
            await troubled(host, trouble)


async def _clean(host: Host) -> None:
    if host.host_key and host.found.get("folder"):
        async with logged_in(host) as box:
            await box.remove(host.found["folder"])
    await db.run(services.gone_host, host, actor=SYSTEM)
