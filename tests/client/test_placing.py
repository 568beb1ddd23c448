"""The words about queues and quotas: `zaffre run prioritize|give-up`, `zaffre compute queue|quota`."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.client.studio import RUN, Reply, W

QUEUE = {
    "count": 3,
    "more": 2,
    "waiting": [
        {
            "id": RUN,
            "name": "calm river",
            "position": 1,
            "priority": 5,
            "asks": "2 CPUs",
            "since": None,
            "submitted_by": "Olga",
            "code": "no_capacity",
            "message": "No node has room.",
            "may_set": True,
        }
    ],
    "nodes": [
        {
            "name": "n1",
            "online": True,
            "draining": False,
            "free": "1 CPU",
            "runs": [{"id": "R2", "name": "big", "status": "running", "asks": "3 CPUs", "since": None}],
        },
        {"name": "n2", "online": False, "draining": False, "free": "4 CPUs", "runs": []},
    ],
}
_NONE = dict.fromkeys(("runs", "cpus", "gpus", "nodes"))
_USED = {"runs": 2, "cpus": 1.5, "gpus": 0, "nodes": 1}
QUOTAS = {
    "site": {**_NONE, "runs": 8},
    "workspace": _NONE,
    "everybody": _NONE,
    "used": _USED,
    "people": [{"user": "olga", "name": "Olga", "used": _USED, "limits": {**_NONE, "cpus": 4}, "own": True}],
    "may_change": True,
    "may_limit": False,
}


def test_a_run_gets_another_priority(studio, zaffre):
    told = studio.new_run(queue={"position": 1})
    address = f"{W}/runs/{RUN}/priority"
    studio.next(f"PUT {address}", *[Reply(200, {**told, "priority": 7})] * 2, Reply(200, {**told, "priority": -3}))
    done = zaffre("run", "prioritize", RUN, "7")
    assert (done.returncode, done.stdout) == (0, "Priority 7, number 1 in the line\n"), done.stderr
    assert studio.asked("PUT", address)[0].json == {"priority": 7}
    assert json.loads(zaffre("run", "prioritize", RUN, "7", "--json").stdout)["priority"] == 7
    assert zaffre("run", "prioritize", RUN, "-3").stdout.startswith("Priority -3")
    assert studio.asked("PUT", address)[2].json == {"priority": -3}
    assert zaffre("run", "prioritize", RUN, "high").returncode == 2


def test_a_silent_attempt_is_given_up(studio, zaffre):
    told = studio.new_run(status="queued", reason={"code": "node_lost", "message": "n1 did not respond."})
    address = f"{W}/runs/{RUN}/give-up"
    refused = {"error": {"code": "node_answers", "message": "Its node answers.", "hint": "Cancel the run."}}
    studio.next(f"POST {address}", Reply(200, told), Reply(409, refused))
    done = zaffre("run", "give-up", RUN)
    assert (done.returncode, done.stdout) == (0, "queued. n1 did not respond.\n"), done.stderr
    done = zaffre("run", "give-up", RUN)
    assert done.returncode == 1
    assert "Its node answers." in done.stderr and "Cancel the run." in done.stderr


def test_a_run_whose_node_is_silent_is_told_from_one_that_works(studio, zaffre):
    studio.new_run(status="running", reachable=True)
    assert "respond" not in zaffre("run", "show", RUN).stdout + zaffre("run", "list").stdout
    studio.new_run(status="running", reachable=False)
    assert "does not respond" in zaffre("run", "show", RUN).stdout
    assert "  not responding  " in zaffre("run", "list").stdout


def test_a_run_that_waits_says_where_and_why(studio, zaffre):
    studio.new_run(status="queued", queue={"position": 3, "code": "no_capacity", "message": "All 2 slots are busy."})
    assert "number 3 in the line. All 2 slots are busy." in zaffre("run", "show", RUN).stdout
    studio.new_run(git={"branch": "main", "commit": "0123456789abcdef", "dirty": True})
    assert "main @ 01234567, with changes that no commit holds" in zaffre("run", "show", RUN).stdout


def test_an_instance_says_when_it_stops(studio, zaffre):
    soon = (datetime.now(UTC) + timedelta(hours=1, minutes=59)).isoformat()
    told = {"name": "desk", "kind": "instance", "state": "Running", "description": "of the lab", "nodes": []}
    studio.next(f"GET {W}/compute/desk", *[Reply(200, {**told, "stops_at": at}) for at in (soon, None)])
    shown = zaffre("compute", "show", "desk").stdout
    assert "in 1 h" in shown and "if nothing runs there until then" in shown and "of the lab" in shown
    assert "until then" not in zaffre("compute", "show", "desk").stdout


def test_the_queue_of_a_target(studio, zaffre):
    studio.next(f"GET {W}/compute/local/queue", *[Reply(200, QUEUE)] * 2)
    done = zaffre("compute", "queue", "local")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1][:4] == ["1", RUN, "calm", "river"] and "No node has room." in done.stdout
    assert any(line[:6] == ["n1", "1", "CPU", "R2", "big", "running"] for line in lines)
    assert any(line[:3] == ["n2", "4", "CPUs"] for line in lines)
    assert "2 more wait after these." in done.stderr
    as_json = zaffre("compute", "queue", "local", "--json")
    assert json.loads(as_json.stdout) == QUEUE and as_json.stderr == ""


def test_an_empty_queue(studio, zaffre):
    studio.next(f"GET {W}/compute/local/queue", Reply(200, {"count": 0, "more": 0, "waiting": [], "nodes": []}))
    assert zaffre("compute", "queue", "local").stdout == "Nothing waits.\n\nThere is no node yet.\n"


def test_what_is_used_and_the_limits(studio, zaffre):
    studio.next(f"GET {W}/quotas", Reply(200, QUOTAS))
    done = zaffre("compute", "quota")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["the", "site's", "limit", "2", "of", "8", "1.5", "0", "1"] in rows
    assert ["olga", "2", "1.5", "of", "4", "0", "1"] in rows


@pytest.mark.parametrize(
    ("words", "scope", "user"),
    [
        (["--workspace-limit"], "workspace", ""),
        (["--site-limit"], "site", ""),
        (["--each"], "user", ""),
        (["--user", "olga"], "user", "olga"),
    ],
)
def test_a_limit_is_set(studio, zaffre, words, scope, user):
    studio.next(f"PUT {W}/quotas", Reply(200, QUOTAS))
    done = zaffre("compute", "quota", *words, "--runs", "3", "--gpus", "0", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, QUOTAS), done.stderr
    (call,) = studio.asked("PUT", f"{W}/quotas")
    assert call.json == {"scope": scope, "user": user, "runs": 3, "cpus": None, "gpus": 0, "nodes": None}


def test_a_limit_of_nobody_is_refused(studio, zaffre):
    done = zaffre("compute", "quota", "--runs", "3")
    assert done.returncode == 1 and "Whose limit" in done.stderr and "--each" in done.stderr
    assert zaffre("compute", "quota", "--each", "--site-limit").returncode == 2
    assert not studio.asked("PUT", f"{W}/quotas")
