"""The studio's own processes die in the middle of the work: it costs time, and nothing else."""

import json
import os
import shutil
import signal

import pytest

from tests.stack.nodes import REPORTING
from tests.stack.running import until
from tests.stack.test_lost_nodes import expected_log

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

COUNTING = """
import time
from zaffre.core import Run

run = Run.get_context()
for number in range(200):
    run.log("number", number, step=number)
    print(f"line {number:05d}", flush=True)
    time.sleep(0.05)
print("DONE after 200", flush=True)
"""


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["orderly", "killed"])
def test_a_web_restart_is_invisible_to_a_run(studio, bring_node, sig):
    bring_node("a")
    run = studio.submit({"train.py": COUNTING})
    studio.wait_for_log(run, b"line 00030")
    studio.restart("web", sig)
    studio.wait_until_ready()
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 1
    expected_log(studio.log(run))
    series = studio.ask("GET", f"{studio.ws}/runs/{run}/series?key=number&points=1000").json["series"]["number"]
    assert series["step"] == series["value"] == list(range(200))


def test_a_run_that_ends_while_the_web_is_away_is_complete_afterwards(studio, bring_node, witness):
    bring_node("a")
    run = studio.submit({"train.py": REPORTING}, arguments=[str(witness.path), "2"])
    until(lambda: witness.lives(1), "the first sign of the script")
    for _ in range(4):  # the supervisor brings it back each time; for a while there is none
        studio.restart("web")
    studio.wait_until_ready()
    studio.wait_for(run, "completed")
    assert len(witness.spans()) == 1
    expected_log(studio.log(run))


@pytest.mark.parametrize("name", ["relay", "worker"])
def test_a_killed_relay_or_worker_loses_no_run(studio, bring_node, name):
    runs = [studio.submit({"train.py": "print('hello')"}) for _ in range(3)]
    studio.restart(name)
    bring_node("a")
    for run in runs:
        assert studio.wait_for(run, "completed")["attempt"] == 1


def test_queued_runs_survive_an_emptied_redis(studio, bring_node, witness):
    runs = [studio.submit({"train.py": REPORTING}, arguments=[str(witness.path), "0.2"]) for _ in range(4)]
    pid = studio.pid("valkey")
    shutil.rmtree(studio.var / "valkey" / "appendonlydir")
    studio.restart("valkey")
    assert studio.pid("valkey") != pid
    bring_node("a")
    for run in runs:
        assert studio.wait_for(run, "completed")["attempt"] == 1
    assert len(witness.spans()) == len(runs), "each was executed once"


def test_a_redis_that_restarts_under_a_node_stops_nothing(studio, bring_node):
    bring_node("a")
    before = studio.submit({"train.py": COUNTING})
    studio.wait_for_log(before, b"line 00010")
    studio.restart("valkey")
    after = studio.submit({"train.py": "print('after')"})
    studio.wait_for(after, "completed")
    studio.wait_for(before, "completed")
    expected_log(studio.log(before))


def test_a_process_that_is_asked_writes_what_its_threads_do_into_its_log(studio):
    pid = studio.pid("web")
    said = studio.doing("web")
    assert "Current thread 0x" in said and "pg_stat_activity" in said
    assert studio.pid("web") == pid, "it goes on"


def test_readiness_names_what_is_missing(studio):
    assert studio.ask("GET", "/readyz", token=None).json == {"status": "ok"}
    valkey = studio.pid("valkey")
    os.kill(valkey, signal.SIGSTOP)
    try:
        answer = until(lambda: _unready(studio), "/readyz answers 503")
        assert list(answer["missing"]) == ["redis"]
        assert studio.ask("GET", "/healthz", token=None).status == 200
    finally:
        os.kill(valkey, signal.SIGCONT)
    studio.wait_until_ready()


def _unready(studio):
    answer = studio.ask("GET", "/readyz", token=None)
    return json.loads(answer.body) if answer.status == 503 else None
