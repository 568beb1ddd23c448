"""Compute targets, machines that join them, and the queue that tells them of work."""

import json
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu import Connection
from rest_framework.test import APIClient

from studio.kernel import events, tokens
from studio.kernel.errors import Conflict, Forbidden, Invalid, Unauthenticated
from tests.workspace.conftest import EVERYBODY
from workspace.compute import broker, forms, queries, services
from workspace.compute.models import ComputeTarget, Enrolment, Node
from workspace.founding import found_workspace
from workspace.models import Workspace
from zaffre.protocol import WAKE_TASK

URL = "/api/v1/workspaces/lab/compute"
REGISTER = "/agent/v1/nodes/register"
FACTS = {
    "cpu": 8,
    "memory_gb": 31.2,
    "disk_free_gb": 100.5,
    "python": "3.11.7",
    "platform": "Linux-6.1",
    "version": "0.1.0",
    "slots": 2,
    "isolation": "bubblewrap",
    "limits": "cgroup2",
    "gpus": [{"name": "NVIDIA A100", "memory_gb": 40}],
    "pythons": ["3.9", "3.11"],
    "engines": ["podman"],
    "labels": {"room": "b2", "big": ""},
    "address": "10.0.0.7",
}


@pytest.fixture
def target(lab: Workspace, people) -> ComputeTarget:
    return services.create_target(lab, actor=people.actor("olga"), name="local")


