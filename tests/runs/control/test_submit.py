"""Submitting, reading and editing runs, as people do."""

import pytest

from registry.endpoints.services import create_endpoint, deploy
from registry.models import Model, ModelVersion
from runs.models import Run
from tests.runs.control.conftest import WS, FakeCode
from workspace.audit.models import Entry

WHO = [("olga", 201), ("carl", 201), ("rio", 403), ("mallory", 404), (None, 401)]


@pytest.mark.parametrize(("who", "status"), WHO)
def test_who_may_submit(carl, api, who, status):
    body = {
        "experiment": "digits",
        "snapshot": carl.snapshot({"train.py": "print(1)"}),
        "config": {"script": "train.py"},
    }
    assert api(who).post(f"{WS}/runs", body, format="json").status_code == status
    assert Run.objects.count() == (status == 201)


def test_a_submitted_run_is_queued_and_written_down(carl):
    run = carl.submit(arguments=["--epochs", "3"])
    shown = carl.look(run)
    assert (shown["status"], shown["experiment"], shown["number"]) == ("queued", "digits", 1)
    assert shown["environment"] == "system:1"
    assert shown["queue"]["code"] == "waiting_for_node"
    assert shown["url"].endswith(f"/w/lab/runs/{run.pk}")
    assert Entry.objects.filter(action="run.submit", target=run.pk, actor_name="carl").exists()


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"script": "trian.py"}, "no_such_script"),
        ({"target": "gpu"}, "no_such_target"),
        ({"environment": "sklaern"}, "no_such_environment"),
        ({"inputs": {"x": "nothing"}}, "no_such_dataset"),
    ],
)
def test_what_is_not_there_is_refused_before_anybody_waits(carl, config, code):
    refused = carl.try_submit(**config)
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == code
    assert not Run.objects.exists()


def test_a_misspelled_environment_is_told_the_right_one(carl):
    assert "'sklearn'" in carl.try_submit(environment="sklaern").json()["error"]["message"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"inputs": {"d": {"dataset": "digits", "mod": "mount"}}}, "inputs.d has no 'mod'. Did you mean 'mode'?"),
        ({"history": {"directories_to_wach": ["a"]}}, "Did you mean 'directories_to_watch'?"),
    ],
)
def test_a_misspelled_field_is_refused_with_the_nearest(carl, config, told):
    refused = carl.try_submit(**config)
    assert refused.status_code == 422 and told in refused.json()["error"]["message"], refused.content


def test_a_repeated_submit_makes_one_run(carl):
    first, again = (carl.try_submit(key="once") for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert Run.objects.count() == 1
    assert carl.try_submit(key="once", arguments=["other"]).status_code == 422


def test_the_code_of_another_workspace_is_not_to_be_had(carl, api, people, lab):
    theirs = carl.snapshot({"train.py": "secret"})
    body = {"experiment": "x", "snapshot": theirs, "config": {"script": "train.py"}}
    assert api("mallory").post("/api/v1/workspaces/den/runs", body, format="json").status_code == 422


def test_numbers_count_per_experiment(carl):
    assert [carl.submit().number for _ in range(2)] == [1, 2]
    assert carl.submit(experiment="other").number == 1


@pytest.mark.parametrize(("who", "status"), [("rio", 200), ("mallory", 404), (None, 401)])
def test_who_may_read(carl, api, who, status):
    run = carl.submit()
    for path in ("runs", f"runs/{run.pk}", "experiments"):
        assert api(who).get(f"{WS}/{path}").status_code == status, path


def test_pages_of_runs_follow_each_other(carl):
    made = [carl.submit().pk for _ in range(5)]
    first = carl.client.get(f"{WS}/runs?limit=3").json()
    rest = carl.client.get(f"{WS}/runs?limit=3&after={first['next']}").json()
    assert [run["id"] for run in first["runs"] + rest["runs"]] == made[::-1]
    assert rest["next"] is None


def test_a_list_of_runs_costs_the_same_for_many(carl, django_assert_max_num_queries):
    for _ in range(4):
        carl.submit()
    with django_assert_max_num_queries(8):
        assert len(carl.client.get(f"{WS}/runs").json()["runs"]) == 4


def test_filters_and_what_they_refuse(carl):
    run = carl.submit()
    get = carl.client.get
    assert len(get(f"{WS}/runs?status=queued&experiment=digits&q={run.name[:4]}").json()["runs"]) == 1
    assert get(f"{WS}/runs?status=completed").json()["runs"] == []
    assert get(f"{WS}/runs?status=nonsense").status_code == 422
    assert get(f"{WS}/runs?experiment=nowhere").status_code == 404
    assert get(f"{WS}/runs?limit=0").status_code == 422


def test_editing_a_run(carl, api):
    run = carl.submit()
    place = f"{WS}/runs/{run.pk}"
    edited = carl.client.patch(
        place,
        {"name": "best so far", "tags": {"team": "vision", "old": "x"}, "properties": {"seed": "7"}},
        format="json",
    )
    assert edited.status_code == 200, edited.content
    carl.client.patch(place, {"tags": {"old": None}}, format="json")
    shown = carl.look(run)
    assert (shown["name"], shown["tags"], shown["properties"]) == ("best so far", {"team": "vision"}, {"seed": "7"})
    again = carl.client.patch(place, {"properties": {"seed": "8"}}, format="json")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "immutable")
    assert carl.client.patch(place, {"tags": {"a\nb": "x"}}, format="json").status_code == 422
    assert api("rio").patch(place, {"name": "mine"}, format="json").status_code == 403


