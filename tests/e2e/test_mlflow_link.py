"""The links that MLflow's client prints after each run."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture
def run(studio: Studio) -> dict[str, str]:
    door = f"/mlflow/{studio.known['workspace']}/api/2.0/mlflow"
    return studio.ask("POST", f"{door}/runs/create", {"experiment_id": "0", "run_name": "linked"}).json["run"]["info"]


def test_the_printed_link_opens_the_run(page: "Page", studio: Studio, run: dict[str, str]):
    ws = studio.known["workspace"]
    page.goto(f"/mlflow/{ws}/#/experiments/{run['experiment_id']}/runs/{run['run_id']}")
    page.wait_for_url(f"**/w/{ws}/runs/{run['run_id']}")
    page.get_by_role("heading", name="linked").wait_for()


def test_the_link_of_an_experiment_opens_its_runs(page: "Page", studio: Studio, run: dict[str, str]):
    ws = studio.known["workspace"]
    page.goto(f"/mlflow/{ws}/#/experiments/{run['experiment_id']}")
    page.wait_for_url(f"**/w/{ws}/experiments/Default")
