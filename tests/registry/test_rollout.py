"""Deployments from waiting to healthy, failed and retired, with nodes that say what agents say."""

import asyncio
import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from registry.endpoints import routes
from registry.endpoints.models import Deployment, Replica
from registry.endpoints.rollout import Copy, judge
from registry.endpoints.services import tick, upkeep
from studio.kernel import blobs, credentials
from studio.kernel.errors import Forbidden
from studio.kernel.models import Outbox
from tests.kernel.asgi import Caller
from tests.registry.conftest import go, newest, replicas, socket_of
from tests.runs.control.conftest import bearer
from workspace.compute.models import Node as NodeRow
from zaffre.protocol import SYNC_TASK


def served(name: str = "lab/digits") -> dict[int, tuple[int, list[str]]]:
    """What gateways are told: the weight and the addresses of each deployment."""
    found = routes.current().endpoints[name].deployments
    return {one.number: (one.weight, [each.address for each in one.replicas]) for one in found}


def silent(**which: object) -> None:
    """Let replicas' nodes have said nothing for an hour."""
    Replica.objects.filter(**which).update(last_seen=timezone.now() - timedelta(hours=1))


def test_a_log_that_grows_is_shown_and_moves_no_route(carl, join):
    node = join("a")
    carl.deploy()
    node.round()
    node.round("ready")
    before = Outbox.objects.count()
    node.round("ready", log_tail="ValueError: no such row")
    assert carl.look()["deployments"][0]["replicas"][0]["log_tail"] == "ValueError: no such row"
    assert Outbox.objects.count() == before


def test_from_nothing_to_healthy(carl, join):
    node = join("a")
    carl.deploy()
    assert Outbox.objects.filter(task=SYNC_TASK).exists()
    [spec] = node.round()
    assert (spec["endpoint"], spec["deployment"], spec["workspace"]) == ("digits", "1", "lab")
    assert (spec["model"]["name"], spec["model"]["version"]) == ("m", 1)
    assert [entry["path"] for entry in spec["model"]["files"]] == ["model.txt"]
    assert [entry["path"] for entry in spec["code"]["files"]] == ["lib/help.py", "score.py"]
    assert (spec["entry_script"], spec["environment"]["spec"]["kind"]) == ("score.py", "system")
    assert carl.states() == {1: "transitioning"}
    [named] = node.round("starting", reason="Installing packages.")
    assert named["id"] == spec["id"] and "model" not in named
    assert carl.look()["deployments"][0]["reason"] == "Installing packages."
    assert served() == {}
    node.round("ready", reason="")
    assert carl.states() == {1: "healthy"}
    assert served() == {1: (100, [socket_of(spec["id"])])}
    shown = carl.look()
    assert (shown["state"], shown["deployments"][0]["replicas"][0]["node"]) == ("healthy", "a")
    assert "address" not in str(shown) and ".sock" not in str(shown)


@pytest.mark.parametrize("statement", [1, 2])
def test_routes_that_are_read_during_a_take_over_name_somebody(carl, join, statement):
    node = join("a")
    carl.deploy()
    node.round()
    node.round("ready")
    carl.deploy()
    node.round()
    done = 0

    def take_over() -> None:
        node.round("ready")
        connections.close_all()

    def between(execute, *about):
        nonlocal done
        answer = execute(*about)
        done += 1
        if done == statement:
            other = threading.Thread(target=take_over)
            other.start()
            other.join(30)
        return answer

    with connection.execute_wrapper(between):
        found = served()
    assert [number for number, (_, addresses) in found.items() if addresses] != []
    assert found in [{1: found.get(1)}, {2: found.get(2)}]
    assert list(served()) == [2]


def test_it_waits_for_a_node_and_says_so(carl, join):
    carl.deploy()
    go()
    assert "No node of local is online" in carl.look()["deployments"][0]["reason"]
    node = join("late")
    assert node.round() == []
    go()
    assert len(node.round()) == 1
    go()
    assert carl.look()["deployments"][0]["reason"] == ""


