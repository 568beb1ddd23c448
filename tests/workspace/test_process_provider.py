"""Nodes as processes of this host, and what only this provider does; test_providers.py has what all do.

Real agents, before a studio that never answers.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from workspace.compute.providers import Order, ProviderError
from workspace.compute.providers.process import Processes, started

NOBODY = "http://127.0.0.1:9"
PATIENCE = 120


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def order(node: str, **more: object) -> Order:
    given = {"node": node, "name": "a", "target": "c", "url": NOBODY, "token": lambda: "zaf_reg_x", "slots": 2, **more}
    return Order(**given)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path) -> Iterator[Path]:
    yield tmp_path / "nodes"
    provider = Processes(tmp_path / "nodes")
    for key in provider.list():
        provider.stop(key, kill=True)
    until(lambda: not any(one.alive for one in provider.list().values()))


def test_a_node_sees_nothing_of_the_studio_and_keeps_its_disk_until_it_is_forgotten(home, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql:///secret")
    provider = Processes(home, hidden=["DATABASE_URL"])
    handle = provider.start(order("01A", cpus=1, memory_gb=2))
    process = psutil.Process(handle["pid"])
    until(lambda: "zaffre" in " ".join(process.cmdline()))
    assert "DATABASE_URL" not in process.environ()
    assert "zaf_reg_x" not in " ".join(process.cmdline()), "a token is nobody's to see in a list of processes"
    config = home / "01A" / "node.json"
    assert config.stat().st_mode & 0o777 == 0o600
    told = json.loads(config.read_text())
    assert (told["slots"], told["cpus"], told["memory_gb"], told["url"]) == (2, 1, 2, NOBODY)
    until(lambda: "register" in provider.tail("01A") or "answer" in provider.tail("01A"))
    provider.stop("01A")
    until(lambda: not provider.list()["01A"].alive)
    assert (home / "01A").is_dir()
    provider.stop("01A", forget=True)
    assert provider.list() == {}


def test_it_outlives_whoever_started_it(home):
    """A manager that is killed takes nothing along, and the next one finds the same process."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from workspace.compute.providers.process import Processes\n"
        "from tests.workspace.test_process_provider import order\n"
        "print(Processes(Path(sys.argv[1])).start(order('01B'))['pid'], flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    found = Processes(home).list()["01B"]
    assert found.alive and found.handle["pid"] == pid
    assert Processes(home).start(order("01B"))["pid"] == pid
    Processes(home).stop("01B", kill=True)
    until(lambda: not Processes(home).list()["01B"].alive)


def test_a_pid_that_became_somebody_elses_is_not_touched(home):
    folder = home / "01C"
    folder.mkdir(parents=True)
    (folder / "process").write_text(f"{os.getpid()} 1")
    provider = Processes(home)
    assert not provider.list()["01C"].alive
    provider.stop("01C", kill=True)
    assert started(os.getpid()), "we live"
    (folder / "process").write_text("nonsense")
    assert not provider.list()["01C"].alive


def test_a_corpse_is_not_alive():
    child = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: not started(child.pid))
    child.wait()


@pytest.mark.parametrize("node", ["../x", "", "a/b", "."])
def test_an_id_is_no_path(home, node):
    with pytest.raises(ProviderError):
        Processes(home).stop(node, forget=True)