def bearer(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.fixture
def enrol(api, target) -> Callable[[], str]:
    """`enrol()` is the token of a new enrolment, as olga got it."""
    return lambda: api("olga").post(f"{URL}/local/enrolments", {}, format="json").json()["token"]


def register(token: str, name: object = "box", facts: object = FACTS):
    return bearer(token).post(REGISTER, {"name": name, "facts": facts}, format="json")


@pytest.fixture
def joined(enrol) -> dict:
    """What a machine got that registered."""
    return register(enrol()).json()


def node_actor(joined: dict):
    return tokens.actor_of_bearer(f"Bearer {joined['token']}")


# --- who gets in -----------------------------------------------------------------------------------

READ = {"olga": 200, "carl": 200, "rio": 200, "mallory": 404, "ada": 200, None: 401}
JOIN = {"olga": 201, "carl": 403, "rio": 403, "mallory": 404, "ada": 201, None: 401}
REMOVE = {"olga": 204, "carl": 403, "rio": 403, "mallory": 404, "ada": 403, None: 401}


@pytest.mark.parametrize("name", EVERYBODY)
def test_who_sees_compute_who_lets_machines_in_and_who_removes_them(api, target, joined, name):
    client = api(name)
    assert client.get(URL).status_code == READ[name]
    assert client.get(f"{URL}/local").status_code == READ[name]
    made = client.post(f"{URL}/local/enrolments", {}, format="json")
    assert made.status_code == JOIN[name]
    kept = Enrolment.objects.latest("created")
    assert client.delete(f"{URL}/local/enrolments/{kept.pk}").status_code == REMOVE[name]
    assert client.delete(f"{URL}/local/nodes/{joined['node_id']}").status_code == REMOVE[name]
    assert Node.objects.get().removed is not None or name != "olga"


def test_a_target_of_another_workspace_is_not_found(api, target, joined):
    assert api("mallory").get("/api/v1/workspaces/den/compute/local").status_code == 404
    gone = api("mallory").delete(f"/api/v1/workspaces/den/compute/local/nodes/{joined['node_id']}")
    assert gone.status_code == 404
    assert api("olga").get(f"{URL}/nowhere").status_code == 404
    assert api("olga").get(f"{URL}/no%00where").status_code == 404
    assert api("olga").delete(f"{URL}/local/nodes/no%00where").status_code == 404


def test_only_an_owner_makes_a_target_and_its_name_is_taken_once(people, lab, target, trail):
    with pytest.raises(Forbidden):
        services.create_target(lab, actor=people.actor("carl"), name="gpu")
    with pytest.raises(Conflict) as taken:
        services.create_target(lab, actor=people.actor("olga"), name="local")
    assert taken.value.code == "taken"
    for name in ("", "a b", "../x", "x" * 65):
        with pytest.raises(Invalid):
            services.create_target(lab, actor=people.actor("olga"), name=name)
    with pytest.raises(Invalid):
        services.create_target(lab, actor=people.actor("olga"), name="gpu", kind="cloud")
    assert trail() == [("olga", "target.create", "local")]


def test_a_new_workspace_has_a_target_at_once(people):
    space = found_workspace(actor=people.actor("carl"), slug="fresh", name="Fresh")
    assert queries.resolve(space, "local").kind == "local"


# --- joining -----------------------------------------------------------------------------------------


def test_a_machine_joins_by_its_enrolment_and_is_seen(api, enrol, trail):
    made = api("olga").post(f"{URL}/local/enrolments", {}, format="json")
    shown = made.json()
    assert made["Cache-Control"] == "no-store"
    assert shown["command"] == f"zaffre node start --join {settings.PUBLIC_URL} {shown['token']}"
    assert Enrolment.objects.get().secret_hash not in made.content.decode()
    answer = register(shown["token"])
    assert answer.status_code == 201
    joined = answer.json()
    assert (joined["workspace"], joined["target"]) == ("lab", "local")
    assert set(joined["settings"]) == {"heartbeat", "lease", "grace", "recheck"}
    assert joined["token"].startswith("zaf_node_")
    before = api("rio").get(f"{URL}/local").json()
    assert [(node["name"], node["online"]) for node in before["nodes"]] == [("box", False)]
    services.greet_node(actor=node_actor(joined), epoch="life-1", facts=FACTS)
    after = api("rio").get(f"{URL}/local").json()
    [node] = after["nodes"]
    assert (node["id"], node["online"], node["slots"], node["facts"]) == (joined["node_id"], True, 2, FACTS)
    assert (after["online"], after["slots"]) == (1, 2)
    [row] = api("rio").get(URL).json()["targets"]
    assert (row["name"], row["kind"], row["nodes"], row["online"], row["slots"]) == ("local", "local", 1, 1, 2)
    assert [line[1:] for line in trail()] == [
        ("target.create", "local"),
        ("enrolment.create", "local"),
        ("node.register", "box"),
    ]


def test_one_enrolment_admits_several_machines(enrol):
    token = enrol()
    found = [register(token, name).json() for name in ("a", "b", "a")]
    assert len({one["node_id"] for one in found}) == len({one["token"] for one in found}) == 3


def test_a_used_up_enrolment_says_why(api, enrol):
    revoked, expired = enrol(), enrol()
    parsed = tokens.parse(revoked)
    assert api("olga").delete(f"{URL}/local/enrolments/{parsed.id}").status_code == 204
    assert api("olga").delete(f"{URL}/local/enrolments/{parsed.id}").status_code == 204
    Enrolment.objects.filter(pk=tokens.parse(expired).id).update(expires=timezone.now() - timedelta(seconds=1))
    for token, word in [(revoked, "revoked"), (expired, "expired")]:
        answer = register(token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, word)
        assert word in answer.json()["error"]["message"]
    forged = revoked.replace(parsed.secret, secrets.token_urlsafe(32).replace("_", "-"))
    assert "revoked" not in register(forged).json()["error"]["message"]
    assert Node.objects.count() == 0


def test_a_revocation_wins_over_a_registration_that_has_passed_the_door(enrol):
    token = enrol()
    actor = tokens.actor_of_bearer(f"Bearer {token}")
    Enrolment.objects.update(revoked=timezone.now())
    with pytest.raises(Unauthenticated):
        services.register_node(actor=actor, name="late", facts=FACTS)


@pytest.mark.parametrize("who", ["olga", None])
def test_people_do_not_register_nodes(api, target, who):
    answer = api(who).post(REGISTER, {"name": "me", "facts": FACTS}, format="json")
    assert answer.status_code == (401 if who is None else 403)


def test_an_enrolment_opens_nothing_else(enrol):
    client = bearer(enrol())
    assert client.get(f"{URL}/local").status_code == 403
    assert client.post(f"{URL}/local/enrolments", {}, format="json").status_code == 403
    assert client.get("/api/v1/workspaces/den/compute").status_code == 404
    assert client.post("/api/v1/workspaces/lab/datasets", {}, format="json").status_code in {403, 422}


def test_a_target_has_an_end(enrol, monkeypatch):
    monkeypatch.setattr("workspace.compute.services.nodes.MOST_NODES", 2)
    token = enrol()
    assert [register(token).status_code for _ in range(3)] == [201, 201, 409]


# --- what machines say of themselves ----------------------------------------------------------------------

HOSTILE = {
    "cpu": 10**400,
    "memory_gb": "much",
    "disk_free_gb": -3,
    "python": "3.11\n\x00<script>" + "x" * 5000,
    "platform": {"deep": ["a"]},
    "slots": 10_000_000,
    "isolation": True,
    "limits": "all",
    "gpus": ["x", {"name": "G\nPU", "memory_gb": -5, "more": 1}],
    "pythons": ["3.11", 3, "a\x00b"],
    "engines": "docker",
    "labels": {"a\n": "b" * 500, "": "x"},
    "address": ["10.0.0.1"],
    "secret": "x",
}


def test_facts_of_a_machine_are_bounded_and_plain(enrol, api):
    joined = register(enrol(), "ev\x00il\n" + "n" * 500, HOSTILE).json()
    node = Node.objects.get(pk=joined["node_id"])
    assert len(node.name) <= 80 and node.name.isprintable() and node.name.startswith("ev il")
    assert set(node.facts) == {"python", "slots", "isolation", "limits", "gpus", "pythons", "engines", "labels"}
    assert (node.facts["isolation"], node.facts["limits"]) == ("none", "none")
    assert node.facts["gpus"] == [{"name": "G PU", "memory_gb": 0}]
    assert (node.facts["pythons"], node.facts["engines"]) == (["3.11", "a b"], [])
    assert node.facts["labels"] == {"a": "b" * 120}
    assert len(str(node.facts)) < 600 and node.slots == node.facts["slots"] == 256
    services.greet_node(actor=node_actor(joined), epoch="1", facts=HOSTILE | {"slots": 3})
    services.note_node(actor=node_actor(joined), epoch="1", load={"cpu": 1e300, "memory": 0.51239, "x": 1, "gpu": "a"})
    node.refresh_from_db()
    assert (node.slots, node.load) == (3, {"memory": 0.512})
    services.greet_node(actor=node_actor(joined), epoch="2", facts={})
    node.refresh_from_db()
    assert node.slots == 3, "an agent that says nothing keeps what is known"


@pytest.mark.parametrize("value", [None, 7, [], "", " \n ", {"a": 1}])
def test_a_machine_without_a_name_is_a_node(value):
    assert forms.clean_node_name(value) == "node"


@pytest.mark.parametrize("body", [[], "x", {"name": "a", "facts": []}, {"facts": "many"}])
def test_a_registration_that_is_none_is_refused(enrol, body):
    answer = bearer(enrol()).post(REGISTER, body, format="json")
    assert answer.status_code == 422


# --- lives of an agent ---------------------------------------------------------------------------------------


def test_an_earlier_life_is_refused(joined):
    actor = node_actor(joined)
    with pytest.raises(Conflict):
        services.note_node(actor=actor, epoch="", load={"cpu": 1})
        services.note_node(actor=actor, epoch="one", load={})
    services.greet_node(actor=actor, epoch="one", facts=FACTS)
    services.note_node(actor=actor, epoch="one", load={})
    services.greet_node(actor=actor, epoch="two", facts=FACTS)
    with pytest.raises(Conflict) as stale:
        services.note_node(actor=actor, epoch="one", load={})
    assert stale.value.code == "stale_epoch"
    assert services.note_node(actor=actor, epoch="two", load={"cpu": 0.5}).load == {"cpu": 0.5}


@pytest.mark.parametrize("epoch", ["", "x" * 41, "a\x00b"])
def test_an_epoch_is_a_word(joined, epoch):
    with pytest.raises(Invalid):
        services.greet_node(actor=node_actor(joined), epoch=epoch, facts=FACTS)


def test_silence_makes_a_node_unreachable_and_a_word_brings_it_back(api, target, joined):
    actor = node_actor(joined)
    services.greet_node(actor=actor, epoch="one", facts=FACTS)
    assert [node.online for node in queries.nodes_of(target.pk)] == [True]
    long_ago = timezone.now() - timedelta(seconds=settings.UNREACHABLE_SECONDS + 1)
    Node.objects.update(last_seen=long_ago)
    assert [node.online for node in queries.nodes_of(target.pk)] == [False]
    assert not queries.is_online(Node.objects.get(), timezone.now())
    assert [node["online"] for node in api("rio").get(f"{URL}/local").json()["nodes"]] == [False]
    services.note_node(actor=actor, epoch="one", load={})
    assert queries.is_online(Node.objects.get(), timezone.now())


def test_a_removed_node_is_dead_at_once(api, joined, trail):
    actor = node_actor(joined)
    services.greet_node(actor=actor, epoch="one", facts=FACTS)
    assert api("olga").delete(f"{URL}/local/nodes/{joined['node_id']}").status_code == 204
    assert api("olga").delete(f"{URL}/local/nodes/{joined['node_id']}").status_code == 404
    with pytest.raises(Unauthenticated) as dead:
        node_actor(joined)
    assert dead.value.code == "removed"
    # Also for a request that had passed the door before.
    for work in (
        lambda: services.note_node(actor=actor, epoch="one", load={}),
        lambda: services.greet_node(actor=actor, epoch="two", facts=FACTS),
    ):
        with pytest.raises(Unauthenticated):
            work()
    shown = api("olga").get(f"{URL}/local").json()
    assert (shown["nodes"], shown["online"]) == ([], 0)
    assert trail()[-1] == ("olga", "node.remove", "box")


def test_a_node_is_removed_from_its_own_page_too(browser, joined):
    place = f"/w/lab/compute/local/nodes/{joined['node_id']}"
    assert "/remove" not in browser("rio").get(place).content.decode()
    page = browser("olga").get(place).content.decode()
    assert f'data-dialog="remove-{joined["node_id"]}"' in page and "Its token is dead at once." in page
    (action,) = re.findall(r'action="([^"]*/remove)"', page)
    answer = browser("olga").post(action)
    assert answer.status_code == 302 and Node.objects.get().removed is not None


def test_the_word_for_a_target_is_that_of_its_page(api, browser, target, joined):
    def words() -> tuple[str, str]:
        page = browser("rio").get("/w/lab/compute/local").content.decode()
        told = api("rio").get(f"{URL}/local").json()
        assert told["state"] == "Succeeded", "the word of the Azure ML SDK v1"
        return told["shown_state"], re.findall(r'<h1>local</h1>\s*<span class="pill \w+">(\w+)<', page)[0]

    services.greet_node(actor=node_actor(joined), epoch="one", facts=FACTS)
    assert words() == ("online", "Online")
    Node.objects.update(last_seen=timezone.now() - timedelta(seconds=settings.UNREACHABLE_SECONDS + 1))
    assert words() == ("offline", "Offline")
    Node.objects.update(removed=timezone.now())
    assert api("rio").get(URL).json()["targets"][0]["shown_state"] == "no_machine"


def test_what_people_do_with_nodes_is_told_with_the_target(api, browser, joined):
    """`joined` came by an invitation of olga's."""
    address = f"{URL}/local/nodes/{joined['node_id']}"
    olga = api("olga")
    for draining in (True, True, False):
        assert olga.patch(address, {"draining": draining}, format="json").status_code == 204
    itself = bearer(joined["token"]).post("/agent/v1/nodes/drain", {"draining": True}, format="json")
    assert itself.status_code == 200
    assert olga.delete(address).status_code == 204
    spare = olga.post(f"{URL}/local/enrolments", {}, format="json").json()["id"]
    for _ in range(2):
        assert olga.delete(f"{URL}/local/enrolments/{spare}").status_code == 204
    told = api("rio").get(f"{URL}/local/happenings").json()["happenings"]
    assert [(one["code"], one["node"], one["text"]) for one in reversed(told)] == [
        ("invited", "", "olga"),
        ("node_joined", "box", ""),
        ("node_drained", "box", "olga"),
        ("node_undrained", "box", "olga"),
        ("node_drained", "box", ""),
        ("node_removed", "box", "olga"),
        ("invited", "", "olga"),
        ("invitation_revoked", "", "olga"),
    ]
    page = browser("rio").get("/w/lab/compute/local").content.decode()
    assert "Node takes runs again" in page


@pytest.mark.parametrize("who", ["olga", None])
def test_only_nodes_give_signs_of_life(people, joined, who):
    refused = Unauthenticated if who is None else Forbidden
    with pytest.raises(refused):
        services.note_node(actor=people.actor(who), epoch="one", load={})


def test_a_wrong_target_is_answered_with_the_nearest(lab, target):
    with pytest.raises(Invalid) as refused:
        queries.resolve(lab, "lokal")
    assert (refused.value.code, refused.value.details["nearest"]) == ("no_such_target", "local")
    with pytest.raises(Invalid):
        queries.resolve(Workspace.objects.get(slug="den"), "local")


def test_many_nodes_cost_no_more_queries(api, people, lab, target, enrol):
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            api("rio").get(URL)
            api("rio").get(f"{URL}/local")
        counts.append(len(seen))
        token = enrol()
        for _ in range(5):
            register(token)
            services.create_target(lab, actor=people.actor("olga"), name=f"t{secrets.token_hex(3)}")
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", EVERYBODY)
def test_the_pages_of_compute(browser, target, joined, name):
    client = browser(name)
    expected = {**READ, None: 302}[name]
    assert client.get("/w/lab/compute").status_code == expected
    page = client.get("/w/lab/compute/local")
    assert page.status_code == expected
    shown = page.content.partition(b"<main")[2].partition(b"</main>")[0]
    assert (b"box" in shown) is (expected == 200)
    made = client.post("/w/lab/compute/local/enrol", follow=True)
    assert (b"zaf_reg_" in made.content) is (name in {"olga", "ada"})
    assert b"zaf_reg_" not in client.get("/w/lab/compute/local", follow=True).content


# --- the queue -------------------------------------------------------------------------------------------------


@pytest.fixture
def pool(lab: Workspace) -> Iterator[ComputeTarget]:
    """A target whose number no other test uses: the broker is shared by all of them."""
    number = 10**9 + secrets.randbelow(10**9)
    made = ComputeTarget.objects.create(pk=number, workspace=lab, name="pool")
    made.broker_secret = broker.seal_password(number, "a:p@ss/word?#%")
    made.save()
    assert broker.ensure_users(number) == 1
    yield made
    admin = events.client()
    admin.acl_deluser(broker.pool_user(number))
    for key in admin.scan_iter(f"{broker.pool_prefix(number)}*"):
        admin.delete(key)


def as_pool(pool: ComputeTarget) -> redis.Redis:
    """The pool's own user, as somebody who stole the password would come."""
    parts = urlsplit(settings.REDIS_URL)
    where = {"unix_socket_path": parts.path} if parts.scheme == "unix" else {"host": parts.hostname, "port": parts.port}
    return redis.Redis(username=broker.pool_user(pool.pk), password="a:p@ss/word?#%", retry=None, **where)


#: A node's worker in a process of its own, as nodes have it: Celery keeps much of itself for the whole process.
LISTEN = """
import json, sys
from zaffre.agent.hints import Hints
say = lambda *said: print(json.dumps(said), flush=True)
hints = Hints(json.loads(sys.argv[1]), node="n", wake=say, sync=lambda: say("sync"))
hints.start()
sys.stdin.read()
hints.stop()
"""


class Ear:
    """A node's hints worker with what it heard."""

    def __init__(self, pool: ComputeTarget) -> None:
        self.heard: list[list[object]] = []
        self.news = threading.Condition()
        told = {"url": broker.url_for(pool), "prefix": broker.pool_prefix(pool.pk), "queue": broker.QUEUE}
        words = [sys.executable, "-c", LISTEN, json.dumps(told)]
        env = {**os.environ, "PYTHONPATH": str(settings.BASE_DIR / "client" / "src")}
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.news:
                self.heard.append(json.loads(line))
                self.news.notify_all()

    def wait(self, count: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(self.heard) >= count, timeout=60), self.heard

    def __enter__(self) -> "Ear":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=60)
        self.thread.join()


