"""A cluster of real processes: it grows for runs that wait, loses the process that keeps it, and shrinks to nothing."""

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.stack.running import Studio, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
SLOW = "import sys, time\nfor n in range(int(sys.argv[1])):\n    print(f'line {n}', flush=True)\n    time.sleep(0.1)\n"


@pytest.fixture
def cluster(studio: Studio) -> Iterator[str]:
    body = {
        "name": "few",
        "kind": "cluster",
        "settings": {"max_nodes": 2, "idle_seconds_before_scaledown": 1, "node": {"slots": 1}},
    }
    made = studio.ask("POST", f"{studio.ws}/compute", body)
    assert made.status == 201, made.body
    yield "few"
    for run in studio.ask("GET", f"{studio.ws}/runs?limit=50").json["runs"]:
        studio.ask("POST", f"{studio.ws}/runs/{run['id']}/cancel", {})
    until(lambda: studio.ask("DELETE", f"{studio.ws}/compute/few").status in {204, 404}, "the cluster is deleted")
    until(lambda: not agents(studio), "its nodes are gone")


def agents(studio: Studio) -> dict[str, int]:
    """{node: pid} of the agents that run."""
    found = {}
    for folder in (studio.var / "nodes").glob("*"):
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            pid = int((folder / "process").read_text().split()[0])
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found[folder.name] = pid
    return found


def test_it_grows_survives_its_keeper_and_shrinks(studio: Studio, cluster: str):
    runs = [
        studio.submit({"slow.py": SLOW}, script="slow.py", arguments=["80"], target=cluster, experiment="grows")
        for _ in range(3)
    ]
    most = 0

    def both_run() -> bool:
        nonlocal most
        most = max(most, len(agents(studio)))
        return sum(studio.run(run)["status"] == "running" for run in runs) == 2

    until(both_run, "two nodes run two of the three runs")

    def counted() -> tuple[int, int, int]:
        shown = studio.ask("GET", f"{studio.ws}/compute/{cluster}").json
        counts = shown["status"]["nodeStateCounts"]
        return shown["status"]["currentNodeCount"], counts["runningNodeCount"], shown["waiting"]

    # A node on a machine that is busy may be heard a little late, and is not counted until it is.
    until(lambda: counted() == (2, 2, 1), "two nodes run, one run waits")
    before = agents(studio)

    keeper = studio.pid("nodes")
    os.kill(keeper, signal.SIGKILL)
    until(lambda: studio.pid("nodes") != keeper and psutil.pid_exists(studio.pid("nodes")), "it is started again")
    assert agents(studio) == before, "no node died with it"

    for run in runs:
        shown = studio.wait_for(run, "completed")
        assert shown["attempt"] == 1, "nothing was disturbed"
        most = max(most, len(agents(studio)))
    assert most == 2

    def gone() -> bool:
        shown = studio.ask("GET", f"{studio.ws}/compute/{cluster}").json
        return not agents(studio) and not shown["nodes"]

    until(gone, "it shrinks to nothing")
    until(lambda: not list((studio.var / "nodes").glob("*")), "their folders are gone, too")
    told = studio.ask("GET", f"{studio.ws}/compute/{cluster}/happenings").json["happenings"]
    codes = [one["code"] for one in told]
    assert codes.count("node_added") == codes.count("node_ready") == codes.count("node_gone")
    assert codes.count("node_added") >= 2


def test_an_agent_that_is_killed_comes_back_and_its_run_goes_on(studio: Studio, cluster: str):
    run = studio.submit({"slow.py": SLOW}, script="slow.py", arguments=["120"], target=cluster, experiment="killed")
    studio.wait_for(run, "running")
    [(node, pid)] = agents(studio).items()
    os.kill(pid, signal.SIGKILL)
    until(lambda: agents(studio).get(node) not in (None, pid), "the same node has a new agent")
    shown = studio.wait_for(run, "completed")
    assert shown["attempt"] == 1
    assert studio.log(run).count(b"line ") == 120
