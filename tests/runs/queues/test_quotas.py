"""Limits on what is used at once: who sets them, whom they hold, and what a run that waits for one is told."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.runs.control.conftest import WS, FakeCode, Submitter
from workspace.audit.models import Entry
from workspace.quotas.ledger import Ledger, Limit, Usage
from workspace.quotas.models import Quota

QUOTAS = f"{WS}/quotas"


def limit(api, who: str, **body) -> int:
    return api(who).put(QUOTAS, body, format="json").status_code


@pytest.mark.parametrize(
    ("who", "own", "site"),
    [
        ("olga", 200, 403),
        ("carl", 403, 403),
        ("rio", 403, 403),
        ("mallory", 404, 404),
        ("ada", 403, 200),
        (None, 401, 401),
    ],
)
def test_who_sets_which_limit(yard, api, who, own, site):
    assert limit(api, who, scope="workspace", runs=1) == own
    assert limit(api, who, scope="user", user="carl", runs=1) == own
    assert limit(api, who, scope="site", gpus=4) == site
    assert Quota.objects.count() == 2 * (own == 200) + (site == 200)
    assert Entry.objects.filter(action="quota.set").count() == Quota.objects.count()


def test_amounts_that_are_nothing_are_not_limited(yard, api):
    """The command sends all four, those that were left out as null."""
    assert limit(api, "olga", scope="user", user="carl", runs=2, cpus=None, gpus=None, nodes=None) == 200
    (found,) = Quota.objects.all()
    assert (found.runs, found.cpus, found.gpus, found.nodes) == (2, None, None, None)
    assert limit(api, "olga", scope="user", user="carl", runs=None, cpus=None, gpus=None, nodes=None) == 200
    assert not Quota.objects.exists()


@pytest.mark.parametrize(("who", "status"), [("rio", 200), ("ada", 200), ("mallory", 404), (None, 401)])
def test_who_sees_what_is_used(yard, api, browser, who, status):
    assert api(who).get(QUOTAS).status_code == status
    assert browser(who).get("/w/lab/usage").status_code == (302 if who is None else status)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "everything"}, "scope"),
        ({"scope": "workspace", "runs": -1}, "runs"),
        ({"scope": "workspace", "cpus": "many"}, "cpus"),
        ({"scope": "workspace", "gpus": True}, "gpus"),
        ({"scope": "workspace", "user": "carl", "runs": 1}, "user"),
    ],
)
def test_a_wrong_limit_is_refused_by_its_field(yard, api, body, field):
    refused = api("olga").put(QUOTAS, body, format="json")
    assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (422, field)
    assert api("olga").put(QUOTAS, {"scope": "user", "user": "mallory", "runs": 1}, format="json").status_code == 404


def test_a_person_at_the_limit_waits_and_others_pass(carl, node, api, yard):
    assert limit(api, "olga", scope="user", runs=1) == 200
    mine = [carl.submit() for _ in range(2)]
    hers = Submitter(api("olga"), yard).submit()
    first = node.claim()
    assert first["run"] == mine[0].pk
    assert carl.look(mine[1])["queue"] == {
        "position": 2,
        "code": "quota",
        "message": "The limit of who submitted it is 1 run at once. In use: 1; it asks for 1.",
    }
    assert node.claim()["run"] == hers.pk
    code = FakeCode(first)
    code.start()
    code.end()
    assert node.claim()["run"] == mine[1].pk


def test_the_workspaces_processors_are_counted_as_asked(carl, machine, api):
    node = machine("a", cpu=8)
    limit(api, "olga", scope="workspace", cpus=3)
    for cpus in (2, 2, 1):
        carl.submit(resources={"cpus": cpus})
    assert [node.claim()["limits"]["cpus"] for _ in range(2)] == [2, 1]
    assert node.ask().status == 204
    waiting = carl.client.get(f"{WS}/compute/local/queue").json()["waiting"]
    assert waiting[0]["code"] == "quota"
    assert "limit is 3 CPUs. In use: 3; it asks for 2." in waiting[0]["message"]


def test_the_sites_limit_holds_beside_the_workspaces(carl, machine, api):
    node = machine("a", cpu=8, gpus=[{"name": "x"}, {"name": "x"}])
    limit(api, "olga", scope="workspace", gpus=2)
    limit(api, "ada", scope="site", gpus=1)
    for _ in range(2):
        carl.submit(resources={"gpus": 1})
    assert [node.ask().status for _ in range(2)] == [200, 204]
    assert limit(api, "ada", scope="site") == 200, "no amount removes it"
    assert node.ask().status == 200


def test_nodes_are_counted_once_each(carl, machine, api):
    one, two = machine("a", cpu=4), machine("b", cpu=4)
    limit(api, "olga", scope="workspace", nodes=1)
    for _ in range(3):
        carl.submit(resources={"cpus": 1})
    assert one.ask().status == 200
    assert two.ask().status == 204
    assert one.ask().status == 200, "on the node that is used already"


def test_own_limits_go_before_those_of_everybody(carl, node, api, yard):
    limit(api, "olga", scope="user", runs=0)
    run = carl.submit()
    assert node.ask().status == 204
    limit(api, "olga", scope="user", user="carl", runs=5)
    assert node.claim()["run"] == run.pk
    told = {one["user"]: one for one in api("rio").get(QUOTAS).json()["people"]}
    assert (told["carl"]["used"]["runs"], told["carl"]["limits"]["runs"], told["carl"]["own"]) == (1, 5, True)
    assert (told["rio"]["limits"]["runs"], told["rio"]["own"]) == (0, False)


TWO = {"node_count": 2, "distribution": {"kind": "pytorch", "backend": "gloo"}}


def test_a_run_on_several_nodes_counts_on_each_of_them(carl, machine, api):
    nodes = [machine(name, cpu=4) for name in "ab"]
    assert limit(api, "olga", scope="workspace", cpus=5) == 200
    gang = carl.submit(resources={"cpus": 3}, **TWO)
    assert nodes[0].ask().status == 204
    told = carl.look(gang)["queue"]
    assert (told["code"], "5 CPUs" in told["message"], "asks for 6" in told["message"]) == ("quota", True, True)
    assert limit(api, "olga", scope="workspace", cpus=6) == 200
    assert [node.claim()["seat"]["rank"] for node in nodes] == [0, 1]
    carl.submit(resources={"cpus": 1})
    assert nodes[0].ask().status == 204, "all six are used"


@pytest.mark.parametrize("amounts", [{"cpus": 5}, {"nodes": 1}])
def test_a_run_on_several_nodes_that_no_limit_permits_keeps_no_node_free(carl, machine, api, settings, amounts):
    settings.HOLD_SECONDS = 0
    nodes = [machine(name, cpu=4) for name in "ab"]
    blocker = nodes[1].claim() if carl.submit(resources={"cpus": 4}, priority=1) else None
    assert blocker is not None
    code = FakeCode(blocker)
    assert limit(api, "olga", scope="workspace", **amounts) == 200
    gang = carl.submit(resources={"cpus": 3}, **TWO)
    code.start()
    code.end()
    small = carl.submit(resources={"cpus": 2})
    assert nodes[0].claim()["run"] == small.pk
    assert carl.look(gang)["queue"]["code"] == "quota"


def test_the_nodes_of_a_run_on_several_count_each(carl, machine, api):
    nodes = [machine(name, cpu=4) for name in "abc"]
    assert limit(api, "olga", scope="user", user="carl", nodes=2) == 200
    carl.submit(resources={"cpus": 1}, **TWO)
    assert [node.claim()["seat"]["rank"] for node in nodes[:2]] == [0, 1]
    late = carl.submit(resources={"cpus": 1})
    assert nodes[2].ask().status == 204, "it would be a third node"
    assert nodes[0].claim()["run"] == late.pk, "on a node that is used already it passes no limit"


def test_the_page_shows_and_sets_them(carl, node, browser, yard):
    carl.submit()
    node.claim()
    page = browser("olga").get("/w/lab/usage").content.decode()
    assert "Set a limit" in page
    done = browser("olga").post("/w/lab/usage", {"scope": "workspace", "user": "", "runs": "7", "cpus": ""})
    assert done["location"] == "/w/lab/usage"
    assert Quota.objects.get().runs == 7
    # Who sets one of several limits finds the others as they are, and does not take them back by saving.
    shown = browser("olga").get("/w/lab/usage?whose=workspace:").content.decode()
    assert 'name="runs" type="number" value="7"' in shown and 'name="scope" value="workspace"' in shown
    shown = browser("olga").get("/w/lab/usage?whose=user:carl").content.decode()
    assert 'name="user" value="carl"' in shown and 'value="7"' not in shown
    shown = browser("rio").get("/w/lab/usage").content.decode()
    assert "1 / 7" in shown
    assert "Set a limit" not in shown
    assert browser("rio").post("/w/lab/usage", {"scope": "workspace", "runs": "9"}).status_code == 403
    assert "/w/lab/usage" in browser("rio").get("/w/lab/compute").content.decode()


def test_many_people_cost_no_more_statements(carl, node, api):
    limit(api, "olga", scope="user", runs=9)
    with CaptureQueriesContext(connection) as asked:
        api("rio").get(QUOTAS)
        few = len(asked)
    for _ in range(2):
        carl.submit()
        node.claim()
    with CaptureQueriesContext(connection) as asked:
        api("rio").get(QUOTAS)
        assert len(asked) == few


def test_a_ledger_names_the_first_limit_that_is_passed():
    ledger = Ledger(workspace=Limit(cpus=4), people={1: Limit(runs=2)}, used={1: Usage(1, 3.5), None: Usage(1, 0.5)})
    assert ledger.excess(1, Usage(1, 0.0)) is None
    assert ledger.excess(1, Usage(1, 0.1)).amount == "cpus"
    assert ledger.excess(1, Usage(2, 0.0)).scope == "user"
    assert ledger.excess(2, Usage(9, 0.0)) is None
    assert not Ledger()
