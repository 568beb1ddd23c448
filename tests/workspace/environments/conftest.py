"""Versions of environments, and a node that makes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.conftest import People
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.services import create_enrolment, create_target
from workspace.environments.models import EnvironmentVersion
from workspace.environments.services import register_environment
from workspace.models import Workspace

HASH = "--hash=sha256:" + "ab" * 32
LOCK = f"joblib==1.6.0 \\\n    {HASH}\nnumpy==2.4.6 ; python_full_version < '3.12' \\\n    {HASH} \\\n    {HASH}\n"


@dataclass
class Machine:
    """A node at the studio's door, without the agent."""

    client: APIClient
    epoch: str = "e1"

    @property
    def row(self) -> Node:
        return Node.objects.order_by("-registered")[0]

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(f"/agent/v1/{path}", body, format="json")

    def lock(self, version: EnvironmentVersion, text: str = LOCK, python: str = "3.11", platform: str = "any") -> Any:
        body = {"python": python, "platform": platform, "requirements": text}
        return self.post(f"environments/{version.pk}/locks", body)


@pytest.fixture
def target(lab: Workspace, people: People) -> ComputeTarget:
    return create_target(lab, actor=people.actor("olga"), name="local")


@pytest.fixture
def join(people: People) -> Callable[..., Machine]:
    """`join("lab", "olga")` is a node of the target `local` of that workspace."""

    def enrol(ws: str = "lab", owner: str = "olga", name: str = "box") -> Machine:
        _, text = create_enrolment(ws, "local", actor=people.actor(owner))
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        made = client.post("/agent/v1/nodes/register", {"name": name, "facts": {"cpu": 2}}, format="json").json()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {made['token']}")
        machine = Machine(client)
        hello = {"epoch": machine.epoch, "runs": [], "facts": {"cpu": 2}}
        assert machine.post("nodes/hello", hello).status_code == 200
        return machine

    return enrol


@pytest.fixture
def machine(target: ComputeTarget, join: Callable[..., Machine]) -> Machine:
    return join()


@pytest.fixture
def version(lab: Workspace, people: People) -> EnvironmentVersion:
    """joblib and numpy>=2, registered by carl."""
    spec = {"kind": "pip", "requirements": ["joblib==1.6.0", "numpy>=2"]}
    return register_environment("lab", actor=people.actor("carl"), name="fit", spec=spec)
