"""Runs with something in them, and the way back from a page to what it shows."""

import asyncio
import re
from collections.abc import Callable

import pytest

from studio.kernel.ids import ulid
from tests.conftest import People
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, app, make_run  # noqa: F401 - fixtures
from workspace.accounts.services import create_token


def summary(last: float | str, **more: object) -> dict[str, object]:
    found = {"kind": "list", "last": last, "last_step": 1, "latest": [1, 1, last], "min": last, "max": last, "count": 2}
    return found | more


@pytest.fixture
def filled(make_run) -> Callable[..., Running]:  # noqa: F811
    """`filled("one", loss=0.5, params={"lr": "0.1"})`: a run of that name, with the last values of its metrics."""

    def make(name: str, *, status: str = "completed", params=None, tags=None, **metrics: float) -> Running:
        run = make_run(status=status, kind="interactive" if status == "running" else "script")
        found = {key: summary(value) for key, value in metrics.items()}
        run.change(name=name, params=params or {}, tags=tags or {}, metrics=found)
        return run

    return make


@pytest.fixture
def make_log(
    app,  # noqa: F811
    people: People,
) -> Callable[..., None]:
    """`make_log(run, loss=[(step, value), …])`: points by the door through which carl's script logs."""
    plain = create_token(actor=people.carl.as_actor(), name="test", days=1)[1]
    caller = Caller(app, {"authorization": f"Bearer {plain}"})

    def log(run: Running, **series: list[tuple[int, float]]) -> None:
        points = [[key, value, step, step] for key, found in series.items() for step, value in found]
        answer = asyncio.run(caller.post(f"{run.user}/metrics", {"batch": ulid(), "points": points}))
        assert answer.status == 200, answer.body

    return log


def names(page: str) -> list[str]:
    """The names of the runs of a page, in their order."""
    return re.findall(r'<a class="name" href="/w/lab/runs/\w+" title="([^"]*)"', page)


def heads(page: str) -> list[str]:
    table = page.split("<thead", 1)[1].split("</thead>", 1)[0]
    return [re.sub(r"<[^>]+>", "", one).strip() for one in re.findall(r"<th[^>]*>(.*?)</th>", table)][1:]


def column(page: str, name: str) -> list[str]:
    """What stands in the column of that head, row by row."""
    at = heads(page).index(name) + 1
    body = page.split("<tbody", 1)[1].split("</tbody>", 1)[0]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", re.findall(r"<td.*?</td>", row, re.DOTALL)[at]).strip() for row in rows]
