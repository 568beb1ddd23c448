"""A studio in memory, and agents as real processes that end with the test, with all they started."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.agent.studio import FakeStudio
from zaffre.agent.rundir import socket_folder

CLIENT = Path(__file__).resolve().parents[2] / "client" / "src"


class AgentProcess:
    """`zaffre node start` as a process of its own."""

    def __init__(self, studio: FakeStudio, folder: Path, slots: int, more: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        told = {"url": studio.url, "token": "invitation", "name": "n1", "slots": slots, "sdk_requirements": []}
        told |= more
        (folder / "node.json").write_text(json.dumps(told))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **env: str) -> None:
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zaffre.agent", "start", "--config", str(self.folder / "node.json")],
                env={**os.environ, "PYTHONPATH": str(CLIENT), "NODE_SECRET": "of the node", **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self) -> str:
        return (self.folder / "agent.log").read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL to the agent alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        end_everything_in(self.folder)
        shutil.rmtree(socket_folder(self.folder / "state"), ignore_errors=True)


def processes_in(folder: Path) -> list[psutil.Process]:
    """Whatever was started with this folder in its words or its environment."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if one.pid != os.getpid() and str(folder) in " ".join([*one.cmdline(), *one.environ().values()]):
                found.append(one)
    return found


def names_in(folder: Path) -> set[str]:
    """What those programs are called; one that is just leaving has no name any more."""
    found = set()
    for one in processes_in(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.add(one.name())
    return found


def end_everything_in(folder: Path) -> None:
    left = processes_in(folder)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=20)


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    with FakeStudio() as found:
        yield found


@pytest.fixture
def bring_agent(tmp_path: Path) -> Iterator[Callable[..., AgentProcess]]:
    """`bring_agent(studio)` starts an agent. Tests look at files outside of a run's: most want no isolation."""
    brought: list[AgentProcess] = []

    def bring(
        studio: FakeStudio, *, slots: int = 2, isolation: str = "none", max_processes: int = 500, **env: str
    ) -> AgentProcess:
        more = {"isolation": isolation, "max_processes": max_processes}
        agent = AgentProcess(studio, tmp_path / f"node{len(brought)}", slots, more)
        brought.append(agent)
        agent.start(**env)
        return agent

    yield bring
    for agent in brought:
        agent.end()
