"""Machines of pools in memory, where the studio would log in over SSH."""

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from workspace.attached import hosting, kit, machine
from workspace.attached.models import Host
from workspace.attached.places import Trouble

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1m6hQp2y0vCqkYV1fW2m0hN0J7cJm1m3n8o2b6yq3A"


Known = Callable[[str], Awaitable[str]]


async def _nobody(_name: str) -> str:
    return ""


class Box:
    """A machine in memory: what stands in our folder, and whether an agent runs.

    `known` gives the id of the node of a name: then an agent that is started has registered at once.
    """

    def __init__(self, known: Known = _nobody) -> None:
        self.known = known
        self.files: dict[str, bytes] = {}
        self.alive, self.node = False, ""
        self.installs = self.releases = 0
        self.trouble: Trouble | None = None
        self.removed = self.forwarded = False

    def _reach(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def look(self) -> dict[str, Any]:
        self._reach()
        return {"python": "/usr/bin/python3", "version": "3.11.2", "home": "/users/u", "uv": "", "host": "h"}

    async def copy(self, folder: str, files: dict[str, bytes]) -> None:
        self._reach()
        self.files |= files

    async def install(self, folder: str, wheel: str, found: Any, mark: str, *, say: Any) -> None:
        self.installs += 1

    async def way_to_studio(self, url: str, before: int | None) -> tuple[str, int | None]:
        self._reach()
        self.forwarded = not url
        return (url, before) if url else ("http://127.0.0.1:4711", 4711)

    async def start(self, folder: str) -> None:
        self._reach()
        self.alive = True
        self.node = self.node or await self.known(json.loads(self.files["node.json"])["name"])

    async def watch(self, folder: str) -> tuple[str, str, str]:
        self._reach()
        return ("alive" if self.alive else "dead"), self.node, "said"

    async def release(self, folder: str, *, patience: int = 60) -> None:
        self._reach()
        self.alive, self.node = False, ""
        self.files.pop("node.json", None)
        self.releases += 1

    async def remove(self, folder: str) -> None:
        self._reach()
        self.removed = True

    def close(self) -> None:
        pass


class Machines(dict[str, Box]):
    """Each by its address."""

    known: Known = staticmethod(_nobody)

    def __missing__(self, host: str) -> Box:
        return self.setdefault(host, Box(self.known))


def boxes_instead_of_ssh(monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Every machine of every pool is a box from now on."""
    found = Machines()

    @asynccontextmanager
    async def logged_in(host: Host):
        found[host.host]._reach()
        yield found[host.host]

    async def pack() -> kit.Kit:
        return kit.Kit("zaffre-1.whl", "d" * 64, {"zaffre-1.whl": b"wheel"})

    async def host_key(place: Any) -> str:
        found[place.host]._reach()
        return KEY

    monkeypatch.setattr(hosting, "logged_in", logged_in)
    monkeypatch.setattr(kit, "pack", pack)
    monkeypatch.setattr(machine, "host_key", host_key)
    return found
