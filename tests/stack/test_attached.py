"""A machine over SSH with everything real: sshd, installation, agent, runs, a killed agent, and nothing left behind."""

import os
import signal
from pathlib import Path

import pytest

from tests.sshd import MISSING, Sshd, running_sshd
from tests.stack.running import Studio, until

pytestmark = [pytest.mark.stack, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

SECRET = "plum-Tree-4711"
SCRIPT = """
import os
from zaffre.core import Run
run = Run.get_context()
assert os.environ["DB_PASSWORD"] == run.get_secret("db")
print(len(os.environ["DB_PASSWORD"]), run.get_secrets(["nothing"]), os.getcwd())
"""


def state(studio: Studio, name: str) -> dict:
    return studio.ask("GET", f"{studio.ws}/compute/{name}/attachment").json


def is_in(studio: Studio, name: str, *states: str, seconds: float = 180) -> dict:
    def look() -> dict | None:
        found = state(studio, name)
        assert found["state"] != "failed" or "failed" in states, found
        return found if found["state"] in states else None

    return until(look, f"{name} is {states}", seconds=seconds)


@pytest.fixture
def sshd(tmp_path):
    with running_sshd(tmp_path / "sshd") as found:
        yield found
        for pid in of_agent(found):
            os.kill(pid, signal.SIGKILL)


def of_agent(sshd: Sshd) -> list[int]:
    """Processes that work in the machine's home."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(sshd.home) in words:
            found.append(int(place.name))
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("forward", [False, True], ids=["by its own way", "through our connection"])
def test_a_machine_from_the_first_contact_until_nothing_is_left(studio, sshd, forward):
    name = f"box-{int(forward)}"
    at = f"{studio.ws}/compute/{name}/attachment"
    given = {"address": "127.0.0.1", "port": sshd.port, "username": sshd.user, "private_key": sshd.key()}
    made = studio.ask("POST", at, {**given, "forward": forward})
    assert made.status == 201, made.body
    assert is_in(studio, name, "confirm")["shown_key"] == sshd.fingerprint
    studio.ask("POST", f"{at}/confirm", {"fingerprint": sshd.fingerprint})
    found = is_in(studio, name, "running")
    assert all(one["state"] == "done" for one in found["steps"])
    folder = Path(found["folder"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "node.json").stat().st_mode & 0o777 == 0o600

    studio.ask("POST", f"{studio.ws}/secrets", {"name": "db", "value": SECRET})
    run = studio.submit({"train.py": SCRIPT}, target=name, secrets=["DB_PASSWORD=db"])
    studio.wait_for(run, "completed")
    log = studio.log(run)
    assert str(folder).encode() in log
    assert SECRET.encode() not in log
    assert not any(SECRET in path.read_text(errors="replace") for path in studio.var.glob("log/*"))

    (pid,) = [int((folder / "agent.pid").read_text())]
    os.kill(pid, signal.SIGKILL)
    until(lambda: (folder / "agent.pid").read_text().strip() not in {"", str(pid)}, "another agent")
    studio.wait_for(studio.submit({"train.py": "print(1)"}, target=name), "completed")
    nodes = studio.ask("GET", f"{studio.ws}/compute/{name}").json["nodes"]
    assert len(nodes) == 1, "the same node again"

    if not forward:
        sshd.stop()
        studio.wait_for(studio.submit({"train.py": "print(2)"}, target=name), "completed")
        # The run needed no connection of ours: the machine stays one that works, and what is wrong is told with it.
        until(lambda: state(studio, name)["reason"], "somebody looked for the machine in vain")
        assert is_in(studio, name, "running", "unreachable")["state"] == "running"
        sshd.start()

    assert studio.ask("DELETE", at).status == 202
    until(lambda: studio.ask("GET", at).status == 404, "it is let go")
    assert not folder.exists()
    until(lambda: not of_agent(sshd), "no process of it is left")
    assert studio.ask("GET", f"{studio.ws}/compute/{name}").status == 404
    assert sshd.key().splitlines()[1] not in (studio.var / "log" / "nodes.log").read_text(errors="replace")
