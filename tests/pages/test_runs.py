"""What the page of a run says of its steps, its node and its charts."""

import re

from runs.models import Run
from tests.runs.telemetry import make_run  # noqa: F401 - a fixture


def test_a_script_that_failed_turns_its_own_step_red(make_run, browser):  # noqa: F811
    run = make_run(status="failed")
    steps = [
        {
            "name": name,
            "state": "done",
            "note": "1 file, 7 B",
            "started": "2026-01-01T00:00:00Z",
            "ended": "2026-01-01T00:00:01Z",
        }
        for name in ("snapshot", "running", "outputs")
    ]
    Run.objects.filter(pk=run.id).update(exit_code=3, steps=steps, reason="The script ended with exit code 3.")
    page = browser("olga").get(f"/w/lab/runs/{run.id}").content.decode()
    assert re.findall(r'<li class="(\w*)"', page) == ["done", "failed", "done"]
    assert "1 file, 7 B" in page
    assert "exit code 3" in page
