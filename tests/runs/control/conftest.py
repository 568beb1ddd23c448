"""A node at the studio's door, and people who submit to it."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from rest_framework.test import APIClient

from runs.models import Run
from studio.kernel import blobs, credentials
from tests.conftest import People
from tests.kernel.asgi import Answer, Caller, DoorClient
from workspace.compute.services import create_enrolment, create_target
from workspace.environments.services import install_curated
from workspace.models import Workspace

WS = "/api/v1/workspaces/lab"


@pytest.fixture
def yard(transactional_db, people: People, lab: Workspace) -> Workspace:
    """The workspace lab with a compute target `local` and the curated environments."""
    credentials.forget()
    install_curated(lab)
    create_target(lab, actor=people.actor("olga"), name="local")
    return lab


def send_snapshot(client: APIClient, lab: Workspace, files: dict[str, str]) -> str:
    """The id of a snapshot of these files, made through the JSON door."""
    entries = []
    for path, text in files.items():
        sha256, size = blobs.put([text.encode()], workspace_id=lab.pk)
        entries.append({"path": path, "sha256": sha256, "size": size, "mode": 0o644})
    made = client.post(f"{WS}/snapshots", {"files": entries}, format="json")
    assert made.status_code in {200, 201}, made.content
    return str(made.json()["id"])


@dataclass
class Submitter:
    """Submits runs through the JSON door."""

    client: APIClient
    lab: Workspace

    def snapshot(self, files: dict[str, str]) -> str:
        return send_snapshot(self.client, self.lab, files)

    def try_submit(self, files: dict[str, str] | None = None, *, key: str = "", **config: Any) -> Any:
        body = {
            "experiment": config.pop("experiment", "digits"),
            "snapshot": self.snapshot(files or {"train.py": "print(1)"}),
            "config": {"script": "train.py", **config},
        }
        return self.client.post(f"{WS}/runs", body, format="json", headers={"Idempotency-Key": key} if key else {})

    def submit(self, files: dict[str, str] | None = None, **config: Any) -> Run:
        made = self.try_submit(files, **config)
        assert made.status_code == 201, made.content
        return Run.objects.get(pk=made.json()["id"])

    def look(self, run: Run) -> dict[str, Any]:
        return self.client.get(f"{WS}/runs/{run.pk}").json()


@pytest.fixture
def carl(yard: Workspace, api: Callable[[str | None], APIClient]) -> Submitter:
    return Submitter(api("carl"), yard)


@dataclass
class FakeNode:
    """What an agent says to the studio, without the agent."""

    token: str
    epoch: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def client(self) -> APIClient:
        return bearer(self.token)

    def hello(self, *held: dict[str, Any]) -> Any:
        runs = [{"run": spec["run"], "attempt": spec["attempt"]} for spec in held]
        body = {"epoch": self.epoch, "runs": runs, "replicas": [], "facts": {"cpu": 2, "slots": 2}}
        return self.client.post("/agent/v1/nodes/hello", body, format="json")

    def renew(self, *held: dict[str, Any]) -> Any:
        runs = [{"run": spec["run"], "attempt": spec["attempt"]} for spec in held]
        body = {"epoch": self.epoch, "load": {"cpu": 0.5}, "runs": runs}
        return self.client.post("/agent/v1/nodes/renew", body, format="json")

    def ask(self, *, nonce: str = "", wait: int = 0, **body: Any) -> Answer:
        from studio.asgi import application

        caller = Caller(application, {"authorization": f"Bearer {self.token}"})
        body["nonce"] = nonce or uuid.uuid4().hex
        return asyncio.run(caller.post(f"/agent/v1/nodes/claim?wait={wait}", body))

    def claim(self, **body: Any) -> dict[str, Any]:
        answer = self.ask(**body)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json()


def bearer(token: str) -> APIClient:
    client = DoorClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.fixture
def join(yard: Workspace, people: People) -> Callable[[str], FakeNode]:
    """`join("a")` enrols a node of the target `local`, with two slots."""

    def enrol(name: str) -> FakeNode:
        _, text = create_enrolment("lab", "local", actor=people.actor("olga"))
        body = {"name": name, "facts": {"cpu": 2, "slots": 2, "python": "3.11"}}
        made = bearer(text).post("/agent/v1/nodes/register", body, format="json")
        assert made.status_code in {200, 201}, made.content
        node = FakeNode(made.json()["token"])
        assert node.hello().status_code == 200
        return node

    return enrol


@pytest.fixture
def node(join: Callable[[str], FakeNode]) -> FakeNode:
    return join("a")


@dataclass
class FakeCode:
    """The running attempt's own voice."""

    spec: dict[str, Any]

    @property
    def at(self) -> str:
        return f"/agent/v1/runs/{self.spec['run']}"

    def post(self, path: str, **body: Any) -> Any:
        return bearer(self.spec["token"]).post(f"{self.at}/{path}", body, format="json")

    def progress(self, state: str, name: str = "", step: str = "done") -> Any:
        told = {"step": {"name": name, "state": step, "note": "", "seconds": 0}} if name else {}
        return self.post("progress", state=state, **told)

    def start(self) -> None:
        for state, name in [("preparing", "snapshot"), ("preparing", "data")]:
            assert self.progress(state, name).status_code == 200
        assert self.progress("running", "running", "running").status_code == 200

    def log(self, *pieces: str) -> None:
        """Send the log, each piece by itself."""
        from studio.asgi import application

        caller, start = Caller(application, {"authorization": f"Bearer {self.spec['token']}"}), 0
        for piece in pieces:
            told = f"bytes {start}-{start + len(piece) - 1}/*"
            answer = asyncio.run(caller.call("PATCH", f"{self.at}/log", piece.encode(), content_range=told))
            assert answer.status == 202, answer.body
            start += len(piece)

    def end(self, exit_code: int | None = 0, **more: Any) -> Any:
        return self.post("result", exit_code=exit_code, signal=None, log_tail="the end", **more)
