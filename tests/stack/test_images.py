"""Runs in images by real container engines, where this machine has one that works."""

import json
import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.stack import images
from tests.stack.running import until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

ABOUT = """
import json, os, pathlib, sys
from zaffre.core import Run
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/model").write_text("of the image")
Run.get_context().log("loss", 0.5)
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "root": sorted(os.listdir("/")), "attempt": sorted(os.listdir("..")), "pid": os.getpid(),
    "capabilities": int(status["CapEff"], 16), "greeting": os.environ["GREETING"],
}), flush=True)
"""
WAITING = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path("outputs").mkdir(exist_ok=True)
    pathlib.Path("outputs/goodbye").write_text("kept")
    sys.exit(0)
signal.signal(signal.SIGTERM, end if sys.argv[1:] == ["polite"] else signal.SIG_IGN)
print("waiting", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request) -> Iterator[str]:
    reason = images.why_not(request.param)
    if reason:
        pytest.skip(reason)
    yield request.param
    images.forget(request.param)


@pytest.fixture
def node(engine, bring_node, tmp_path):
    """A node that runs images by this engine."""
    others = tmp_path / "others"
    others.mkdir()
    for name in {"podman", "docker"} - {engine}:
        (others / name).write_text("#!/bin/sh\nexit 1\n")
        (others / name).chmod(0o755)
    return bring_node("n", env={"PATH": f"{others}:{os.environ['PATH']}"})


@pytest.fixture
def environment(studio, engine) -> str:
    spec = {"kind": "docker", "image": images.NAME, "variables": {"GREETING": "two words"}}
    made = studio.ask("POST", f"{studio.ws}/environments", {"name": f"image-{engine}", "spec": spec})
    assert made.status in (200, 201), made.body
    return f"image-{engine}"


def processes(run: str) -> list[psutil.Process]:
    """Who lives by the script of the run, in a container or beside one."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.environ().get("ZAFFRE_RUN_ID") == run:
                found.append(one)
        except psutil.Error:
            continue
    return found


def require_nothing_left(engine: str, run: str) -> None:
    until(lambda: not [one for one in images.containers(engine) if run.lower() in one], "the container gone")
    until(lambda: not processes(run), "its processes gone")


def test_code_in_an_image_is_a_run_like_others(studio, engine, node, environment):
    run = studio.submit({"train.py": ABOUT}, environment=environment)
    studio.wait_for(run, "completed")
    told = studio.log(run).decode()
    about = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    assert about["greeting"] == "two words" and about["capabilities"] == 0
    # What the node keeps beside the run's own folders is not in the container, nor is the machine.
    assert about["attempt"] == ["home", "inputs", "spool", "tmp", "work"] and "work" not in about["root"], about
    assert studio.ask("GET", f"{studio.ws}/runs/{run}/metrics").json["metrics"]["loss"]["last"] == 0.5
    kept = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/outputs/model")
    assert kept.body == b"of the image"
    require_nothing_left(engine, run)


@pytest.mark.parametrize(
    ("script", "command", "told"),
    [
        ("raise SystemExit(3)", None, ("script_failed", 3, None)),
        ("import os; os.kill(os.getpid(), 11)", None, ("script_killed", None, 11)),
        ("", ["no-such-program"], None),
    ],
)
def test_how_code_in_an_image_ended_is_told(studio, engine, node, environment, script, command, told):
    more = {"command": command, "script": None} if command else {}
    run = studio.submit({"train.py": script}, environment=environment, **more)
    found = studio.wait_for(run, "failed")
    if told:
        assert (found["reason"]["code"], found["exit_code"], found["signal"]) == told, found
    else:  # which status there is depends on the engine's first process
        assert found["reason"]["code"] == "launch_failed", found
        assert images.NAME in found["reason"]["message"] and "No such file" in found["reason"]["message"]
    require_nothing_left(engine, run)


def test_a_cancel_reaches_the_container_and_ends_it(studio, engine, node, environment):
    polite = studio.submit({"train.py": WAITING}, environment=environment, arguments=["polite"])
    stubborn = studio.submit({"train.py": WAITING}, environment=environment)
    for run in (polite, stubborn):
        studio.wait_for_log(run, b"waiting")
        assert studio.ask("POST", f"{studio.ws}/runs/{run}/cancel", {}).status in (200, 202)
    for run in (polite, stubborn):
        studio.wait_for(run, "canceled")
        require_nothing_left(engine, run)
    kept = studio.ask("GET", f"{studio.ws}/runs/{polite}/artifacts/outputs/goodbye")
    assert kept.body == b"kept"


def test_limits_of_time_and_memory_hold_in_an_image(studio, engine, node, environment):
    late = studio.submit({"train.py": WAITING}, environment=environment, max_duration_seconds=3)
    assert studio.wait_for(late, "failed")["reason"]["code"] == "timeout"
    require_nothing_left(engine, late)
    script = "kept = []\nwhile True:\n    kept.append(bytearray(b'x') * 2**24)\n"
    greedy = studio.submit({"train.py": script}, environment=environment, resources={"memory_gb": 0.25})
    found = studio.wait_for(greedy, "failed")
    assert found["reason"]["code"] == "out_of_memory" and "256 MB" in found["reason"]["message"], found
    require_nothing_left(engine, greedy)


def test_a_container_does_not_outlive_who_watches_it(studio, engine, node, environment):
    """Without its agent the lease runs down; without its supervisor the agent ends what is left."""
    fenced = studio.submit({"train.py": WAITING}, environment=environment)
    studio.wait_for_log(fenced, b"waiting")
    node.kill_agent()
    until(lambda: not processes(fenced), "the code fenced")
    node.start()
    studio.wait_for(fenced, "failed")
    require_nothing_left(engine, fenced)
    alone = studio.submit({"train.py": WAITING}, environment=environment)
    studio.wait_for_log(alone, b"waiting")
    (supervisor,) = (node.folder / "state" / "runs").glob("*/supervisor.pid")
    os.kill(json.loads(supervisor.read_text())["pid"], signal.SIGKILL)
    assert studio.wait_for(alone, "failed")["reason"]["code"] == "supervisor_lost"
    require_nothing_left(engine, alone)
