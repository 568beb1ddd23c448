"""Machines over SSH by SDK and command, with the names of then."""

import json

import pytest

from tests.client.studio import Reply, W
from zaffre.errors import UserErrorException

AT = f"{W}/compute/box/attachment"
TARGET = {"name": "box", "kind": "attached", "nodes": [], "online": 0, "slots": 0}
BASE = {"name": "box", "address": "gpu-box", "folder": "~/.zaffre/attached/x", "steps": [], "reason": None}


def told(state, **more):
    return Reply(200, {**BASE, "state": state, "host_key": "", "shown_key": "", **more})


@pytest.fixture
def key(home):
    path = home / "work" / "id_ed25519"
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n")
    return path


def test_a_script_of_then_attaches_waits_and_detaches(studio, space, key, capsys):
    from zaffre.core.compute import ComputeTarget, RemoteCompute

    config = RemoteCompute.attach_configuration(
        address="gpu-box", ssh_port=2222, username="u", private_key_file=str(key), private_key_passphrase="open sesame"
    )
    assert "open sesame" not in repr(config)
    studio.next(f"POST {AT}", told("connecting"))
    studio.next(f"GET {W}/compute/box", Reply(200, TARGET))
    box = ComputeTarget.attach(space, "box", config)
    sent = studio.asked("POST", AT)[0].json
    assert (sent["address"], sent["port"], sent["username"]) == ("gpu-box", 2222, "u")
    assert (sent["private_key"], sent["private_key_passphrase"]) == (key.read_text(), "open sesame")
    assert sent["trust_first"] is True
    busy = [{"name": "install", "state": "busy", "note": ""}]
    studio.next(f"GET {AT}", told("installing", steps=busy), told("running"))
    box.wait_for_completion(show_output=True)
    assert "install" in capsys.readouterr().out
    studio.next(f"DELETE {AT}", told("detaching"))
    studio.next(f"GET {AT}", told("detaching"), Reply(404, {"error": {"code": "not_found", "message": "gone"}}))
    box.detach()


def test_what_is_wrong_is_raised_with_what_to_do(studio, space, key):
    from zaffre.core.compute import ComputeTarget, ComputeTargetException, RemoteCompute

    config = RemoteCompute.attach_configuration("u", "gpu-box", password="pass w0rd", host_key="SHA256:abc")
    studio.next(f"POST {AT}", told("connecting"))
    studio.next(f"GET {W}/compute/box", Reply(200, TARGET))
    box = ComputeTarget.attach(space, "box", config)
    assert studio.asked("POST", AT)[0].json["trust_first"] is False
    failed = {"code": "denied", "cause": "The machine did not let us in", "advice": "Correct the user name"}
    studio.next(f"GET {AT}", told("confirm", shown_key="SHA256:abc"), told("failed", reason=failed))
    studio.next(f"POST {AT}/confirm", told("connecting"))
    with pytest.raises(ComputeTargetException, match="did not let us in") as refused:
        box.wait_for_completion()
    assert refused.value.code == "denied"
    assert studio.asked("POST", f"{AT}/confirm")[0].json == {"fingerprint": "SHA256:abc"}
    studio.next(f"DELETE {AT}", told("detaching"))
    studio.next(f"GET {AT}", told("leftover"))
    with pytest.raises(ComputeTargetException, match="still on gpu-box"):
        box.detach()


@pytest.mark.parametrize(
    "given",
    [
        {"address": "x"},
        {"username": "u"},
        {"address": "x", "username": "u"},
        {"address": "x", "username": "u", "password": "p", "private_key_file": "k"},
        {"address": "x", "username": "u", "private_key_file": "/nowhere"},
    ],
)
def test_what_is_missing_is_told_at_once(given):
    from zaffre.core.compute import RemoteCompute

    with pytest.raises(UserErrorException):
        RemoteCompute.attach_configuration(**given)


def test_the_command_asks_for_the_key_before_anything_is_sent(studio, zaffre, key):
    words = ["compute", "attach", "box", "--address", "gpu-box", "--username", "u", "--private-key-file", str(key)]
    studio.next(f"POST {AT}", told("connecting"))
    studio.next(f"GET {W}/compute/box", Reply(200, TARGET))
    studio.next(f"GET {AT}", told("connecting"), told("confirm", shown_key="SHA256:abc"))
    done = zaffre(*words)
    assert done.returncode == 1
    assert "SHA256:abc" in done.stderr
    assert "--host-key" in done.stderr


def test_the_command_takes_a_password_from_a_pipe_and_no_word(studio, zaffre):
    words = ["compute", "attach", "box", "--address", "gpu-box", "--username", "u", "--yes", "--json"]
    assert zaffre(*words, "--password", "x").returncode == 2
    studio.next(f"POST {AT}", told("connecting"))
    studio.next(f"GET {W}/compute/box", Reply(200, TARGET))
    studio.next(f"GET {AT}", told("running"), told("running"))
    done = zaffre(*words, input="pass w0rd\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "running"
    assert studio.asked("POST", AT)[0].json["password"] == "pass w0rd"
