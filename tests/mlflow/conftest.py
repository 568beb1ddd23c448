"""People with tokens before MLflow's door, and a run of carl's that takes metrics."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from studio.kernel import credentials
from tests.conftest import People
from tests.kernel.asgi import Answer, Caller
from tests.mlflow.client import installed
from tests.runs.telemetry import app, make_run, person, running  # noqa: F401 - fixtures of this folder
from tests.stack.running import Studio, running_studio
from workspace.accounts.services import create_token
from workspace.models import Workspace

API = "/mlflow/lab/api/2.0/mlflow"
FILES = "/mlflow/lab/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Door:
    """One person's MLflow client: `await door.post("runs/create", experiment_id="1")`."""

    caller: Caller
    api: str = API

    async def post(self, call: str, _raw: bytes | None = None, **body: Any) -> Answer:
        return await self.caller.post(f"{self.api}/{call}", body if _raw is None else _raw)

    async def get(self, call: str, **query: Any) -> Answer:
        return await self.caller.get(f"{self.api}/{call}?{urlencode(query, doseq=True)}")

    async def experiment(self, name: str = "digits") -> str:
        answer = await self.post("experiments/create", name=name)
        assert answer.status == 200, answer.body
        return answer.json()["experiment_id"]

    async def run(self, experiment: str = "0", **more: Any) -> dict[str, Any]:
        answer = await self.post("runs/create", experiment_id=experiment, **more)
        assert answer.status == 200, answer.body
        return answer.json()["run"]

    async def read(self, run_id: str) -> dict[str, Any]:
        answer = await self.get("runs/get", run_id=run_id)
        assert answer.status == 200, answer.body
        data = answer.json()["run"]["data"]
        return {
            "params": {one["key"]: one["value"] for one in data["params"]},
            "tags": {one["key"]: one["value"] for one in data["tags"]},
            "metrics": {one["key"]: one["value"] for one in data["metrics"]},
        }


def refusal(answer: Answer) -> tuple[int, str]:
    """(status, error_code), after a look at the shape."""
    body = answer.json()
    assert set(body) == {"error_code", "message"}, body
    assert body["message"]
    return answer.status, body["error_code"]


@pytest.fixture
def enter(app: Any, transactional_db, people: People, lab: Workspace) -> Callable[[str | None], Door]:  # noqa: F811
    """`enter("carl")` with a personal token; `enter(None)` is a visitor."""
    credentials.forget()
    doors = {None: Door(Caller(app))}
    for name in ("olga", "carl", "rio", "mallory", "ada"):
        _, plain = create_token(actor=people.actor(name), name="mlflow", days=1)
        doors[name] = Door(Caller(app, {"authorization": f"Bearer {plain}"}))
    return doors.__getitem__


@pytest.fixture
def carl(enter: Callable[[str | None], Door]) -> Door:
    return enter("carl")


Enter = Callable[[str | None], Door]
Work = Callable[[], Awaitable[Any]]


@pytest.fixture(scope="session")
def python() -> Path:
    """MLflow's full client."""
    return installed("client")


@pytest.fixture(scope="package")
def studio(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found