def test_one_deployment_that_cannot_be_looked_after_keeps_no_other(carl, join, monkeypatch):
    carl.post("endpoints", name="letters")
    carl.deploy()
    carl.deploy("letters")
    real, first = upkeep.place, newest().pk - 1

    def place(deployment):
        if deployment.pk == first:
            raise ValueError("a defect")
        return real(deployment)

    monkeypatch.setattr(upkeep, "place", place)
    node = join("a")
    go()
    assert [spec["endpoint"] for spec in node.round()] == ["letters"]


def test_replicas_go_to_the_nodes_that_have_the_fewest(carl, join):
    a, b = join("a"), join("b")
    carl.deploy(replicas=4)
    assert (len(a.round()), len(b.round())) == (2, 2)
    a.round("ready")
    assert carl.states() == {1: "transitioning"}
    assert served() == {}
    b.round("ready")
    assert carl.states() == {1: "healthy"}
    assert len(served()[1][1]) == 4


def test_a_node_that_is_silent_gets_nothing(carl, join):
    a, b = join("a"), join("b")
    NodeRow.objects.filter(name="a").update(last_seen=timezone.now() - timedelta(hours=1))
    carl.deploy(replicas=2)
    assert (len(b.round()), len(a.round())) == (2, 0)


def test_an_update_takes_over_when_it_is_ready_and_the_old_one_drains(carl, join, monkeypatch):
    node = join("a")
    carl.deploy()
    node.round()
    node.round("ready")
    old = newest()
    carl.deploy()
    node.round()
    go()
    assert served() == {1: (100, [socket_of(replicas(deployment=old)[0].pk)])}
    assert carl.look()["state"] == "healthy"  # the endpoint answers, though its newest deployment is not ready
    node.round("ready")
    assert carl.states() == {2: "healthy", 1: "retired"}
    fresh = replicas(deployment=newest())[0].pk
    assert served() == {2: (100, [socket_of(fresh)])}
    go()
    assert {one["id"] for one in node.round()} == {fresh, replicas(deployment=old)[0].pk}  # it finishes its requests
    monkeypatch.setattr(upkeep, "DRAIN", 0.0)
    go()
    assert [one["id"] for one in node.round()] == [fresh]
    node.round()
    assert replicas(deployment=old)[0].state == "stopped"


def test_a_model_that_does_not_load_never_takes_traffic(carl, join, browser):
    node = join("a")
    carl.deploy()
    node.round()
    node.round("ready")
    first = served()
    carl.deploy()
    node.round()
    bad = replicas(deployment=newest())[0].pk
    node.has[bad].update(state="failed", reason="init() raised an exception.", log_tail="ValueError: no\0 model")
    node.round()
    assert carl.states() == {2: "failed", 1: "healthy"}
    assert served() == first
    shown = carl.look()
    assert shown["state"] == "healthy"
    for page in ("", "endpoints", "endpoints/digits"):
        assert "Healthy" in browser("rio").get(f"/w/lab/{page}").content.decode()
    assert shown["deployments"][0]["reason"] == "init() raised an exception."
    assert shown["deployments"][0]["replicas"][0]["log_tail"] == "ValueError: no\ufffd model"
    assert bad not in {one["id"] for one in node.round()}
    go()
    assert carl.states() == {2: "failed", 1: "healthy"}
    assert carl.deploy().status_code == 201  # the next try


def test_a_second_deployment_replaces_one_that_is_not_ready(carl, join):
    node = join("a")
    carl.deploy()
    node.round()
    carl.deploy()
    assert carl.states() == {2: "transitioning", 1: "retired"}
    assert len(node.round()) == 1
    node.round("ready")
    assert carl.states() == {2: "healthy", 1: "retired"}


