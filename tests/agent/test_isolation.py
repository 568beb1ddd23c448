"""What a run can reach on its node: its own folders, and nothing of others. The sandboxes are real."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.agent.conftest import CLIENT, processes_in
from zaffre.agent import sandbox
from zaffre.agent.rundir import socket_folder


def sandboxes_work() -> bool:
    found = sandbox.binary()
    if found is None:
        return False
    place = Path("/tmp") / f"zaffre-probe-{os.getpid()}"
    try:
        return sandbox.works(found, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


pytestmark = pytest.mark.skipif(not sandboxes_work(), reason="bubblewrap (bwrap) makes no sandbox on this machine")

#: Looks at every path that it is told, and says of each whether it is there.
LOOKING = """
import json, os, sys
found = {path: os.path.lexists(path) for path in sys.argv[1:]}
told = {"found": found, "pid": os.getpid(), "processes": [n for n in os.listdir("/proc") if n.isdigit()]}
told["caps"] = [l for l in open("/proc/self/status").read().splitlines() if l.startswith(("CapEff", "CapBnd"))]
told["tmp"] = os.listdir("/tmp")
open("/tmp/mine", "w").write("x")
os.makedirs("outputs", exist_ok=True)
open("outputs/model.txt", "w").write("kept")
for place in ("/etc/zaffre-test", "/usr/zaffre-test", sys.prefix + "/zaffre-test"):
    try:
        open(place, "w")
        told["wrote"] = place
    except OSError:
        pass
print(json.dumps(told))
"""


def told(run) -> dict:
    assert run.status == "completed", (run.result, run.log)
    return json.loads(run.log)


def test_a_run_sees_its_own_folders_and_none_of_others(studio, bring_agent, tmp_path):
    other_home = tmp_path / "home" / "olga"
    other_home.mkdir(parents=True)
    (other_home / "key").write_text("secret")
    agent = bring_agent(studio, isolation="bubblewrap")
    waiting = studio.submit({"train.py": "import time; time.sleep(600)"})
    studio.wait(lambda: waiting.status == "running", "the other run")
    state = agent.folder / "state"
    theirs = [
        state / "runs" / f"{waiting.id}.1" / "work",
        state / "runs" / f"{waiting.id}.1" / "spec.json",
        state / "identity.json",
        socket_folder(state),
        agent.folder / "node.json",
        agent.folder / "cache" / "blobs",
        other_home / "key",
        Path(__file__).resolve().parents[2] / "manage.py",
        Path.home() / ".bashrc",
        Path("/etc/shadow"),
    ]
    for path in theirs[:8]:
        assert path.exists(), f"{path} would be hidden from nobody"
    run = studio.submit({"train.py": LOOKING}, arguments=[str(path) for path in theirs])
    said = told(studio.wait_final(run))
    assert [path for path, there in said["found"].items() if there] == []
    assert int(said["pid"]) < 10 and len(said["processes"]) < 6, "it counts the processes of the machine"
    assert {line.split()[1] for line in said["caps"]} == {"0" * 16}
    assert set(said["tmp"]) <= {agent.folder.parts[2]}, "its own /tmp holds at most the way to its own folders"
    assert "wrote" not in said
    assert not Path("/tmp/mine").exists()
    assert studio.blobs[run.artifacts["outputs/model.txt"]] == b"kept"


def test_what_a_run_is_given_can_be_read_and_not_written(studio, bring_agent):
    script = """
import os
place = os.environ["ZAFFRE_INPUT_MY_DATA"]
print(open(place + "/part.csv").read())
for path in (place + "/part.csv", place + "/new", os.environ["PYTHONPATH"] + "/zaffre/__init__.py"):
    try:
        open(path, "a")
        print("wrote", path)
    except OSError:
        pass
import zaffre.core
"""
    bring_agent(studio, isolation="bubblewrap")
    run = studio.submit({"train.py": script}, inputs={"my-data": {"part.csv": "1,2,3"}})
    studio.wait_final(run)
    assert (run.status, run.log) == ("completed", b"1,2,3\n")


#: A child that ignores SIGTERM, and a daemon by a double fork in a session of its own.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        print("all there", flush=True)
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


def test_nothing_of_a_canceled_run_lives_on_in_its_sandbox(studio, bring_agent):
    agent = bring_agent(studio, isolation="bubblewrap")
    run = studio.submit({"train.py": STUBBORN})
    studio.wait(lambda: b"all there" in run.log, "the daemon")
    assert len(processes_in(agent.folder / "state" / "runs")) > 3
    run.desired = "cancel"
    studio.wait_final(run)
    assert run.status == "canceled"
    assert processes_in(agent.folder / "state" / "runs") == []


@pytest.mark.parametrize(("code", "expected"), [("sys.exit(3)", (3, None)), ("os.kill(os.getpid(), 11)", (None, 11))])
def test_the_end_of_code_in_a_sandbox_is_seen_exactly(studio, bring_agent, code, expected):
    bring_agent(studio, isolation="bubblewrap")
    run = studio.wait_final(studio.submit({"train.py": f"import os, sys\n{code}"}))
    assert run.result is not None and (run.result["exit_code"], run.result["signal"]) == expected


def test_code_may_save_its_work_when_it_is_asked_to_end(studio, bring_agent):
    script = """
import os, signal, sys, time
def leave(*_):
    os.makedirs("outputs", exist_ok=True)
    open("outputs/checkpoint", "w").write("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(600)
"""
    bring_agent(studio, isolation="bubblewrap")
    run = studio.submit({"train.py": script})
    studio.wait(lambda: b"ready" in run.log, "the handler")
    run.desired = "cancel"
    studio.wait_final(run)
    assert run.status == "canceled" and "outputs/checkpoint" in run.artifacts


def test_a_sandbox_ends_with_its_supervisor(studio, bring_agent):
    agent = bring_agent(studio, isolation="bubblewrap")
    run = studio.submit({"train.py": STUBBORN})
    studio.wait(lambda: b"all there" in run.log, "the daemon")
    place = agent.folder / "state" / "runs" / f"{run.id}.1"
    supervisor = psutil.Process(json.loads((place / "supervisor.pid").read_text())["pid"])
    left = [one for one in processes_in(agent.folder / "state" / "runs") if one.pid != supervisor.pid]
    assert len(left) > 3
    supervisor.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(left, 10)
    assert alive == []
    studio.wait_final(run)
    assert run.result is not None and run.result["reason"] == "supervisor_lost"


def test_a_node_that_cannot_isolate_as_it_was_told_does_not_start(tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    words = ["start", "--join", "http://127.0.0.1:9", "token", "--dir", str(tmp_path / "node")]
    words += ["--isolation", "bubblewrap"]
    done = subprocess.run(
        [sys.executable, "-m", "zaffre.agent", *words],
        env={"PATH": str(empty), "PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 2 and "is not installed" in done.stderr