def refusals(pool: ComputeTarget) -> list[str]:
    """What the server refused to the pool's user."""
    return [str(one["object"]) for one in events.client().acl_log() if one["username"] == broker.pool_user(pool.pk)]


def test_a_real_worker_hears_a_hint_and_needs_nothing_that_it_may_not_do(pool):
    broker.send_hint(pool.pk, WAKE_TASK, ["R0", 1, "before it listened"])
    with Ear(pool) as ear:
        ear.wait(1)
        for number in range(1, 6):
            broker.send_hint(pool.pk, WAKE_TASK, [f"R{number}", number, "t"])
        ear.wait(6)
        assert [said[0] for said in ear.heard] == [f"R{number}" for number in range(6)]
        # A connection that breaks is made again, by the same rights. One at a time, since the one that breaks may
        # be the one by which the next message is acknowledged: the worker must not go deaf by that.
        for number in range(6, 36):
            lines = [one["id"] for one in events.client().client_list() if one["user"] == broker.pool_user(pool.pk)]
            if lines:
                events.client().client_kill_filter(_id=lines[number % len(lines)])
            broker.send_hint(pool.pk, WAKE_TASK, [f"R{number}", number, "t"])
            ear.wait(number + 1)
    assert refusals(pool) == []


def test_the_pools_user_reaches_its_own_prefix_and_no_other(pool):
    mine, admin = broker.pool_prefix(pool.pk), events.client()
    other = broker.pool_prefix(pool.pk + 1)
    with as_pool(pool) as thief:
        assert thief.ping()
        thief.lpush(f"{mine}x", "1")
        for work in (
            lambda: thief.lpush(f"{other}hints", "1"),
            lambda: thief.brpop([f"{other}hints"], timeout=1),
            lambda: thief.lpush("zaffre:control:control", "1"),
            lambda: thief.set(mine[:-1], "the prefix without its end"),
            lambda: thief.get(f"{mine}unacked_mutex"),
            lambda: thief.keys("*"),
            lambda: list(thief.scan_iter("*")),
            lambda: thief.flushall(),
            lambda: thief.flushdb(),
            lambda: thief.config_get("*"),
            lambda: thief.eval("return 1", 0),
            lambda: thief.publish("zaffre:live:runs.lab", "x"),
            lambda: thief.publish(f"{mine}x", "x"),
            lambda: thief.acl_whoami(),
            lambda: thief.acl_setuser("pool-1", enabled=True),
            lambda: thief.client_list(),
            lambda: thief.info(),
            lambda: thief.execute_command("SHUTDOWN"),
            lambda: thief.delete(f"{mine}unacked_mutex"),
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                work()
    assert admin.lrange(f"{mine}x", 0, -1) == [b"1"]
    anybody = urlsplit(broker.url_for(pool))
    assert anybody.username == broker.pool_user(pool.pk)
    with pytest.raises(redis.AuthenticationError), as_pool(pool) as wrong:
        wrong.connection_pool.connection_kwargs["password"] = "guessed"
        wrong.ping()


def test_hints_for_a_pool_without_nodes_do_not_pile_up(pool, monkeypatch):
    monkeypatch.setattr(broker, "MOST_WAITING", 3)
    for number in range(6):
        broker.send_hint(pool.pk, WAKE_TASK, [f"R{number}", 1, "t"])
    with Ear(pool) as ear:
        ear.wait(3)
    assert [said[0] for said in ear.heard] == ["R3", "R4", "R5"]


def test_a_hint_gets_through_when_its_kept_connection_is_dead_or_the_server_was_emptied(pool):
    queue = f"{broker.pool_prefix(pool.pk)}{broker.QUEUE}"
    broker.send_hint(pool.pk, WAKE_TASK, ["R0", 1, "t"])
    for one in events.client().client_list():
        events.client().client_kill_filter(_id=one["id"], skipme=True)
    broker.send_hint(pool.pk, WAKE_TASK, ["R1", 1, "t"])
    assert events.client().llen(queue) == 2
    events.client().flushall()
    broker.send_hint(pool.pk, WAKE_TASK, ["R2", 1, "t"])
    assert events.client().llen(queue) == 1


def test_no_more_connections_are_kept_than_some(pool, monkeypatch):
    monkeypatch.setattr(broker, "MOST_LINES", 2)
    for other in range(4):
        broker.send_hint(pool.pk + other, WAKE_TASK, ["R0", 1, "t"])
    assert [target for _url, target in broker._lines] == [pool.pk + 2, pool.pk + 3]


def test_an_emptied_server_gets_its_users_back(pool):
    events.client().acl_deluser(broker.pool_user(pool.pk))
    with pytest.raises(redis.AuthenticationError), as_pool(pool) as client:
        client.ping()
    assert broker.ensure_users() >= 1
    with as_pool(pool) as client:
        assert client.ping()
    before = [one for one in events.client().acl_list() if f"user {broker.pool_user(pool.pk)} " in one]
    broker.ensure_users(pool.pk)
    assert before == [one for one in events.client().acl_list() if f"user {broker.pool_user(pool.pk)} " in one]


def test_a_server_that_is_away_stops_no_target_from_being_made(transactional_db, people, lab, settings):
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    events.client.cache_clear()
    assert services.create_target(lab, actor=people.actor("olga"), name="gpu").broker_secret
    with pytest.raises(redis.ConnectionError):
        broker.ensure_users()
    with pytest.raises(Exception, match="nowhere"):
        broker.send_hint(1, WAKE_TASK, [])


@pytest.mark.parametrize(
    ("url", "start", "end"),
    [
        ("unix:///run/v.sock", "redis+socket://", "@/run/v.sock"),
        ("unix:///run/v.sock?db=2", "redis+socket://", "@/run/v.sock?virtual_host=2"),
        ("redis://host:6379/1", "redis://", "@host:6379/1"),
        ("rediss://zaffre:secret@[::1]:6380/0", "rediss://", "@[::1]:6380/0"),
    ],
)
def test_the_address_for_nodes_holds_the_pools_user_and_not_the_studios(pool, settings, url, start, end):
    settings.REDIS_URL = url
    told = broker.url_for(pool)
    assert told.startswith(start) and told.endswith(end) and "secret" not in told
    with Connection(told) as spoken:
        known = Connection(spoken.as_uri(include_password=True)) if "socket" not in told else None
        if known is not None:
            assert (known.userid, known.password) == (broker.pool_user(pool.pk), "a:p@ss/word?#%")


def test_the_password_of_a_pool_is_sealed_to_its_row(pool, target):
    assert "p@ss" not in pool.broker_secret
    target.broker_secret = pool.broker_secret
    with pytest.raises(Exception, match="does not open"):
        broker.url_for(target)
