"""What was accepted is durable, done once and ended for good, whatever restarts meanwhile."""

import contextlib
import random
import signal
import threading
import time
from uuid import uuid4

import psutil
import pytest

from tests.stack.nodes import REPORTING
from tests.stack.running import FINAL, GRACE, until
from tests.stack.test_lost_nodes import expected_log

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def body_of(studio, witness, snapshot: str) -> dict:
    config = {"script": "train.py", "arguments": [str(witness.path), "0.1"], "target": "local", "environment": "system"}
    return {"experiment": "faults", "snapshot": snapshot, "config": config}


def test_every_answered_submit_is_run_once_whatever_dies_meanwhile(studio, bring_node, witness):
    snapshot = studio.upload({"train.py": REPORTING})
    accepted: set[str] = set()
    stop = threading.Event()

    def submit() -> None:
        while not stop.is_set():
            key = str(uuid4())
            for _ in range(60):  # the same key until there is an answer: a repeat makes no second run
                with contextlib.suppress(OSError):
                    made = studio.ask(
                        "POST",
                        f"{studio.ws}/runs",
                        body_of(studio, witness, snapshot),
                        headers={"Idempotency-Key": key},
                    )
                    if made.status == 201:
                        accepted.add(made.json["id"])
                        break
                time.sleep(0.25)
            time.sleep(0.3)

    clients = [threading.Thread(target=submit) for _ in range(2)]
    for one in clients:
        one.start()
    for name in ("web", "relay", "web", "worker", "valkey"):
        studio.restart(name)
        time.sleep(0.7)
    studio.wait_until_ready()
    until(lambda: len(accepted) > 5, "some answers")
    stop.set()
    for one in clients:
        one.join(timeout=60)
    bring_node("a")
    for run in accepted:
        assert studio.wait_for(run, "completed")["attempt"] == 1
    assert len(witness.spans()) == len(accepted), "each was executed once"


def test_a_repeated_key_with_another_body_is_refused(studio):
    key = {"Idempotency-Key": str(uuid4())}
    snapshot = studio.upload({"train.py": "print(1)"})
    body = {"experiment": "faults", "snapshot": snapshot, "config": {"script": "train.py", "target": "local"}}
    first, again = (studio.ask("POST", f"{studio.ws}/runs", body, headers=key) for _ in range(2))
    assert (first.status, first.json["id"]) == (201, again.json["id"])
    assert studio.ask("POST", f"{studio.ws}/runs", {**body, "experiment": "other"}, headers=key).status == 422
    studio.ask("POST", f"{studio.ws}/runs/{first.json['id']}/cancel", {})


def test_a_daemon_that_holds_the_output_does_not_hold_the_run(studio, bring_node):
    bring_node("a")
    script = """
import os, subprocess, sys
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
one = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
print("daemon", one.pid, flush=True)
"""
    run = studio.submit({"train.py": script})
    done = studio.wait_for(run, "completed")
    assert done["exit_code"] == 0
    pid = int(studio.log(run).split()[1])
    until(lambda: not _is_ours(pid), "the end of the daemon")


def _is_ours(pid: int) -> bool:
    """Whether this process sleeps as the daemon does: the number of one in a namespace is another's here."""
    with contextlib.suppress(psutil.Error):
        return "time.sleep(600)" in " ".join(psutil.Process(pid).cmdline())
    return False


def test_a_cancel_at_any_moment_has_one_end_that_stays(studio, bring_node, witness):
    bring_node("a")
    chance = random.Random(11)
    snapshot = studio.upload(
        {"train.py": "import time\nprint('begun', flush=True)\ntime.sleep(0.4)\nprint('DONE', flush=True)\n"}
    )
    runs = []
    for _ in range(24):
        body = body_of(studio, witness, snapshot)
        runs.append(studio.ask("POST", f"{studio.ws}/runs", body).json["id"])
    waiting = list(runs)
    chance.shuffle(waiting)
    for run in waiting:
        time.sleep(chance.random() * 0.3)
        told = [studio.ask("POST", f"{studio.ws}/runs/{run}/cancel", {}).status for _ in range(2)]
        assert all(status in (200, 202, 409) for status in told)
    ends = {run: studio.wait_for(run, *FINAL) for run in runs}
    time.sleep(3)
    for run, end in ends.items():
        now = studio.run(run)
        assert now["status"] == end["status"] and now["status"] in ("completed", "canceled")
        if now["status"] == "completed":
            assert b"DONE" in studio.log(run)
        if now["attempt"] == 0:
            assert now["status"] == "canceled" and studio.log(run) == b""


def test_the_time_limit_is_kept_when_the_code_ignores_it(studio, bring_node):
    bring_node("a")
    script = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(300)\n"
    )
    run = studio.submit({"train.py": script}, max_duration_seconds=3)
    begun = time.monotonic()
    done = studio.wait_for(run, "failed")
    assert done["reason"]["code"] == "timeout"
    assert time.monotonic() - begun >= 3


CHECKPOINTS = """
import os, signal, sys, time
def leave(*_):
    os.makedirs("outputs", exist_ok=True)
    open("outputs/checkpoint.txt", "w").write("step 7")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("training", flush=True)
if os.environ["ZAFFRE_ATTEMPT"] != "1":
    sys.exit(0)
while True:
    time.sleep(0.05)
"""


def test_a_node_that_is_stopped_gives_its_run_to_another_with_its_checkpoint(studio, bring_node):
    node = bring_node("a")
    run = studio.submit({"train.py": CHECKPOINTS}, max_retries=1)
    studio.wait_for_log(run, b"training")
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(timeout=30) == 0
    kept = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/outputs/checkpoint.txt")
    assert (kept.status, kept.body) == (200, b"step 7")
    bring_node("b")
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 2, "a stopped machine is not the run's fault"


def test_an_orderly_stop_of_every_part_costs_a_run_nothing(studio, bring_node, witness):
    bring_node("a")
    run = studio.submit({"train.py": REPORTING}, arguments=[str(witness.path), str(4 * GRACE)])
    until(lambda: witness.lives(1), "the first sign of the script")
    for name in ("worker", "relay", "web", "gateway"):
        studio.restart(name, signal.SIGTERM)
    studio.wait_until_ready()
    assert studio.wait_for(run, "completed")["attempt"] == 1
    assert len(witness.spans()) == 1
    expected_log(studio.log(run))
