"""What runs mean for compute: a target that holds some is not deleted, a node that drains takes none."""

from django.utils import timezone

from runs.services.scaling import tend_clusters
from studio.kernel.actors import SYSTEM
from tests.runs.control.conftest import Submitter
from workspace.compute.models import ComputeTarget, Happening, Node

URL = "/api/v1/workspaces/lab/compute"


def joined(api) -> None:
    made = api("olga").post(URL, {"name": "pool", "kind": "joined"}, format="json")
    assert made.status_code == 201, made.content


def test_a_target_is_not_deleted_while_runs_wait_or_run_there(api, carl):
    joined(api)
    run = carl.submit(target="pool")
    refused = api("olga").delete(f"{URL}/pool")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_use")
    assert "1 run waiting or running" in refused.json()["error"]["message"]
    row = api("rio").get(f"{URL}/pool").json()
    assert (row["waiting"], row["running"]) == (1, 0)
    carl.client.post(f"/api/v1/workspaces/lab/runs/{run.pk}/cancel")
    assert api("olga").delete(f"{URL}/pool").status_code == 204
    assert carl.look(run)["target"] == "pool", "a run of the past says where it was to run"
    assert carl.try_submit(target="pool").status_code == 422


def test_a_draining_node_takes_nothing_new(api, carl, node):
    first, second = carl.submit(), carl.submit()
    spec = node.claim()
    assert spec["run"] == first.pk
    [row] = Node.objects.all()
    at = f"{URL}/local/nodes/{row.pk}"
    assert api("olga").patch(at, {"draining": True}, format="json").status_code == 204
    assert node.ask().status == 204
    shown = api("rio").get(f"{URL}/local").json()
    assert (shown["running"], shown["waiting"], shown["nodes"][0]["busy"]) == (1, 1, 1)
    assert node.renew(spec).json()["runs"][0]["desired"] == "run", "what runs goes on"
    assert api("olga").patch(at, {"draining": False}, format="json").status_code == 204
    assert node.claim()["run"] == second.pk


def test_the_runs_of_a_target_are_a_tab_of_it(api, browser, carl):
    joined(api)
    here, elsewhere = carl.submit(target="pool"), carl.submit()
    shown = browser("rio").get("/w/lab/compute/pool/runs").content.decode()
    assert here.pk in shown and elsewhere.pk not in shown
    assert browser("mallory").get("/w/lab/compute/pool/runs").status_code == 404


# --- clusters and instances ----------------------------------------------------------------------------------------


def cluster(api, **settings) -> ComputeTarget:
    body = {"name": "few", "kind": "cluster", "settings": {"max_nodes": 2, "node": {"slots": 1}, **settings}}
    assert api("olga").post(URL, body, format="json").status_code == 201
    return ComputeTarget.objects.get(name="few")


def test_a_cluster_grows_for_runs_that_wait_and_says_why_they_do(api, browser, carl):
    few = cluster(api)
    runs = [carl.submit(target="few") for _ in range(3)]
    tend_clusters(actor=SYSTEM)
    tend_clusters(actor=SYSTEM)
    assert few.nodes.filter(state="preparing").count() == 2, "never over its maximum"
    told = carl.look(runs[0])["queue"]
    assert told["code"] == "waiting_for_node" and "few is being started" in told["message"]
    few.refresh_from_db()
    told = api("rio").get(f"{URL}/few").json()
    assert told["reason"].startswith("3 runs wait") and told["reason_code"] in {"growing", "at_max", "coming"}
    assert told["why"]["code"] == told["reason_code"] and told["why"]["waiting"] == 3
    page = browser("rio").get("/w/lab/compute/few").content.decode()
    assert "2 of 2 nodes" in page and told["reason"] in page and "Node added" in page
    page = browser("rio").get("/w/lab/compute/few", headers={"Accept-Language": "ja"}).content.decode()
    assert "3 件のラン" in page and "runs wait" not in page
    for run in runs:
        carl.client.post(f"/api/v1/workspaces/lab/runs/{run.pk}/cancel")
    assert api("olga").delete(f"{URL}/few").status_code == 204
    assert not Node.objects.filter(removed__isnull=True, target=few).exists()


def test_a_run_that_asks_for_more_than_a_node_has_adds_none(api, carl):
    few = cluster(api, node={"slots": 1, "cpus": 1, "memory_gb": 1})
    run = carl.submit(target="few", resources={"cpus": 64})
    tend_clusters(actor=SYSTEM)
    few.refresh_from_db()
    assert few.nodes.count() == 0 and few.reason_code == "nothing_fits"
    told = carl.look(run)["queue"]
    assert told["code"] == "nothing_fits" and "1 run asks for more than this cluster can have" in told["message"]
    assert "being started" not in told["message"], "nothing is started for it"


def test_nodes_that_a_cluster_adds_are_no_nodes_that_it_does_not_have(api, carl):
    few = cluster(api)
    facts = {"cpu": 2, "memory_gb": 8, "slots": 1}
    Node.objects.create(id="N1", target=few, name="n1", epoch="one", last_seen=timezone.now(), facts=facts)
    gang = {"target": "few", "command": ["true"], "script": None, "distribution": {"kind": "multiprocess"}}
    fits = carl.try_submit(**gang, node_count=2).json()
    assert fits["warnings"] == [] and fits["queue"]["code"] == "waiting_for_node"
    assert "needs 2 nodes at once; 1 of few" in fits["queue"]["message"]
    Node.objects.all().delete()
    never = carl.try_submit(**gang, node_count=3).json()
    assert never["queue"]["code"] == "nothing_fits" and "few may have 2 at most" in never["warnings"][0]
    queue = api("rio").get(f"{URL}/few/queue").json()["waiting"]
    assert [one["code"] for one in queue] == ["waiting_for_node", "nothing_fits"]


def test_a_sentence_of_before_stays_as_it_was_written(api, browser, lab):
    few = cluster(api)
    Happening.objects.create(target=few, code="growing", text="2 runs wait for room: 1 node is added.")
    ComputeTarget.objects.filter(pk=few.pk).update(reason_code="growing", reason="2 runs wait for room.")
    assert api("rio").get(f"{URL}/few").json()["reason"] == "2 runs wait for room."
    page = browser("rio").get("/w/lab/compute/few", headers={"Accept-Language": "ja"}).content.decode()
    assert "2 runs wait for room." in page and "2 runs wait for room: 1 node is added." in page


def test_an_instance_takes_the_runs_of_its_person_and_they_wait_while_it_is_stopped(api, browser, carl):
    assert api("carl").post(URL, {"name": "desk", "kind": "instance"}, format="json").status_code == 201
    run = carl.submit(target="desk")
    assert carl.look(run)["queue"]["code"] == "waiting_for_node"
    assert api("carl").post(f"{URL}/desk/stop", {}, format="json").status_code == 200
    told = carl.look(run)["queue"]
    assert told["code"] == "compute_stopped" and "desk is stopped" in told["message"]
    assert "Start it" in browser("carl").get(f"/w/lab/runs/{run.pk}").content.decode()
    olga = Submitter(api("olga"), carl.lab)
    refused = olga.try_submit(target="desk")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_your_instance")
