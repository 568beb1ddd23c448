"""Clusters of machines over SSH by SDK and command."""

import pytest

from tests.client.studio import Reply, W
from zaffre.errors import UserErrorException

TARGET = {"name": "few", "kind": "cluster", "nodes": [], "settings": {"max_nodes": 2}, "tags": {"team": "vision"}}
HOST = {"id": 7, "address": "a", "port": 2222, "username": "u", "state": "confirm", "reason": None, "host_key": ""}
HOST |= {"shown_key": "SHA256:abc", "node": None, "since": "2026-01-01T00:00:00Z"}
AT = f"{W}/compute/few/hosts"


@pytest.fixture
def key(home):
    path = home / "work" / "id_ed25519"
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n")
    return path


def test_a_script_makes_a_pool(studio, space, key):
    from zaffre.core.compute import AmlCompute, ComputeTarget

    config = AmlCompute.provisioning_configuration(
        hosts=["a:2222", "root@b"], admin_username="u", private_key_file=str(key), tags={"team": "vision"}
    )
    assert "PRIVATE KEY" not in repr(config)
    studio.next(f"POST {W}/compute/few/pool", Reply(201, {"hosts": []}))
    studio.next(f"GET {W}/compute/few", Reply(200, TARGET))
    made = ComputeTarget.create(space, "few", config)
    assert isinstance(made, AmlCompute) and made.tags == {"team": "vision"}
    sent = studio.asked("POST", f"{W}/compute/few/pool")[0].json
    assert (sent["hosts"], sent["username"], sent["private_key"]) == (["a:2222", "root@b"], "u", key.read_text())
    assert (sent["settings"]["max_nodes"], sent["tags"], sent["trust_first"]) == (2, {"team": "vision"}, True)
    studio.next(f"GET {AT}", Reply(200, {"hosts": [HOST]}))
    assert made.list_hosts()[0]["state"] == "confirm"


def test_what_a_pool_needs_is_said_before_anything_is_sent(space, key):
    from zaffre.core.compute import AmlCompute

    for more in ({}, {"admin_user_password": "x", "private_key_file": str(key)}):
        with pytest.raises(UserErrorException, match="either"):
            AmlCompute.provisioning_configuration(hosts=["a"], admin_username="u", **more)
    # A script of then names an account for a cloud's machines, which means nothing here.
    AmlCompute.provisioning_configuration("STANDARD_D2_V2", admin_username="u", admin_user_password="x")


def test_the_command_makes_one_and_confirms_its_machines(studio, zaffre, key):
    studio.next(f"POST {W}/compute/few/pool", Reply(201, {"hosts": []}))
    studio.next(f"GET {W}/compute/few", Reply(200, TARGET))
    words = ("--host", "a:2222", "--admin-username", "u", "--private-key-file", str(key), "--max-nodes", "1")
    done = zaffre("compute", "create", "amlcompute", "few", *words, "--tag", "team=vision")
    assert done.returncode == 0, done.stderr
    sent = studio.asked("POST", f"{W}/compute/few/pool")[0].json
    assert (sent["hosts"], sent["trust_first"], sent["settings"]) == (["a:2222"], False, {"max_nodes": 1})
    assert "team=vision" in done.stdout
    studio.next(f"GET {AT}", Reply(200, {"hosts": [HOST]}))
    shown = zaffre("compute", "hosts", "few")
    assert "--confirm a:2222=SHA256:abc" in shown.stderr
    studio.next(f"GET {AT}", Reply(200, {"hosts": [HOST]}))
    studio.next(f"POST {AT}/7/confirm", Reply(200, {"hosts": [{**HOST, "state": "installing", "shown_key": ""}]}))
    done = zaffre("compute", "hosts", "few", "--confirm", "a:2222=SHA256:abc")
    assert done.returncode == 0 and "installing" in done.stdout
    assert studio.asked("POST", f"{AT}/7/confirm")[0].json == {"fingerprint": "SHA256:abc"}
    studio.next(f"GET {AT}", Reply(200, {"hosts": [HOST]}))
    wrong = zaffre("compute", "hosts", "few", "--again", "nowhere")
    assert wrong.returncode != 0 and "a:2222" in wrong.stderr


def test_the_command_logs_in_to_one_machine_in_its_own_way(studio, zaffre):
    studio.next(f"GET {AT}", Reply(200, {"hosts": [HOST]}))
    studio.next(f"PATCH {AT}/7", Reply(200, {"hosts": [{**HOST, "username": "root", "secret": "a-key"}]}))
    done = zaffre("compute", "hosts", "few", "--login", "a:2222=root,a-key")
    assert done.returncode == 0, done.stderr
    assert studio.asked("PATCH", f"{AT}/7")[0].json == {"username": "root", "secret": "a-key"}
    assert "root@a:2222" in done.stdout and "a-key" in done.stdout


def test_the_command_removes_an_environment_from_a_node(studio, zaffre):
    node = {"id": "01N", "name": "few-1", "online": True}
    few = Reply(200, {**TARGET, "nodes": [node]})
    studio.next(f"GET {W}/compute/few", few, few)
    kept = {"digest": "a" * 64, "versions": [["train", 2]], "python": "3.11.7", "packages": 7, "size": 1_500_000_000}
    kept |= {"busy": False, "leaving": False, "used": "2026-01-01T00:00:00Z"}
    shelf = f"{W}/compute/few/nodes/01N/environments"
    told, then = Reply(200, {"kept": [kept]}), Reply(200, {"kept": [{**kept, "leaving": True}]})
    studio.next(f"GET {shelf}", told, told, then)
    studio.next(f"DELETE {shelf}/{'a' * 64}", Reply(202, kept))
    asked = zaffre("compute", "environments", "few", "--evict", "train:2", "few-1")  # in whichever order
    assert asked.returncode == 1 and "1.5 GB" in asked.stderr and not studio.asked("DELETE", f"{shelf}/{'a' * 64}")
    done = zaffre("compute", "environments", "few", "few-1", "--evict", "train:2", "--yes")
    assert done.returncode == 0 and "being removed" in done.stdout, done.stderr
    assert len(studio.asked("DELETE", f"{shelf}/{'a' * 64}")) == 1
