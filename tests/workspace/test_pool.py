"""Clusters of machines over SSH: who may make one, which machine a node gets, and what becomes of one that fails.

The machines are in memory here; tests/stack/test_pool.py has real ones.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Forbidden
from tests.sshd import MISSING, running_sshd
from tests.workspace.boxes import KEY, Machines, boxes_instead_of_ssh
from workspace.attached import services
from workspace.attached.models import Host
from workspace.attached.places import Trouble, fingerprint
from workspace.attached.pool import Pool
from workspace.audit.models import Entry
from workspace.compute.models import ComputeTarget, Enrolment, Node
from workspace.compute.services.machines import Manager
from workspace.compute.services.pool import add_node
from workspace.secrets.models import Secret

URL = "/api/v1/workspaces/lab/compute"


@pytest.fixture(autouse=True)
def ring(settings, tmp_path, transactional_db, lab):
    settings.KEKS, settings.ACTIVE_KEK, settings.KEY_RING = {}, "", str(tmp_path / "keyring.json")
    settings.SSH_LOOK_SECONDS = 0.05


@pytest.fixture
def boxes(monkeypatch) -> Machines:
    return boxes_instead_of_ssh(monkeypatch)


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.close()


def until(condition: Callable[[], Any], pool: Pool | None = None, *, seconds: float = 240) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, [vars(host) for host in Host.objects.all()]
        if pool is not None:
            Manager(pool).round(actor=SYSTEM)
        time.sleep(0.02)
    return found


def make(client: Any, **more: Any) -> Any:
    body = {"hosts": ["a.local", "b.local:2222"], "username": "ubuntu", "password": "pass w0rd", "trust_first": True}
    return client.post(f"{URL}/few/pool", {**body, **more}, format="json")


def host(name: str) -> Host:
    return Host.objects.select_related("target__workspace").get(host=name)


# --- who makes one, of what ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "status"), [("olga", 201), ("carl", 403), ("rio", 403), ("mallory", 404), (None, 401)])
def test_owners_make_pools(api, who, status):
    assert make(api(who)).status_code == status
    assert Host.objects.count() == (2 if status == 201 else 0)
    assert ComputeTarget.objects.filter(name="few").count() == (status == 201)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"hosts": []}, "hosts"),
        ({"hosts": ["a.local", "A.local:22"]}, "hosts"),
        ({"hosts": ["-oProxyCommand=x"]}, "address"),
        ({"hosts": ["a.local:0"]}, "port"),
        ({"hosts": ["x y@a.local"]}, "username"),
        ({"username": ""}, "username"),
        ({"password": ""}, "private_key"),
        ({"settings": {"max_nodes": 3}}, "max_nodes"),
        ({"settings": {"min_nodes": 3}}, "min_nodes"),
        ({"tags": {"": "x"}}, "tag"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(api, more, field):
    refused = make(api("olga"), **more)
    assert refused.status_code == 422, refused.content
    assert refused.json()["error"]["details"]["field"] == field
    assert not ComputeTarget.objects.filter(name="few").exists()


def test_a_cluster_is_no_pool_without_machines_and_stays_what_it_is(api):
    body = {"name": "c", "kind": "cluster", "settings": {"max_nodes": 1, "provider": "ssh"}}
    assert api("olga").post(URL, body, format="json").json()["error"]["details"]["field"] == "provider"
    assert make(api("olga"), tags={"team": "vision"}).status_code == 201
    shown = api("rio").get(f"{URL}/few").json()
    assert (shown["settings"]["provider"], shown["settings"]["max_nodes"], shown["tags"]) == (
        "ssh",
        2,
        {"team": "vision"},
    )
    for settings, field in (({"provider": "process"}, "provider"), ({"max_nodes": 3}, "max_nodes")):
        refused = api("olga").patch(f"{URL}/few", {"settings": settings}, format="json")
        assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (422, field)
    assert api("olga").patch(f"{URL}/few", {"settings": {"max_nodes": 1}}, format="json").status_code == 200


def test_how_it_logs_in_is_shown_to_nobody(api, browser):
    make(api("olga"))
    texts = [
        api("olga").get(f"{URL}/few/hosts").content.decode(),
        api("olga").get(f"{URL}/few").content.decode(),
        browser("olga").get("/w/lab/compute/few/hosts").content.decode(),
    ]
    assert all("pass w0rd" not in text for text in texts)
    assert Secret.objects.get().held_by.startswith("pool/")
    assert not any("pass w0rd" in str(entry.fields) for entry in Entry.objects.all())


def secret(client: Any, name: str, value: str) -> None:
    body = {"name": name, "value": value}
    assert client.post("/api/v1/workspaces/lab/secrets", body, format="json").status_code < 300


def test_a_machine_is_logged_in_to_in_its_own_way(api, browser, tmp_path):
    secret(api("olga"), "b-word", "the password of b")
    names = ["a.local", "root@b.local:2222 secret=b-word"]
    assert make(api("olga"), hosts="\n".join(names)).status_code == 422, "the API takes a list"
    assert make(api("olga"), hosts=names).status_code == 201
    assert services.host_place(host("a.local"), actor=SYSTEM).password == "pass w0rd"
    place = services.host_place(host("b.local"), actor=SYSTEM)
    assert (place.username, place.port, place.password, place.key) == ("root", 2222, "the password of b", "")
    # The page takes lines, and gives one machine another way.
    given = {"hosts": "c.local\nu@d.local  secret=b-word\ne.local"}
    assert browser("olga").post("/w/lab/compute/few/hosts/add", given).status_code == 302
    assert [host(f"{one}.local").secret for one in "cde"] == ["", "b-word", ""]
    at = f"/w/lab/compute/few/hosts/{host('c.local').pk}/way"
    browser("olga").post(at, {"username": "w", "secret": "b-word", "forward": "on"})
    assert (host("c.local").username, host("c.local").secret, host("c.local").forward) == ("w", "b-word", True)
    page = browser("olga").get("/w/lab/compute/few/hosts").content.decode()
    assert "secret b-word" in page and "the password of b" not in page
    # A new way of the pool is not theirs.
    Host.objects.update(code="denied", blocked=True)
    assert api("olga").patch(f"{URL}/few/pool", {"password": "other"}, format="json").status_code == 200
    assert host("c.local").blocked and not host("a.local").blocked
    at = f"{URL}/few/hosts/{host('c.local').pk}"
    assert api("carl").patch(at, {"secret": ""}, format="json").status_code == 403
    assert api("olga").patch(at, {"secret": ""}, format="json").status_code == 200
    assert services.host_place(host("c.local"), actor=SYSTEM).password == "other" and not host("c.local").blocked
    told = [str(entry.fields) for entry in Entry.objects.all()]
    assert any("secret=b-word" in one for one in told) and not any("password of b" in one for one in told)


@pytest.mark.parametrize(("value", "field"), [(None, "secret"), ("-----BEGIN PRIVATE KEY-----\nx", "private_key")])
def test_a_secret_that_opens_nothing_is_refused(api, value, field):
    if value:
        secret(api("olga"), "odd", value)
    refused = make(api("olga"), hosts=["a.local secret=odd"])
    assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (422, field)
    assert not Host.objects.exists()


def test_a_secret_that_is_gone_is_said_of_its_machine(api, pool):
    secret(api("olga"), "word", "a password")
    make(api("olga"), hosts=["a.local secret=word"])
    Host.objects.update(host_key=KEY)
    assert api("olga").delete("/api/v1/workspaces/lab/secrets/word").status_code == 204
    until(lambda: host("a.local").code, pool)
    assert (host("a.local").code, host("a.local").blocked) == ("no_secret", True)


def test_a_machine_that_cannot_reach_the_studio_comes_through_the_connection(api, boxes, pool):
    make(api("olga"), hosts=["a.local"], forward=True)
    Host.objects.update(host_key=KEY)
    node = add_node(ComputeTarget.objects.get(name="few"))
    box = boxes["a.local"]
    until(lambda: box.alive, pool)
    box.node = node.pk
    assert json.loads(box.files["node.json"])["url"] == "http://127.0.0.1:4711"
    until(lambda: host("a.local").forwarded == 4711)
    at = f"{URL}/few/hosts/{host('a.local').pk}"
    assert api("olga").patch(at, {"forward": False}, format="json").json()["error"]["code"] == "in_use"
    pool.close()
    box.forwarded, another = False, Pool()
    try:
        until(lambda: box.forwarded, another)
        assert box.alive, "whoever looks after the agent next opens the way again"
    finally:
        another.close()


def test_machines_are_added_and_removed_within_the_size_of_the_cluster(api):
    make(api("olga"))
    at = f"{URL}/few/hosts"
    first = host("a.local")
    assert api("olga").delete(f"{at}/{first.pk}").json()["error"]["code"] == "too_few"
    assert api("olga").post(at, {"hosts": ["root@c.local"]}, format="json").status_code == 201
    assert host("c.local").username == "root"
    assert api("olga").post(at, {"hosts": ["c.local"]}, format="json").json()["error"]["code"] == "taken"
    assert api("carl").post(at, {"hosts": ["d.local"]}, format="json").status_code == 403
    Host.objects.filter(pk=first.pk).update(node="01X")
    assert api("olga").delete(f"{at}/{first.pk}").json()["error"]["code"] == "in_use"
    Host.objects.filter(pk=first.pk).update(node="")
    assert api("olga").delete(f"{at}/{first.pk}").status_code == 202
    assert host("a.local").state == "leaving"


def test_only_the_studio_itself_takes_machines(api, people):
    make(api("olga"))
    olga = people.actor("olga")
    for work in (
        lambda: services.take_host("01X", actor=olga, new=True),
        lambda: services.note_host(host("a.local"), actor=olga),
        lambda: services.free_host(host("a.local"), "01X", actor=olga),
        lambda: services.gone_host(host("a.local"), actor=Actor(kind="node", name="n", node_id="01X")),
        lambda: services.host_place(host("a.local"), actor=olga),
    ):
        with pytest.raises(Forbidden):
            work()


# --- the provider ----------------------------------------------------------------------------------------------


def test_a_key_waits_until_somebody_has_confirmed_it(api, browser, boxes, pool):
    make(api("olga"), hosts=["a.local"], trust_first=False)
    until(lambda: host("a.local").state == "confirm", pool)
    page = browser("olga").get("/w/lab/compute/few/hosts").content.decode()
    assert fingerprint(KEY) in page and "This is the machine" in page
    assert "This is the machine" not in browser("rio").get("/w/lab/compute/few/hosts").content.decode()
    node = add_node(ComputeTarget.objects.get(name="few"))
    assert services.take_host(node.pk, actor=SYSTEM, new=True) is None, "nobody knows it yet"
    at = f"{URL}/few/hosts/{host('a.local').pk}/confirm"
    assert api("olga").post(at, {"fingerprint": "SHA256:x"}, format="json").status_code == 409
    assert api("olga").post(at, {"fingerprint": fingerprint(KEY)}, format="json").status_code == 200
    until(lambda: host("a.local").node == node.pk, pool)
    assert Entry.objects.get(action="machine.trust").fields["fingerprint"] == fingerprint(KEY)


def test_a_node_gets_a_machine_and_gives_it_back_with_the_client_on_it(api, boxes, pool):
    make(api("olga"), hosts=["a.local"])
    until(lambda: host("a.local").state == "free", pool)
    assert boxes["a.local"].installs == 1, "before anybody needs it"
    node = add_node(ComputeTarget.objects.get(name="few"))
    box = boxes["a.local"]
    until(lambda: box.alive, pool)
    assert b"zaf_reg_" in box.files["node.json"]
    box.node = node.pk  # it has registered
    until(lambda: pool.list()[node.pk].handle == {"host": "a.local"} and pool.list()[node.pk].alive)
    before = box.files["node.json"]
    Node.objects.filter(pk=node.pk).update(wanted=False, state=Node.State.LEAVING)
    until(lambda: Node.objects.get(pk=node.pk).removed is not None, pool)
    assert before and "node.json" not in box.files and "zaffre-1.whl" in box.files
    until(lambda: host("a.local").state == "free", pool)
    until(lambda: not pool.list(), pool)


def test_a_machine_that_cannot_be_reached_gives_way_to_another_one(api, browser, boxes, pool):
    make(api("olga"))
    boxes["a.local"].trouble = Trouble("no_route", again=True)
    Host.objects.update(host_key=KEY)
    node = add_node(ComputeTarget.objects.get(name="few"))
    until(lambda: host("b.local").node == node.pk and boxes["b.local"].alive, pool)
    assert (host("a.local").state, host("a.local").code, host("a.local").node) == ("unreachable", "no_route", "")
    page = browser("rio").get("/w/lab/compute/few/hosts").content.decode()
    assert "There is no way to the machine" in page
    [failed] = [one for one in api("rio").get(f"{URL}/few/happenings").json()["happenings"] if one["why"]]
    assert (failed["code"], failed["text"]) == ("host_failed", "a.local: There is no way to the machine.")
    page = browser("rio").get("/w/lab/compute/few", headers={"Accept-Language": "ja"}).content.decode()
    assert "a.local: " in page and "There is no way" not in page
    assert host("a.local").retry_at > timezone.now()


def test_a_node_for_which_there_is_no_machine_says_why(api, boxes, pool):
    make(api("olga"), hosts=["a.local"])
    Host.objects.update(host_key=KEY)
    boxes["a.local"].trouble = Trouble("denied")
    node = add_node(ComputeTarget.objects.get(name="few"))
    until(lambda: host("a.local").blocked, pool)
    until(lambda: pool.list()[node.pk].why.get("hosts") == [["a.local", "denied"]], pool)
    Node.objects.filter(pk=node.pk).update(handle={"starts": 4, "at": time.time()})
    until(lambda: Node.objects.get(pk=node.pk).state == "unusable", pool)
    [told] = api("olga").get(f"{URL}/few").json()["nodes"]
    assert told["note"].startswith("No machine of the pool is free.\na.local: The machine did not let us in.")
    assert host("a.local").node == "", "it does not hold the machine"
    again = api("olga").post(f"{URL}/few/hosts/{host('a.local').pk}/again")
    assert again.status_code == 200 and not host("a.local").blocked


def test_an_agent_that_ended_while_nobody_looked_is_started_again_with_all_that_it_has(api, boxes, pool):
    make(api("olga"), hosts=["a.local"])
    Host.objects.update(host_key=KEY)
    node = add_node(ComputeTarget.objects.get(name="few"))
    box = boxes["a.local"]
    until(lambda: box.alive, pool)
    box.node = node.pk
    until(lambda: not host("a.local").code and pool.list()[node.pk].alive)
    pool.close()
    assert box.alive, "no agent ends with us"
    installs, another = box.installs, Pool()
    box.alive = False
    try:
        until(lambda: box.alive, another)
        assert box.installs == installs and box.node == node.pk
        assert Enrolment.objects.filter(node=node).count() == 1
    finally:
        another.close()


def test_a_machine_that_is_away_at_the_end_is_let_go_and_cleaned_when_it_serves_again(api, boxes, pool):
    make(api("olga"), hosts=["a.local"])
    Host.objects.update(host_key=KEY)
    node = add_node(ComputeTarget.objects.get(name="few"))
    box = boxes["a.local"]
    until(lambda: box.alive, pool)
    box.node = node.pk
    until(lambda: pool._tenders[node.pk]._works)
    box.trouble = Trouble("no_answer", again=True)
    pool.stop(node.pk)
    pool.stop(node.pk, kill=True)
    until(lambda: host("a.local").node == "")
    assert box.alive and host("a.local").code == "no_answer"
    box.trouble = None
    Host.objects.update(retry_at=None, code="")
    releases = box.releases
    other = add_node(ComputeTarget.objects.get(name="few"))
    Node.objects.filter(pk=node.pk).update(removed=timezone.now())
    until(lambda: host("a.local").node == other.pk and box.alive and box.releases > releases, pool)


def test_a_deleted_pool_leaves_nothing_on_its_machines(api, boxes, pool):
    make(api("olga"))
    until(lambda: {one.state for one in Host.objects.all()} == {"free"}, pool)
    assert api("olga").delete(f"{URL}/few").status_code == 204
    until(lambda: not Host.objects.exists(), pool)
    assert boxes["a.local"].removed and boxes["b.local"].removed
    assert not Secret.objects.exists()


def test_a_new_log_in_tries_all_machines_again(api, boxes, pool):
    make(api("olga"))
    Host.objects.update(code="denied", blocked=True)
    answer = api("olga").patch(f"{URL}/few/pool", {"password": "other"}, format="json")
    assert answer.status_code == 200 and {one["state"] for one in answer.json()["hosts"]} == {"connecting"}
    assert services.host_place(host("a.local"), actor=SYSTEM).password == "other"
    connection.close()


# --- a real machine --------------------------------------------------------------------------------------------


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
@pytest.mark.timeout(300)
def test_a_real_machine_is_given_the_client_an_agent_and_nothing_after_it(api, pool, settings, tmp_path):
    settings.SSH_NETWORKS = ["127.0.0.0/8"]
    with running_sshd(tmp_path / "sshd") as sshd:
        more = {"password": "", "private_key": sshd.key(), "hosts": [f"{sshd.user}@127.0.0.1:{sshd.port}"]}
        assert make(api("olga"), trust_first=False, **more).status_code == 201
        until(lambda: host("127.0.0.1").state == "confirm", pool)
        assert fingerprint(host("127.0.0.1").shown_key) == sshd.fingerprint
        at = f"{URL}/few/hosts/{host('127.0.0.1').pk}/confirm"
        assert api("olga").post(at, {"fingerprint": sshd.fingerprint}, format="json").status_code == 200
        until(lambda: host("127.0.0.1").state == "free", pool)
        folder = Path(host("127.0.0.1").found["folder"])
        assert folder.stat().st_mode & 0o777 == 0o700
        node = add_node(ComputeTarget.objects.get(name="few"))
        pids = folder / "agent.pid"
        until(lambda: pids.exists() and pids.read_text().strip() and (folder / "agent.log").exists(), pool)
        told = json.loads((folder / "node.json").read_text())
        assert (told["name"], told["dir"]) == (node.name, str(folder)) and told["token"].startswith("zaf_reg_")
        pid = int(pids.read_text())
        Node.objects.filter(pk=node.pk).update(wanted=False, state=Node.State.LEAVING)
        until(lambda: host("127.0.0.1").state == "free", pool)
        words = Path(f"/proc/{pid}/cmdline")
        assert not (words.exists() and words.read_bytes()), "a corpse has no words"
        assert {one.name for one in folder.iterdir()} >= {"venv", "installed"}
        assert not {"node.json", "state", "agent.log", "agent.pid"} & {one.name for one in folder.iterdir()}
        assert api("olga").delete(f"{URL}/few").status_code == 204
        until(lambda: not Host.objects.exists(), pool)
        assert not folder.exists()
