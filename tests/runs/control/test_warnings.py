"""Warnings of a run: told by its node, each once, shown wherever the run is."""

import pytest

from runs.models import Run
from runs.services import warn
from runs.services.warning import MAX_WARNING, MOST_WARNINGS

SAID = "Python 3.6 was asked for and is not to be had here: Python 3.11 was used, the nearest one."


@pytest.mark.django_db(transaction=True)
def test_what_a_node_warns_of_is_shown_once(carl, node, browser):
    run = carl.submit()
    spec = node.claim()
    from tests.runs.control.conftest import bearer

    code = bearer(spec["token"])
    for _ in range(2):
        body = {"state": "preparing", "warnings": [SAID, "x" * 400]}
        assert code.post(f"/agent/v1/runs/{run.pk}/progress", body, format="json").status_code == 200
    assert carl.look(run)["warnings"] == [SAID, "x" * MAX_WARNING]
    page = browser("rio").get(f"/w/lab/runs/{run.pk}").content.decode()
    assert SAID in page and page.count("x" * MAX_WARNING) == 1


@pytest.mark.django_db(transaction=True)
def test_a_run_keeps_so_many_warnings_and_no_more(carl):
    run = carl.submit()
    assert warn(run.pk, "first\nline") and not warn(run.pk, "first line") and not warn(run.pk, " ")
    for number in range(MOST_WARNINGS + 5):
        warn(run.pk, f"number {number}")
    assert len(Run.objects.get(pk=run.pk).warnings) == MOST_WARNINGS
    assert not warn("no such run", "text")
