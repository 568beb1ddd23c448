"""What runs mean for compute: a target that holds some is not deleted, a node that drains takes none."""

from workspace.compute.models import Node

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
