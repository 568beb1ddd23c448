"""A workspace with runs that left files, scoring code, and nodes that say what an agent would say."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from rest_framework.test import APIClient

from registry.endpoints.models import Deployment, Replica
from registry.endpoints.services import tick
from runs.artifacts.models import Artifact
from runs.models import Run
from studio.kernel import blobs
from studio.kernel.actors import SYSTEM
from tests.conftest import People
from tests.runs.control.conftest import FakeNode, bearer, send_snapshot, yard
from tests.runs.telemetry import Running, make_run
from workspace.compute.services import create_enrolment
from workspace.models import Workspace

__all__ = ["make_run", "yard"]
WS = "/api/v1/workspaces/lab"


@pytest.fixture
def trained(make_run: Callable[..., Running], yard: Workspace) -> Callable[..., Running]:
    """`trained({"outputs/model.txt": b"3"})`: a run that left these files."""

    def train(files: dict[str, bytes], **more: Any) -> Running:
        running = make_run(**{"status": "completed", **more})
        for path, content in files.items():
            sha256, size = blobs.put([content], workspace_id=yard.pk)
            Artifact.objects.create(run=Run.objects.get(pk=running.id), path=path, sha256=sha256, size=size)
        return running

    return train


@dataclass
class Shop:
    """Registers and deploys through the JSON door."""

    client: APIClient
    lab: Workspace

    def snapshot(self, files: dict[str, str]) -> str:
        return send_snapshot(self.client, self.lab, files)

    def post(self, at: str, /, **body: Any) -> Any:
        return self.client.post(f"{WS}/{at}", body, format="json")

    def look(self, name: str = "digits") -> dict[str, Any]:
        return self.client.get(f"{WS}/endpoints/{name}").json()

    def states(self, name: str = "digits") -> dict[int, str]:
        return {one["number"]: one["state"] for one in self.look(name)["deployments"]}

    def deploy(self, name: str = "digits", **more: Any) -> Any:
        code = self.snapshot({"score.py": "def init(): pass\ndef run(data): return 1\n", "lib/help.py": ""})
        body = {"model": "m", "snapshot": code, "entry_script": "score.py", "environment": "system", **more}
        return self.post(f"endpoints/{name}/deployments", **body)


@pytest.fixture
def carl(api: Callable[[str | None], APIClient], yard: Workspace, trained: Callable[..., Running]) -> Shop:
    """A contributor with a model `m` and an endpoint `digits`."""
    shop = Shop(api("carl"), yard)
    run = trained({"outputs/model.txt": b"3"})
    assert shop.post("models", name="m", run=run.id, path="outputs/model.txt").status_code == 201
    assert shop.post("endpoints", name="digits").status_code == 201
    return shop


def socket_of(replica: str) -> str:
    return f"unix:/var/z/s/{hashlib.sha256(f'replica:{replica}'.encode()).hexdigest()[:12]}.sock"


@dataclass
class Node(FakeNode):
    """What an agent says about its replicas."""

    #: What it has: the state of each.
    has: dict[str, dict[str, Any]] = field(default_factory=dict)

    def sync(self, *reports: dict[str, Any]) -> Any:
        body = {"epoch": self.epoch, "replicas": list(reports)}
        return bearer(self.token).post("/agent/v1/replicas/sync", body, format="json")

    def round(self, state: str = "", **more: Any) -> list[dict[str, Any]]:
        """Report what it has (all of it in `state`, if given), then have what the studio wants."""
        for one in self.has.values():
            if state:
                one.update({"state": state, "address": socket_of(one["id"]) if state == "ready" else ""}, **more)
        answer = self.sync(*self.has.values())
        assert answer.status_code == 200, answer.content
        wanted = answer.json()["replicas"]
        new = {one["id"]: {"id": one["id"], "state": "starting"} for one in wanted}
        self.has = {key: self.has.get(key, value) for key, value in new.items()}
        return wanted


@pytest.fixture
def join(yard: Workspace, people: People) -> Callable[[str], Node]:
    """`join("a")` enrols a node of the target `local`."""

    def enrol(name: str) -> Node:
        _, text = create_enrolment("lab", "local", actor=people.actor("olga"))
        body = {"name": name, "facts": {"cpu": 2, "slots": 2, "python": "3.11"}}
        made = bearer(text).post("/agent/v1/nodes/register", body, format="json")
        assert made.status_code in {200, 201}, made.content
        node = Node(made.json()["token"])
        assert node.hello().status_code == 200
        return node

    return enrol


def go() -> None:
    """One round of the relay."""
    tick(actor=SYSTEM)


def newest() -> Deployment:
    return Deployment.objects.latest("pk")


def replicas(**which: Any) -> list[Replica]:
    return list(Replica.objects.filter(**which).order_by("pk"))
