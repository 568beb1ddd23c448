"""A warm fork that comes when another supervisor was started in its place: the run is executed once, and not failed."""

import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.agent.conftest import end_everything_in
from zaffre.agent import config, supervisors
from zaffre.agent.clock import now
from zaffre.agent.door import Answer, Door
from zaffre.agent.gpus import Shelf
from zaffre.agent.job import Job
from zaffre.agent.rundir import RunDir, socket_folder
from zaffre.agent.steps import launch
from zaffre.agent.steps.launch import Launch


class Quick(Door):
    """Answers every report."""

    def with_token(self, token: str) -> Door:
        return self

    def call(self, *_: Any, **__: Any) -> Answer:
        return Answer(200, {}, b"{}")


class Late:
    """The node's warm parents: one is asked, and its fork comes when it is let."""

    def __init__(self, *, when_given_up: bool) -> None:
        self.when_given_up = when_given_up
        self.status: int | None = None

    def find(self, python: str) -> "Late":
        return self

    def ask(self, folder: Path, cord: socket.socket) -> bool:
        self.place, self.cord = RunDir(folder), cord.dup()
        return True

    def drop(self, python: str) -> None:
        if self.when_given_up:
            self.come()

    def come(self) -> None:
        with self.cord:
            fork = _spawn(self.place, self.cord)
        self.status = fork.wait(120)


_spawn = supervisors.spawn


@pytest.fixture
def job(tmp_path):
    place = RunDir(tmp_path / "state" / "runs" / "r.1")
    place.make()
    place.work.mkdir()
    (place.work / "train.py").write_text("open('times', 'a').write('once')")
    shop = SimpleNamespace(
        door=Quick("http://studio", "token"),
        identity=SimpleNamespace(grace=1.0),
        machine=SimpleNamespace(groups=None, isolation="none"),
        shelf=Shelf([]),
        sdk=str(tmp_path),
        max_processes=500,
    )
    spec = {"run": "r", "attempt": 1, "token": "t", "config": {"script": "train.py"}}
    found = Job(shop, place, spec, renewed_at=now(), valid_for=600.0)  # type: ignore[arg-type]
    found.python, found.path_first = config.interpreter(), ""
    yield found
    end_everything_in(tmp_path)
    shutil.rmtree(socket_folder(tmp_path / "state"), ignore_errors=True)


@pytest.mark.parametrize("when_given_up", [True, False])
def test_a_fork_that_comes_late_leaves_the_run_to_the_supervisor_in_its_place(job, monkeypatch, when_given_up):
    late = job.shop.parents = Late(when_given_up=when_given_up)
    monkeypatch.setattr(launch, "_FORK_SECONDS", 0.5)

    def spawn_and_let_come(*given: Any) -> Any:
        child = _spawn(*given)
        if not when_given_up:
            late.come()
        return child

    monkeypatch.setattr(supervisors, "spawn", spawn_and_let_come)
    step = Launch(job)
    step.start()
    assert late.status == 3, (job.place.path / "supervisor.log").read_text()
    assert job.child is not None and job.child.wait(120) == 0
    assert job.place.result is not None and job.place.result["exit_code"] == 0, job.place.result
    assert (job.place.work / "times").read_text() == "once"
    step.stop()
    end = time.monotonic() + 60
    while job.place.supervised and time.monotonic() < end:
        time.sleep(0.05)
    assert not job.place.supervised