def test_deleting_a_run(carl, api, node):
    run = carl.submit()
    place = f"{WS}/runs/{run.pk}"
    assert carl.client.delete(place).json()["error"]["code"] == "not_final"
    code = FakeCode(node.claim())
    code.start()
    assert code.end().json() == {"status": "completed"}
    assert api("rio").delete(place).status_code == 403
    assert carl.client.delete(place).status_code == 204
    assert carl.client.get(place).status_code == 404


def test_contributors_delete_only_their_own(carl, api, people):
    run = carl.submit()
    Run.objects.filter(pk=run.pk).update(status="completed", submitted_by=people.olga)
    assert carl.client.delete(f"{WS}/runs/{run.pk}").status_code == 403
    assert api("olga").delete(f"{WS}/runs/{run.pk}").status_code == 204


def test_an_interactive_run_is_its_starters_own(carl, api):
    body = {"kind": "interactive", "experiment": "notes", "tags": {"from": "notebook"}}
    made = carl.client.post(f"{WS}/runs", body, format="json")
    assert (made.status_code, made.json()["status"]) == (201, "running")
    place = f"{WS}/runs/{made.json()['id']}/end"
    assert api("olga").post(place, {"status": "completed"}, format="json").status_code == 403
    assert carl.client.post(place, {"status": "gone"}, format="json").status_code == 422
    for _ in range(2):
        ended = carl.client.post(place, {"status": "completed"}, format="json")
        assert (ended.status_code, ended.json()["status"]) == (200, "completed")
    assert carl.client.post(place, {"status": "failed"}, format="json").status_code == 409


def test_a_workspace_is_deleted_with_its_runs_models_and_endpoints(carl, api, node, people, lab):
    run = carl.submit({"train.py": "print(1)", "score.py": ""})
    FakeCode(node.claim()).start()
    model = Model.objects.create(workspace=lab, name="m", latest=1)
    ModelVersion.objects.create(model=model, version=1, files=[], size=0, run=run)
    create_endpoint("lab", actor=people.actor("olga"), name="e")
    words = {"model": "m:1", "snapshot": run.snapshot_id, "entry_script": "score.py", "environment": "system"}
    deploy("lab", "e", actor=people.actor("olga"), **words)
    assert api("carl").delete(WS).status_code == 403
    assert api("olga").delete(WS).status_code == 204
    assert not Run.objects.exists()
    assert api("olga").get(WS).status_code == 404
    assert Entry.objects.filter(action="workspace.delete", target="lab").exists()