def test_replicas_of_a_lost_node_are_replaced(carl, join):
    a = join("a")
    carl.deploy()
    a.round()
    a.round("ready")
    lost = newest().replicas.get()
    b = join("b")
    go()
    assert served()[1][1] == [socket_of(lost.pk)]  # silent for less than a lease: it still serves
    silent(pk=lost.pk)
    NodeRow.objects.filter(name="a").update(last_seen=timezone.now() - timedelta(hours=1))
    go()
    assert carl.states() == {1: "unhealthy"}
    assert served() == {1: (100, [])}
    assert "No replica of deployment 1 is ready" in routes.current().endpoints["lab/digits"].note
    [spec] = b.round()
    assert spec["id"] != lost.pk
    b.round("ready")
    assert carl.states() == {1: "healthy"}
    assert a.round("ready") == []  # it comes back, and has to end what was replaced
    assert served()[1][1] == [socket_of(spec["id"])]


def test_a_replica_that_dies_leaves_the_routes_until_it_is_back(carl, join):
    node = join("a")
    carl.deploy(replicas=2)
    node.round()
    node.round("ready")
    first = next(iter(node.has.values()))
    first.update(state="starting", address="", reason="It ended with signal 9. It is started again.")
    node.round()
    assert carl.states() == {1: "unhealthy"}
    assert "1 of 2" in carl.look()["deployments"][0]["reason"]
    assert len(served()[1][1]) == 1
    node.round("ready", reason="")
    assert carl.states() == {1: "healthy"}
    assert carl.look()["deployments"][0]["reason"] == ""


def test_a_crash_loop_in_a_healthy_deployment_is_tried_again_later(carl, join, monkeypatch):
    node = join("a")
    carl.deploy()
    node.round()
    node.round("ready")
    [gone] = node.has
    node.round("failed", reason="It ended 5 times.", log_tail="boom")
    assert carl.states() == {1: "unhealthy"}
    assert node.round() == []  # given up by its node: nothing to keep
    go()
    assert len(replicas()) == 1
    silent(pk=gone)
    go()
    assert [one.wanted for one in replicas()] == [False, True]
    [spec] = node.round()
    node.round("ready")
    assert carl.states() == {1: "healthy"}
    assert served()[1][1] == [socket_of(spec["id"])]


def test_an_agent_that_was_started_anew_starts_its_replicas_again(carl, join):
    node = join("a")
    carl.deploy()
    node.round()
    node.round("ready")
    node.epoch, node.has = "another life", {}
    assert node.sync().json()["error"]["code"] == "stale_epoch"
    assert node.hello().status_code == 200
    [spec] = node.round()
    assert "model" in spec  # in full: it knows nothing
    assert carl.states() == {1: "unhealthy"}
    assert served() == {1: (100, [])}
    node.round("ready")
    assert carl.states() == {1: "healthy"}


def test_nodes_speak_for_their_own_replicas_only(carl, join, people):
    a, b = join("a"), join("b")
    carl.deploy()
    holder, other = (a, b) if a.round() else (b, a)
    [mine] = holder.has or [one["id"] for one in holder.round()]
    assert other.sync({"id": mine, "state": "ready", "address": socket_of(mine)}).json() == {"replicas": []}
    assert newest().replicas.get().state == "waiting"
    for who in (bearer("zaf_node_x"), carl.client):
        assert who.post("/agent/v1/replicas/sync", {"epoch": "e", "replicas": []}, format="json").status_code in {
            401,
            403,
        }
    with pytest.raises(Forbidden):
        tick(actor=people.actor("olga"))


