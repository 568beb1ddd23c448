"""What an attempt tells of its end: the truth, and however long the studio is away."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zaffre.agent import door as doors
from zaffre.agent.door import Answer, Door, Unreachable
from zaffre.agent.execution import _told
from zaffre.agent.job import Job
from zaffre.agent.rundir import RunDir


class AwayForHours(Door):
    """Answers when the third hour has gone by."""

    tries = 0

    def call(self, *_: Any, **__: Any) -> Answer:
        self.tries += 1
        if self.tries < 4:
            raise Unreachable("nobody is there")
        return Answer(200, {}, b"{}")


def job_of(result: Any, tmp_path: Path) -> Job:
    door = AwayForHours("http://studio", "token")
    door.with_token = lambda _: door  # type: ignore[method-assign]
    place = RunDir(tmp_path / "attempt")
    place.path.mkdir()
    if result is not None:
        place.keep_result(result)
    spec = {"run": "r", "attempt": 1, "token": "t"}
    return Job(SimpleNamespace(door=door), place, spec, renewed_at=0.0, valid_for=1.0)  # type: ignore[arg-type]


def test_a_result_waits_for_a_studio_that_is_away_for_hours(tmp_path, monkeypatch):
    hours = iter(range(0, 3600 * 100, 3600))
    clock = SimpleNamespace(monotonic=lambda: next(hours))
    monkeypatch.setattr(doors, "time", clock)
    monkeypatch.setattr(doors, "rest", lambda *_: None)
    assert job_of(None, tmp_path).ask("POST", "/result", {}).status == 200


@pytest.mark.parametrize(("reason", "told"), [(None, None), ("preempted", "preempted")])
def test_code_that_ended_by_itself_was_not_preempted(tmp_path, reason, told):
    job = job_of({"exit_code": 0, "signal": None, "reason": reason}, tmp_path)
    job.stop("preempted")
    assert _told(job).get("reason") == told


def test_code_that_printed_nothing_has_an_empty_log(tmp_path):
    assert job_of(None, tmp_path).output.read(0, 1000) == (0, b"")
