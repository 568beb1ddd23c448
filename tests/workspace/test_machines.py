"""The machines of nodes: rows come first, what is there follows. A provider of the test plays the machines."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from studio.kernel.actors import SYSTEM
from workspace.compute import services, words
from workspace.compute.models import ComputeTarget, Enrolment, Happening, Node, Sample
from workspace.compute.providers import Machine, Order, ProviderError
from workspace.compute.services import machines
from workspace.compute.services.pool import add_node
from workspace.environments.models import Environment, EnvironmentLock, EnvironmentVersion

URL = "/api/v1/workspaces/lab/compute"


@dataclass
class Box:
    """Machines in memory. `broken` makes every start fail; a started one lives until the test ends it."""

    name: str = "process"
    ends_with_us: bool = True
    alive: dict[str, Order] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    stubborn: bool = False
    broken: str = ""
    dies: bool = False

    def start(self, order: Order) -> dict:
        if self.broken:
            raise ProviderError(self.broken)
        self.started.append(order.node)
        if not self.dies:
            self.alive[order.node] = order
        return {"pid": len(self.started)}

    def stop(self, node: str, *, kill: bool = False, forget: bool = False) -> None:
        if forget:
            self.forgotten.append(node)
        if kill:
            self.killed.append(node)
        if kill or not self.stubborn:
            self.alive.pop(node, None)

    def list(self) -> dict[str, Machine]:
        return {key: Machine(key, alive=True) for key in self.alive}

    def tail(self, node: str) -> str:
        return "INFO starting\nERROR no disk\n"


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def manager(box) -> machines.Manager:
    return machines.Manager(box)


@pytest.fixture
def cluster(lab, people) -> ComputeTarget:
    return services.create_target(
        lab, actor=people.actor("olga"), name="c", kind="cluster", settings={"max_nodes": 3, "node": {"slots": 2}}
    )


def bring_up(node: Node, api) -> dict[str, str]:
    """What the agent of a started machine does first; returns the header of its later calls."""
    token = machines.admit(node)
    answer = api(None).post(
        "/agent/v1/nodes/register",
        {"name": "whatever", "facts": {"cpu": 2, "memory_gb": 4, "slots": 2}},
        format="json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 201, answer.content
    hello = {"epoch": "one", "runs": [], "replicas": [], "facts": {"cpu": 2, "memory_gb": 4, "slots": 2}}
    head = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert api(None).post("/agent/v1/nodes/hello", hello, format="json", headers=head).status_code == 200
    return head


def test_a_node_is_a_row_before_it_is_a_machine_and_registers_as_that_row(cluster, manager, box, api):
    node = add_node(cluster)
    assert Node.objects.get().state == "preparing" and box.started == []
    manager.round(actor=SYSTEM)
    assert box.started == [node.pk] and box.alive[node.pk].slots == 2
    bring_up(node, api)
    node.refresh_from_db()
    assert (node.state, node.name.startswith("c-"), node.slots) == ("ready", True, 2)
    assert Node.objects.count() == 1
    assert Enrolment.objects.filter(node=node).count() == 1
    codes = list(Happening.objects.order_by("pk").values_list("code", flat=True))
    assert codes == ["node_added", "node_ready"]


def test_an_enrolment_of_one_node_admits_no_other_and_ends_with_it(cluster, api):
    node = add_node(cluster)
    old, token = machines.admit(node), machines.admit(node)
    head = {"Authorization": f"Bearer {old}"}
    assert api(None).post("/agent/v1/nodes/register", {}, format="json", headers=head).status_code == 401
    Node.objects.update(wanted=False)
    head = {"Authorization": f"Bearer {token}"}
    assert api(None).post("/agent/v1/nodes/register", {}, format="json", headers=head).status_code == 401
    assert Node.objects.count() == 1


def test_a_machine_that_died_is_started_again_and_given_up_when_it_never_speaks(cluster, manager, box):
    add_node(cluster)
    box.dies = True
    for _ in range(machines.MOST_STARTS + 1):
        manager.round(actor=SYSTEM)
        manager.round(actor=SYSTEM)  # too soon: it waits
        node = Node.objects.get()
        Node.objects.update(handle={**node.handle, "at": node.handle.get("at", 0) - 1000})
    node = Node.objects.get()
    assert len(box.started) == machines.MOST_STARTS
    assert (node.state, node.wanted) == ("unusable", False)
    assert "ended 4 times without a word" in words.note_of(node) and "no disk" in node.note
    manager.round(actor=SYSTEM)
    node.refresh_from_db()
    assert node.ended is not None and node.removed is None, "it stays, to be looked at"


def test_what_a_provider_cannot_do_is_told_and_tried_again(cluster, manager, box):
    add_node(cluster)
    box.broken = "No room on this host."
    manager.round(actor=SYSTEM)
    node = Node.objects.get()
    assert node.note == "No room on this host." and node.state == "preparing"
    box.broken = ""
    Node.objects.update(handle={**node.handle, "at": 0})
    manager.round(actor=SYSTEM)
    assert box.started == [node.pk]


def test_a_machine_that_does_not_go_is_killed(cluster, manager, box, monkeypatch):
    add_node(cluster)
    manager.round(actor=SYSTEM)
    box.stubborn = True
    Node.objects.update(wanted=False, state="leaving")
    manager.round(actor=SYSTEM)
    assert box.killed == []
    monkeypatch.setattr(machines, "STOP_SECONDS", -1.0)
    manager.round(actor=SYSTEM)
    assert len(box.killed) == 1
    manager.round(actor=SYSTEM)
    assert Node.objects.get().removed is not None


def test_a_stop_takes_all_machines_along_and_leaves_the_rows(cluster, manager, box):
    add_node(cluster)
    add_node(cluster)
    manager.round(actor=SYSTEM)
    manager.stop_all()
    assert box.alive == {} and Node.objects.filter(wanted=True, removed__isnull=True).count() == 2


def test_draining_by_hand_can_be_taken_back(cluster, manager, api):
    node = add_node(cluster)
    manager.round(actor=SYSTEM)
    bring_up(node, api)
    address = f"{URL}/c/nodes/{node.pk}"
    api("olga").patch(address, {"draining": True}, format="json")
    assert Node.objects.get().state == "leaving"
    api("olga").patch(address, {"draining": False}, format="json")
    assert Node.objects.get().state == "ready" and Node.objects.get().draining is None


def test_a_node_is_drained_on_its_own_page_and_in_the_list_and_each_leads_back_to_itself(
    cluster, manager, browser, api
):
    node = add_node(cluster)
    manager.round(actor=SYSTEM)
    bring_up(node, api)
    listed = "/w/lab/compute/c/nodes"
    for form, back in (({"from": "node"}, f"{listed}/{node.pk}"), ({}, listed)):
        done = browser("olga").post(f"{listed}/{node.pk}/drain", {"draining": "1", **form})
        assert (done.status_code, done.url) == (302, back)
        assert Node.objects.get().draining is not None
        browser("olga").post(f"{listed}/{node.pk}/drain", {"draining": "0", **form})
        assert Node.objects.get().draining is None
    assert 'name="from" value="node"' in browser("olga").get(f"{listed}/{node.pk}").content.decode()


# --- the page of a node ----------------------------------------------------------------------------------------


def test_the_page_of_a_node_asks_for_its_log_and_draws_its_hour(browser, cluster, manager, api):
    node = add_node(cluster)
    manager.round(actor=SYSTEM)
    head = bring_up(node, api)
    address = f"/w/lab/compute/c/nodes/{node.pk}"

    def renew(**more: object) -> dict:
        body = {"epoch": "one", "runs": [], "load": {"cpu": 0.5, "memory": 0.25, "disk": 0.9}, **more}
        answer = api(None).post("/agent/v1/nodes/renew", body, format="json", headers=head)
        assert answer.status_code == 200, answer.content
        return answer.json()

    assert renew()["log"] is False, "nobody looks"
    assert browser("rio").get(address).status_code == 200
    assert browser("mallory").get(address).status_code == 404
    assert browser("rio").get("/w/lab/compute/c/nodes/none").status_code == 404
    assert renew()["log"] is True
    renew(log="x" * 50_000 + "\nWARNING the <disk> is \0 slow\n")
    shown = browser("rio").get(address).content.decode()
    assert "WARNING the &lt;disk&gt; is" in shown
    node.refresh_from_db()
    assert len(node.said) <= 20_000
    assert node.samples.count() == 1, "one sample in twenty seconds"
    Node.objects.update(sampled=timezone.now() - timedelta(seconds=30))
    renew()
    shown = browser("rio").get(address).content.decode()
    assert shown.count("<polyline") == 3 and "90" in shown
    Sample.objects.filter(pk=node.samples.earliest("at").pk).update(at=timezone.now() - timedelta(minutes=20))
    shown = browser("rio").get(address).content.decode()
    assert shown.count("<polyline") == 6, "a line over minutes in which nothing was heard"
    Sample.objects.update(at=timezone.now() - timedelta(hours=2))
    services.forget_old()
    assert Sample.objects.count() == 0


def test_the_page_of_a_node_names_the_environments_that_it_keeps(browser, cluster, manager, api):
    node = add_node(cluster)
    manager.round(actor=SYSTEM)
    head = bring_up(node, api)
    address = f"/w/lab/compute/c/nodes/{node.pk}"
    made = Environment.objects.create(workspace=cluster.workspace, name="<b>train", latest=3)
    for number in (2, 3):  # two versions that were resolved to the same packages
        version = EnvironmentVersion.objects.create(environment=made, version=number, spec={}, digest=str(number))
        lock = {"python": "3.11", "platform": "any", "requirements": "", "sha256": "a" * 64, "packages": 7}
        EnvironmentLock.objects.create(version=version, **lock)

    def renew(told: object) -> str:
        body = {"epoch": "one", "runs": [], "load": {}, "environments": told}
        assert api(None).post("/agent/v1/nodes/renew", body, format="json", headers=head).status_code == 200
        return browser("rio").get(address).content.decode()

    assert "Environments kept here" not in browser("rio").get(address).content.decode()
    first = {"digest": "a" * 64, "python": "3.11.7", "packages": 7, "size": 1_500_000_000, "idle_seconds": 60}
    other = {**first, "digest": "b" * 64, "busy": True}
    shown = renew({"limit": 20 * 10**9, "size": 3_000_000_000, "count": 60, "kept": [first, other]})
    assert "&lt;b&gt;train:2</a>, <a" in shown and "&lt;b&gt;train:3</a>" in shown
    assert "No version of this workspace" in shown and "In use" in shown and "The 2 used last, of 60." in shown
    [told] = api("rio").get(f"{URL}/c").json()["nodes"]
    kept = told["environments"]["kept"]
    assert (told["environments"]["count"], kept[0]["digest"], kept[1]["busy"]) == (60, "a" * 64, True)
    assert parse_datetime(kept[0]["used"]) < timezone.now() - timedelta(seconds=59)
    with CaptureQueriesContext(connection) as few:
        browser("rio").get(address)
    shown = renew({"limit": 1, "size": 1, "count": 50, "kept": [first] * 50})
    with CaptureQueriesContext(connection) as many:
        browser("rio").get(address)
    assert len(many) <= len(few)


def test_an_environment_is_removed_from_a_node_unless_it_is_in_use(browser, cluster, manager, api, trail):
    node = add_node(cluster)
    manager.round(actor=SYSTEM)
    head = bring_up(node, api)
    idle = {"digest": "a" * 64, "python": "3.11.7", "packages": 7, "size": 1_500_000_000, "idle_seconds": 60}
    used = {**idle, "digest": "b" * 64, "busy": True}
    page, at = f"/w/lab/compute/c/nodes/{node.pk}", f"{URL}/c/nodes/{node.pk}/environments"

    def renew(*kept: dict) -> list[str]:
        shelf = {"limit": 20 * 10**9, "size": 1, "count": len(kept), "kept": kept}
        body = {"epoch": "one", "runs": [], "load": {}, **({"environments": shelf} if kept else {})}
        return api(None).post("/agent/v1/nodes/renew", body, format="json", headers=head).json()["evict"]

    assert renew(idle, used) == []
    shown = browser("olga").get(page).content.decode()
    assert f'data-dialog="evict-{idle["digest"]}"' in shown and shown.count('data-dialog="evict-') == 1
    assert "Remove…" not in browser("rio").get(page).content.decode()
    assert [api(who).delete(f"{at}/{idle['digest']}").status_code for who in ("rio", "carl", "mallory")] == [
        403,
        403,
        404,
    ]
    assert api("olga").delete(f"{at}/{used['digest']}").json()["error"]["code"] == "in_use"
    assert api("olga").delete(f"{at}/{'c' * 64}").status_code == 404
    assert browser("olga").post(f"{page}/evict", {"digest": idle["digest"]}).status_code == 302
    assert api("olga").delete(f"{at}/{idle['digest']}").status_code == 202, "twice is harmless"
    assert [one["leaving"] for one in api("rio").get(at).json()["kept"]] == [True, False]
    assert "Being removed" in browser("olga").get(page).content.decode()
    assert [one for one in trail() if one[1] == "node.evict"] == [("olga", "node.evict", node.name)]
    [told] = [
        one
        for one in api("rio").get(f"{URL}/c/happenings").json()["happenings"]
        if one["code"] == "environment_evicted"
    ]
    assert (told["node"], told["text"]) == (node.name, f"{'a' * 12}\nolga")
    assert "Environment removed" in browser("rio").get("/w/lab/compute/c").content.decode()
    assert renew() == [idle["digest"]] == renew(), "until the node says that it is gone"
    assert renew(used) == []
    # A run takes it before the node hears of it: then it stays.
    renew(idle)
    assert api("olga").delete(f"{at}/{idle['digest']}").status_code == 202
    assert renew({**idle, "busy": True}) == [] == renew(idle)
    Node.objects.update(last_seen=timezone.now() - timedelta(hours=1))
    assert api("olga").delete(f"{at}/{idle['digest']}").json()["error"]["code"] == "offline"


@pytest.mark.parametrize(
    "told",
    [
        "x",
        [],
        {"kept": 3, "limit": -1, "size": True, "count": 10**30},
        {
            "kept": [
                None,
                3,
                {"digest": "<script>", "python": ["x"], "packages": "9", "idle_seconds": -5, "busy": "yes"},
            ]
        },
        {"kept": [{"idle_seconds": 10**30, "python": "3\0.11\n" * 100, "size": 1.5}] * 1000},
    ],
)
def test_nonsense_about_environments_costs_no_lease(browser, cluster, manager, api, told):
    node = add_node(cluster)
    manager.round(actor=SYSTEM)
    head = bring_up(node, api)
    body = {"epoch": "one", "runs": [], "load": {}, "environments": told}
    assert api(None).post("/agent/v1/nodes/renew", body, format="json", headers=head).status_code == 200
    node.refresh_from_db()
    assert len(node.shelf.get("kept", [])) <= 50 and "script" not in str(node.shelf)
    assert browser("rio").get(f"/w/lab/compute/c/nodes/{node.pk}").status_code == 200
