"""Replicas on a real agent: what the studio wants is alive, what it does not want is gone."""

import http.client
import json
import os
import socket

import psutil
import pytest

from tests.agent.conftest import processes_in

SCORE = """
import json, os
from pathlib import Path

def init():
    global factor
    factor = float((Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())

def run(data):
    asked = json.loads(data)
    if asked == "die":
        os.abort()
    return {"answer": asked * factor, "pid": os.getpid(), "secret": os.environ.get("NODE_SECRET"), "cwd": os.getcwd()}
"""


def want(studio, name: str, score: str = SCORE) -> None:
    with studio.changed:
        studio.replicas[name] = {
            "id": name,
            "endpoint": "digits",
            "deployment": 1,
            "workspace": "lab",
            "model": {"name": "m", "version": 2, "files": studio.keep({"factor.txt": "2.5"})},
            "code": {"snapshot": "s", "files": studio.keep({"score.py": score})},
            "entry_script": "score.py",
            "environment": {"name": "system", "version": 1, "spec": {"kind": "system"}},
        }


def reported(studio, name: str, state: str):
    return studio.wait(
        lambda: studio.reports.get(name) if studio.reports.get(name, {}).get("state") == state else None,
        f"replica {name} is {state}",
        90,
    )


def ask(address: str, value: object) -> dict:
    connection = http.client.HTTPConnection("localhost", timeout=240)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.connect(address.removeprefix("unix:"))
        connection.request("POST", "/score", json.dumps(value), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return json.loads(answer.read())
    finally:
        connection.close()


def test_a_wanted_replica_answers_and_an_unwanted_one_ends(studio, bring_agent):
    agent = bring_agent(studio)
    want(studio, "REP1")
    ready = reported(studio, "REP1", "ready")
    answer = ask(ready["address"], 4)
    assert (answer["answer"], answer["secret"]) == (10.0, None)
    assert answer["cwd"].endswith("azureml-app")
    with pytest.raises(AssertionError):
        ask(ready["address"], "four")
    studio.wait(lambda: "can't multiply" in studio.reports["REP1"]["log_tail"], "what the script raised is told")
    assert studio.reports["REP1"]["state"] == "ready"
    with studio.changed:
        studio.replicas.clear()
    studio.wait(lambda: not psutil.pid_exists(answer["pid"]), "the replica ends")
    with pytest.raises(OSError):
        ask(ready["address"], 1)
    assert agent.stop() == 0


def test_a_replica_that_dies_is_started_again(studio, bring_agent):
    bring_agent(studio)
    want(studio, "REP1")
    address = reported(studio, "REP1", "ready")["address"]
    pid = ask(address, 1)["pid"]
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(address, "die")
    studio.wait(lambda: not psutil.pid_exists(pid), "the process died")
    reported(studio, "REP1", "starting")
    address = reported(studio, "REP1", "ready")["address"]
    assert ask(address, 2)["pid"] != pid


@pytest.mark.parametrize(
    ("score", "word"),
    [
        ("def init():\n    raise ValueError('no such model')\n\ndef run(data):\n    return 1\n", "no such model"),
        ("def init():\n    pass\n", "no function run"),
    ],
)
def test_a_script_that_cannot_serve_is_failed_with_its_log(studio, bring_agent, score, word):
    bring_agent(studio)
    want(studio, "BAD1", score)
    want(studio, "GOOD1")
    failed = reported(studio, "BAD1", "failed")
    assert word in failed["log_tail"] and failed["reason"] and not failed["address"]
    assert ask(reported(studio, "GOOD1", "ready")["address"], 2)["answer"] == 5.0


def test_replicas_die_with_their_agent_and_come_back_with_it(studio, bring_agent):
    agent = bring_agent(studio)
    want(studio, "REP1")
    pid = ask(reported(studio, "REP1", "ready")["address"], 1)["pid"]
    agent.kill()
    studio.wait(lambda: not psutil.pid_exists(pid), "the replica dies with its agent")
    with studio.changed:
        studio.reports.clear()
    agent.start()
    assert ask(reported(studio, "REP1", "ready")["address"], 1)["pid"] != pid


def test_a_node_without_its_lease_serves_nothing(studio, bring_agent):
    studio.lease = studio.settings["lease"] = 8.0
    agent = bring_agent(studio)
    want(studio, "REP1")
    pid = ask(reported(studio, "REP1", "ready")["address"], 1)["pid"]
    studio.away = True
    studio.wait(lambda: not psutil.pid_exists(pid), "the replica ends with the lease")
    with studio.changed:
        studio.away = False
        studio.reports.clear()
    assert ask(reported(studio, "REP1", "ready")["address"], 1)["pid"] != pid
    assert agent.stop() == 0
    assert not [one for one in processes_in(agent.folder) if one.pid != os.getpid()]
