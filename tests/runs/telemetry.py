"""A run that executes, and the callers that talk about it: for the tests of metrics, logs and sockets."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from runs.models import Attempt, Experiment, Run
from studio.kernel import credentials, db, tokens
from studio.kernel.ids import ulid
from tests.conftest import People
from tests.kernel.asgi import Caller
from workspace.models import Workspace


@dataclass
class Running:
    """A run held by attempt 1, with the token of its code."""

    id: str
    token: str
    lab: Workspace

    @property
    def agent(self) -> str:
        return f"/agent/v1/runs/{self.id}"

    @property
    def user(self) -> str:
        return f"/api/v1/workspaces/{self.lab.slug}/runs/{self.id}"

    @property
    def ws(self) -> str:
        return f"/ws/w/{self.lab.slug}/runs/{self.id}"

    def change(self, **fields: Any) -> None:
        """Let something happen to the run elsewhere."""
        Run.objects.filter(pk=self.id).update(**fields)


@pytest.fixture
def make_run(transactional_db, people: People, lab: Workspace) -> Callable[..., Running]:
    """`make_run(status="running", kind="script", attempt=1)` in the workspace lab, submitted by carl."""
    credentials.forget()
    experiment, _ = Experiment.objects.get_or_create(workspace=lab, name="digits")

    def make(*, status: str = "running", kind: str = "script", attempt: int = 1) -> Running:
        number = Experiment.objects.get(pk=experiment.pk).runs.count() + 1
        run = Run.objects.create(
            id=ulid(),
            workspace=lab,
            experiment=experiment,
            number=number,
            name=f"calm_heron_{number}",
            kind=kind,
            status=status,
            attempt_no=attempt,
            submitted_by=people.carl,
            started=timezone.now(),
        )
        plain = ""
        if kind == "script":
            token_id = ulid()
            plain, kept = tokens.new("run", token_id)
            soon = timezone.now() + timedelta(hours=1)
            Attempt.objects.create(
                run=run, no=attempt, token_id=token_id, secret_hash=kept, lease_until=soon, last_seen=timezone.now()
            )
        return Running(run.pk, plain, lab)

    return make


@pytest.fixture
def running(make_run: Callable[..., Running]) -> Running:
    return make_run()


@pytest.fixture
def app() -> Any:
    from studio.asgi import application

    return application


@pytest.fixture
def code(app: Any, running: Running) -> Caller:
    """The run's own code."""
    return Caller(app, {"authorization": f"Bearer {running.token}"})


@pytest.fixture
def person(app: Any, running: Running, people: People) -> Callable[[str | None], Caller]:
    """`person("rio")`: a browser with rio's session; `person(None)` is a visitor."""

    callers: dict[str | None, Caller] = {None: Caller(app)}
    # All of them now: an async test may not speak to the database itself.
    for name in ("olga", "carl", "rio", "mallory", "ada"):
        client = Client()
        client.force_login(getattr(people, name))
        callers[name] = Caller(app, {"cookie": f"sessionid={client.cookies['sessionid'].value}"})
    return callers.__getitem__


async def ask(work: Callable[[], Any]) -> Any:
    """Look at the database from an async test."""
    return await db.run(work)


Ask = Callable[[Callable[[], Any]], Awaitable[Any]]
