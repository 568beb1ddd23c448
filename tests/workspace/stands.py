"""For each kind of provider one stand: what the tests of all of them need to know about its machines.

Processes are real agents before a studio that never answers, pods live in an API server of the test, and the machines
of a pool are boxes in memory (tests/stack/test_pool.py has real ones).
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from studio.kernel import db
from tests.workspace.boxes import KEY, boxes_instead_of_ssh
from tests.workspace.kubeapi import Api
from workspace.attached.models import Host
from workspace.attached.places import Trouble
from workspace.attached.pool import Pool
from workspace.attached.services import hosts
from workspace.compute.models import Node
from workspace.compute.providers import Provider
from workspace.compute.providers.kubernetes import Pods, pod_name
from workspace.compute.providers.process import Processes, started

URL = "/api/v1/workspaces/lab/compute"
NOBODY = "http://127.0.0.1:9"


class Stand(Protocol):
    def make(self, owner: Any, **settings: Any) -> Any:
        """The answer to the owner who asks for the cluster `c`."""

    def provider(self) -> Provider:
        """A provider that remembers nothing: another process's, after the earlier one is gone."""

    def machines(self) -> set[str]:
        """The nodes whose machines run, not as the provider says it but as it is."""

    def config(self, node: str) -> dict[str, Any]:
        """What the agent of the node is told."""

    def lose(self, node: str) -> None:
        """Its machine ends, and nobody asked for it."""

    def away(self) -> AbstractContextManager[None]:
        """No machine can be asked for or reached."""

    def close(self) -> None:
        """Leave nothing behind."""


async def node_named(name: str) -> str:
    return await db.run(lambda: Node.objects.filter(name=name).values_list("pk", flat=True).first() or "")


class OfProcesses:
    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.patch, self.home = patch, folder / "nodes"

    def make(self, owner: Any, **settings: Any) -> Any:
        return owner.post(URL, {"name": "c", "kind": "cluster", "settings": settings}, format="json")

    def provider(self) -> Provider:
        return Processes(self.home)

    def machines(self) -> set[str]:
        found = set()
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "--config" in words and Path(words[words.index("--config") + 1]).is_relative_to(self.home):
                found.add(Path(words[words.index("--config") + 1]).parent.name)
        return found

    def config(self, node: str) -> dict[str, Any]:
        return dict(json.loads((self.home / node / "node.json").read_text()))

    def lose(self, node: str) -> None:
        pid, began = (self.home / node / "process").read_text().split()
        assert started(int(pid)) == began
        os.killpg(int(pid), signal.SIGKILL)

    @contextmanager
    def away(self) -> Iterator[None]:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(12, "Cannot allocate memory")

        with self.patch.context() as patch:
            patch.setattr("workspace.compute.providers.process.subprocess.Popen", refuse)
            yield

    def close(self) -> None:
        for process in psutil.process_iter(["cmdline"]):
            if str(self.home) in " ".join(process.info["cmdline"] or []):
                process.kill()


class OfMachines:
    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.boxes = boxes_instead_of_ssh(patch)
        self.boxes.known = node_named
        self._pool: Pool | None = None
        patch.setattr(hosts, "FIRST_PAUSE", 0)

    def make(self, owner: Any, **settings: Any) -> Any:
        body = {"hosts": ["a.local", "b.local", "c.local"], "username": "u", "password": "pass w0rd"}
        made = owner.post(f"{URL}/c/pool", {**body, "settings": settings}, format="json")
        Host.objects.update(host_key=KEY)
        return made

    def provider(self) -> Provider:
        self.close()
        self._pool = Pool()
        return self._pool

    def machines(self) -> set[str]:
        return {box.node for box in self.boxes.values() if box.alive}

    def config(self, node: str) -> dict[str, Any]:
        [box] = [one for one in self.boxes.values() if one.node == node]
        return dict(json.loads(box.files["node.json"]))

    def lose(self, node: str) -> None:
        [box] = [one for one in self.boxes.values() if one.alive and one.node == node]
        box.alive = False

    @contextmanager
    def away(self) -> Iterator[None]:
        for host in ("a.local", "b.local", "c.local"):
            self.boxes[host].trouble = Trouble("no_route", again=True)
        yield
        for box in self.boxes.values():
            box.trouble = None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()


class OfPods:
    def __init__(self, api: Api, client: Any) -> None:
        self.api, self.client = api, client

    def make(self, owner: Any, **settings: Any) -> Any:
        told = {"provider": "kubernetes", **settings}
        return owner.post(URL, {"name": "c", "kind": "cluster", "settings": told}, format="json")

    def provider(self) -> Provider:
        return Pods(namespace="ns", image="i", connect=lambda: self.client)

    def machines(self) -> set[str]:
        return {pod["metadata"]["labels"]["zaffre.node"] for pod in self.api.pods.values()}

    def config(self, node: str) -> dict[str, Any]:
        return dict(json.loads(self.api.secrets[pod_name(node)]["stringData"]["node.json"]))

    def lose(self, node: str) -> None:
        # Somebody drained the machine under it.
        del self.api.pods[pod_name(node)]

    @contextmanager
    def away(self) -> Iterator[None]:
        self.api.away = True
        yield
        self.api.away = False

    def close(self) -> None:
        return
