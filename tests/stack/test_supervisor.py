"""The supervisor with programs of our own: restart, orderly stop, nothing left, readable refusals."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from studio.stack import plan as plans
from studio.stack import setup, up
from studio.stack.processes import Supervisor, rotate
from studio.stack.programs import Program, StackError
from studio.stack.steps import run_to_end

PATIENCE = 120


async def until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.05)


def script(name: str, code: str, **more) -> Program:
    return Program(name, (sys.executable, "-u", "-c", code), **more)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path, told):
    found = Supervisor(tmp_path / "log", tmp_path / "processes.json", told.append)
    yield found
    await found.stop()


async def test_a_program_that_dies_is_started_again(supervisor, told, tmp_path):
    await supervisor.start(script("sleeper", "import time; print('up'); time.sleep(600)"))
    await until(lambda: "up" in supervisor.log_of("sleeper").read_text(), "the first start")
    first = json.loads((tmp_path / "processes.json").read_text())["sleeper"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.log_of("sleeper").read_text().count("up") == 2, "a second start")
    assert json.loads((tmp_path / "processes.json").read_text())["sleeper"] != first
    assert told == ["sleeper was killed by SIGKILL; starting it again in 0.5 s"]


async def test_a_stop_ends_what_ignores_it_and_what_was_left_behind(supervisor, tmp_path):
    child = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "held = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(held.pid)\ntime.sleep(600)\n"
    )
    await supervisor.start(script("stubborn", child, patience=0.5))
    await until(lambda: supervisor.log_of("stubborn").read_text().strip().isdigit(), "its child's number")
    grandchild = int(supervisor.log_of("stubborn").read_text())
    await supervisor.stop()
    await until(lambda: not psutil.pid_exists(grandchild) or _is_dead(grandchild), "the end of the grandchild")
    assert not (tmp_path / "processes.json").exists()


def _is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_later_tiers_stop_first(supervisor, tmp_path):
    code = (
        "import signal, sys, time\n"
        "def leave(*_):\n    open(sys.argv[1], 'a').write(sys.argv[2]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave)\nprint('up')\ntime.sleep(600)\n"
    )
    order = tmp_path / "order"
    for tier, name in enumerate("abc"):
        argv = (sys.executable, "-u", "-c", code, str(order), name)
        await supervisor.start(Program(name, argv, tier=tier))
    await until(lambda: all(supervisor.log_of(name).read_text() for name in "abc"), "all three up")
    await supervisor.stop()
    assert order.read_text() == "cba"


async def test_one_that_does_not_stay_up_is_explained_by_its_log(supervisor):
    await supervisor.start(script("broken", "raise SystemExit('no such table: workspace')"))
    with pytest.raises(StackError, match=r"broken does not stay up(.|\n)*no such table: workspace"):
        await supervisor.ready("broken", lambda: False, seconds=PATIENCE)


def test_a_full_log_moves_aside_and_old_ones_go(tmp_path):
    log = tmp_path / "web.log"
    for round_ in range(5):
        log.write_text(f"round {round_} " + "x" * 100)
        assert rotate(log, limit=50, files=2)
        assert log.read_text() == ""
    assert not rotate(log, limit=50, files=2)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["web.log", "web.log.1", "web.log.2"]
    assert (tmp_path / "web.log.1").read_text().startswith("round 4 ")
    assert (tmp_path / "web.log.2").read_text().startswith("round 3 ")


def test_children_die_with_a_killed_supervisor(tmp_path):
    code = (
        "import asyncio, pathlib, sys\n"
        "from studio.stack.processes import Supervisor\nfrom studio.stack.programs import Program\n"
        "async def main(where):\n"
        "    it = Supervisor(where / 'log', where / 'processes.json', print)\n"
        "    await it.start(Program('sleeper', (sys.executable, '-c', 'import time; time.sleep(600)')))\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main(pathlib.Path(sys.argv[1])))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=plans.ROOT)
    register = tmp_path / "processes.json"
    try:
        asyncio.run(until(register.exists, "the child's number"))
        child = json.loads(register.read_text())["sleeper"]
    finally:
        parent.kill()
        parent.wait()
    asyncio.run(until(lambda: not psutil.pid_exists(child) or _is_dead(child), "the end of the child"))


# --- refusals of `make up` ------------------------------------------------------------------------------


def start(var: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=plans.ROOT,
        env={**os.environ, "ZAFFRE_VAR": str(var), "DEMO": "0", **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_taken_port_is_named_with_the_way_out(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for wanted in (port, port - 1):
            refused = start(tmp_path / "var", PORT=str(wanted))
            assert refused.returncode == 1
            assert f"Port {port}" in refused.stderr
            assert "make up PORT=" in refused.stderr


@pytest.mark.parametrize("port", ["eighty", "80", "65535"])
def test_a_port_that_cannot_be_meant_is_refused(tmp_path, port):
    refused = start(tmp_path / "var", PORT=port)
    assert refused.returncode == 1
    assert f"PORT={port} cannot be used" in refused.stderr


def test_a_second_start_on_the_same_folder_names_the_first(tmp_path):
    var = tmp_path / "var"
    (var / "run").mkdir(parents=True)
    mine = plans.Plan(var, "127.0.0.1", 8000, node=False, demo=False, reload=False, url="http://localhost:8000")
    with up.only_one(mine):
        refused = start(var, PORT="8000")
    assert refused.returncode == 1
    assert f"process {os.getpid()}, http://localhost:8000" in refused.stderr
    # The lock was ours alone and went with us; its file stays and means nothing.
    assert (var / "run" / "stack.lock").exists()
    with up.only_one(mine):
        pass


# --- set-up ------------------------------------------------------------------------------------------------


def test_a_part_is_made_once_and_again_when_its_source_changes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    source = tmp_path / "lock"
    source.write_text("one")
    made: list[str] = []

    def make() -> None:
        made.append(source.read_text())

    for text in ("one", "one", "two", "two"):
        source.write_text(text)
        setup.once("Install", tmp_path / "stamp", setup.digest([source]), make)
    assert made == ["one", "two"]


def test_a_part_that_failed_is_not_taken_for_done(tmp_path):
    def fail() -> None:
        raise setup.SetupError("no network")

    with pytest.raises(setup.SetupError):
        setup.once("Install", tmp_path / "stamp", "state", fail)
    assert not (tmp_path / "stamp").exists()


def test_a_failing_installer_is_quoted():
    with pytest.raises(setup.SetupError, match=r"exit code 3(.|\n)*index is away"):
        setup.run(sys.executable, "-c", "print('index is away'); raise SystemExit(3)")


# --- commands that run to their end ---------------------------------------------------------------------


async def test_a_command_of_the_example_is_echoed_while_it_runs(tmp_path):
    code = "import sys; print('{}'); print('10%\\r50%\\r100%', file=sys.stderr); print('saved', file=sys.stderr)"
    heard: list[str] = []
    out = await run_to_end([sys.executable, "-c", code], env=dict(os.environ), cwd=tmp_path, echo=heard.append)
    assert (out, heard) == ("{}\n", ["100%", "saved"])


async def test_a_command_that_fails_is_quoted(tmp_path):
    code = "import sys; print('no such model', file=sys.stderr); sys.exit(4)"
    with pytest.raises(StackError, match=r"exited with 4:\nno such model"):
        await run_to_end([sys.executable, "-c", code], env=dict(os.environ), cwd=tmp_path)
