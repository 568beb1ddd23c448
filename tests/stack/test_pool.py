"""A cluster of two machines over SSH, everything real: it grows onto them, loses one, and gives both back."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.sshd import MISSING, Sshd, running_sshd
from tests.stack.running import Studio, until
from tests.stack.test_attached import of_agent

pytestmark = [pytest.mark.stack, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

SLOW = "import time\nfor n in range(80):\n    print(f'line {n}', flush=True)\n    time.sleep(0.1)\n"


@pytest.fixture
def machines(tmp_path):
    with running_sshd(tmp_path / "one") as one, running_sshd(tmp_path / "two") as two:
        yield [one, two]
        for machine in (one, two):
            for pid in of_agent(machine):
                os.kill(pid, signal.SIGKILL)


def hosts(studio: Studio) -> list[dict]:
    return studio.ask("GET", f"{studio.ws}/compute/few/hosts").json["hosts"]


def states(studio: Studio) -> list[str]:
    return [one["state"] for one in hosts(studio)]


@pytest.mark.timeout(900)
def test_a_pool_from_its_making_until_nothing_is_left(studio: Studio, machines: list[Sshd]):
    one, two = machines
    # The second one lets another key in, and does not know the studio's address.
    assert studio.ask("POST", f"{studio.ws}/secrets", {"name": "two-key", "value": two.key()}).status < 300
    body = {
        "hosts": [f"127.0.0.1:{one.port}", f"127.0.0.1:{two.port} secret=two-key", "127.0.0.1:1"],
        "username": one.user,
        "private_key": one.key(),
        "settings": {"max_nodes": 2, "idle_seconds_before_scaledown": 2},
    }
    made = studio.ask("POST", f"{studio.ws}/compute/few/pool", body)
    assert made.status == 201, made.body
    until(lambda: states(studio)[:2] == ["confirm", "confirm"], "both show their keys")
    assert [found["shown_key"] for found in hosts(studio)[:2]] == [one.fingerprint, two.fingerprint]
    at = f"{studio.ws}/compute/few/hosts/{hosts(studio)[1]['id']}"
    assert studio.ask("PATCH", at, {"forward": True}).status == 200
    for found in hosts(studio)[:2]:
        at = f"{studio.ws}/compute/few/hosts/{found['id']}/confirm"
        assert studio.ask("POST", at, {"fingerprint": found["shown_key"]}).status == 200
    until(lambda: states(studio)[:2] == ["free", "free"], "the client is on both")
    assert hosts(studio)[2]["reason"]["code"] == "connection_refused"

    runs = [studio.submit({"train.py": SLOW}, target="few", experiment="pool") for _ in range(2)]
    until(lambda: states(studio)[:2] == ["busy", "busy"], "each run has a machine")
    told = [Path(found["folder"]) / "node.json" for found in hosts(studio)[:2]]
    until(lambda: all(path.exists() for path in told), "both agents know where the studio is")
    urls = [json.loads(path.read_text())["url"] for path in told]
    assert urls[0] != urls[1] and urls[1].startswith("http://127.0.0.1:"), "through a port of the connection"
    for run in runs:
        studio.wait_for(run, "completed")
        assert studio.run(run)["attempt"] == 1
    assert all(of_agent(machine) for machine in machines)
    until(lambda: states(studio)[:2] == ["free", "free"], "both are given back")
    until(lambda: not of_agent(one) and not of_agent(two), "no agent is left")
    folder = Path(hosts(studio)[0]["folder"])
    assert (folder / "venv").is_dir() and not (folder / "state").exists() and not (folder / "node.json").exists()

    one.stop()
    run = studio.submit({"train.py": "print(1)"}, target="few", experiment="pool")
    studio.wait_for(run, "completed")
    assert hosts(studio)[0]["state"] == "unreachable", "another machine was taken"
    assert hosts(studio)[0]["reason"]["code"] == "connection_refused"
    one.start()

    until(lambda: studio.ask("DELETE", f"{studio.ws}/compute/few").status == 204, "it is deleted")
    until(lambda: not folder.exists(), "its folder is gone")
    log = (studio.var / "log" / "nodes.log").read_text(errors="replace")
    assert one.key().splitlines()[1] not in log