@pytest.mark.parametrize(
    "address",
    [
        "unix:/var/run/postgresql/.s.PGSQL.5432",
        "unix:relative/s/{name}",
        "unix:/var/z/../s/{name}",
        "unix:/var/z/s/other.sock",
        "unix:/var/z/{name}",
        "http://10.0.0.9:8000",
        "http://127.0.0.1:80",
        "http://127.0.0.1:9000/path",
        "http://user@127.0.0.1:9000",
        "http://127.0.0.1@evil:9000",
        "http://localhost:9000",
        "https://127.0.0.1:9000",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_that_is_not_the_nodes_own_is_not_believed(carl, join, address):
    node = join("a")
    carl.deploy()
    [spec] = node.round()
    name = socket_of(spec["id"]).rpartition("/")[2]
    node.sync({"id": spec["id"], "state": "ready", "address": address.format(name=name)})
    assert carl.states() == {1: "failed"}
    assert served() == {}


def test_a_port_of_the_machine_that_called_is_believed(carl, join):
    node = join("a")
    carl.deploy()
    [spec] = node.round()
    node.sync({"id": spec["id"], "state": "ready", "address": "http://127.0.0.1:9000"})
    assert served() == {1: (100, ["http://127.0.0.1:9000"])}


@pytest.mark.parametrize("report", [{}, {"id": 5}, {"state": "ready"}, {"state": "flying"}, {"state": None}])
def test_a_strange_report_changes_nothing(carl, join, report):
    node = join("a")
    carl.deploy()
    [spec] = node.round()
    assert node.sync({"id": spec["id"], **report} if report.get("state") != "ready" else report).status_code == 200
    assert newest().replicas.get().state in {"waiting", "starting"}


def test_a_deleted_endpoint_ends_its_replicas(carl, join):
    node = join("a")
    carl.deploy()
    node.round()
    node.round("ready")
    Outbox.objects.all().delete()
    carl.client.delete("/api/v1/workspaces/lab/endpoints/digits")
    assert Outbox.objects.filter(task=SYNC_TASK).exists()
    assert Outbox.objects.filter(task="registry.publish_routes").exists()
    assert node.round() == []
    assert "lab/digits" not in routes.current().endpoints
    assert not Deployment.objects.exists()


def test_a_node_fetches_the_files_of_its_replicas_and_no_others(carl, join, yard):
    from studio.asgi import application

    a, b = join("a"), join("b")
    carl.deploy()
    holder, other = (a, b) if a.round() else (b, a)
    [spec] = holder.sync().json()["replicas"]
    secret, _ = blobs.put([b"not for replicas"], workspace_id=yard.pk)
    model = spec["model"]["files"][0]["sha256"]
    credentials.forget()

    def fetch(token: str, sha256: str):
        caller = Caller(application, {"authorization": f"Bearer {token}"})
        return asyncio.run(caller.get(f"/agent/v1/replicas/{spec['id']}/blobs/{sha256}"))

    got = fetch(holder.token, model)
    assert (got.status, got.body) == (200, b"3")
    assert fetch(holder.token, spec["code"]["files"][0]["sha256"]).status == 200
    assert fetch(holder.token, secret).status == 404
    assert fetch(other.token, model).status == 404
    assert fetch("zaf_nonsense", model).status == 401


def test_judging():
    def verdict(state, wanted, *copies):
        return judge(state, wanted, copies, lease=120, again=60)

    ready, lost = Copy("a", "ready", 1.0), Copy("b", "ready", 121.0)
    assert verdict("transitioning", 1).add == 1
    assert verdict("transitioning", 1, ready).state == "healthy"
    assert verdict("healthy", 2, ready, lost).lost == ("b",)
    assert (verdict("healthy", 2, ready, lost).state, verdict("healthy", 2, ready, lost).add) == ("unhealthy", 1)
    assert verdict("healthy", 1, lost, ready).state == "healthy"
    assert verdict("transitioning", 1, Copy("a", "waiting", None)).add == 0
    failed = Copy("c", "failed", 5.0, "why")
    assert verdict("transitioning", 1, failed).reason == "why"
    assert (verdict("healthy", 1, failed).given_up, verdict("healthy", 1, failed).add) == ((), 0)
    assert verdict("unhealthy", 1, Copy("c", "failed", 61.0)).add == 1
