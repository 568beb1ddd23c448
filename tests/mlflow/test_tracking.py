"""Experiments, runs and what they log, through MLflow's door."""

import asyncio
import json

import pytest

from runs.models import Run
from runs.queries import get_run
from tests.conftest import People
from tests.mlflow.conftest import Door, Enter, refusal
from tests.runs.telemetry import ask
from workspace.audit.models import Entry


async def test_experiments_from_the_first_question_to_the_archive(carl: Door):
    assert refusal(await carl.get("experiments/get-by-name", experiment_name="x")) == (404, "RESOURCE_DOES_NOT_EXIST")
    number = await carl.experiment("x")
    again = await carl.post("experiments/create", name="x")
    assert refusal(again) == (400, "RESOURCE_ALREADY_EXISTS")
    shown = (await carl.get("experiments/get", experiment_id=number)).json()["experiment"]
    assert (shown["name"], shown["lifecycle_stage"]) == ("x", "active")
    assert shown["creation_time"] > 10**12
    assert (await carl.post("experiments/update", experiment_id=number, new_name="y")).json() == {}
    assert (await carl.post("experiments/delete", experiment_id=number)).json() == {}
    gone = (await carl.get("experiments/get-by-name", experiment_name="y")).json()["experiment"]
    assert (gone["experiment_id"], gone["lifecycle_stage"]) == (number, "deleted")
    assert refusal(await carl.post("runs/create", experiment_id=number)) == (400, "INVALID_PARAMETER_VALUE")
    assert (await carl.post("experiments/search", max_results=5)).json()["experiments"] == []
    assert (await carl.post("experiments/restore", experiment_id=number)).json() == {}
    assert (await carl.run(number))["info"]["experiment_id"] == number


async def test_experiments_are_searched_page_by_page(carl: Door):
    for name in ("abc", "abd", "xyz"):
        await carl.experiment(name)
    first = (await carl.post("experiments/search", max_results=1, filter="name LIKE 'ab%'")).json()
    assert [one["name"] for one in first["experiments"]] == ["abd"]
    token = first["next_page_token"]
    rest = (await carl.get("experiments/search", max_results=1, filter="name LIKE 'ab%'", page_token=token)).json()
    assert [one["name"] for one in rest["experiments"]] == ["abc"]
    assert "next_page_token" not in rest
    assert refusal(await carl.post("experiments/search", max_results=1, filter="tags.a = 'b'"))[0] == 400


async def test_tags_of_experiments_are_refused_and_not_lost(carl: Door):
    tags = [{"key": "team", "value": "vision"}]
    assert refusal(await carl.post("experiments/create", name="x", tags=tags)) == (400, "INVALID_PARAMETER_VALUE")
    note = [{"key": "mlflow.note.content", "value": "About digits."}]
    number = (await carl.post("experiments/create", name="x", tags=note)).json()["experiment_id"]
    assert (await carl.get("experiments/get", experiment_id=number)).json()["experiment"]["tags"] == note


async def test_a_run_is_one_of_ours(carl: Door, enter: Enter, people: People):
    number = await carl.experiment()
    tags = [{"key": "mlflow.user", "value": "somebody"}, {"key": "mlflow.runName", "value": "first try"}]
    made = await carl.run(number, run_name="first try", tags=tags, start_time=1, user_id="x")
    info = made["info"]
    assert (info["status"], info["user_id"], info["run_name"]) == ("RUNNING", "carl", "first try")
    assert info["artifact_uri"] == f"mlflow-artifacts:/{number}/{info['run_id']}/artifacts"
    assert info["start_time"] > 10**12
    ours = await ask(lambda: get_run("lab", info["run_id"], actor=people.actor("rio")))
    assert (ours.kind, ours.name, ours.tags) == ("interactive", "first try", {"mlflow.user": "somebody"})
    updated = await carl.post("runs/update", run_id=info["run_id"], status="FINISHED", end_time="5", run_name="second")
    assert updated.json()["run_info"]["status"] == "FINISHED"
    assert updated.json()["run_info"]["end_time"] > 10**12
    ended = await ask(lambda: get_run("lab", info["run_id"], actor=people.actor("rio")))
    assert (ended.status, ended.name) == ("completed", "second")
    assert (await carl.post("runs/update", run_id=info["run_id"], status="FINISHED")).status == 200
    again = await carl.post("runs/update", run_id=info["run_id"], status="RUNNING")
    assert refusal(again) == (409, "RESOURCE_CONFLICT")
    late = await carl.post("runs/log-metric", run_id=info["run_id"], key="a", value=1, timestamp=1)
    assert refusal(late) == (409, "RESOURCE_CONFLICT")


@pytest.mark.parametrize(("word", "ours"), [("FAILED", "failed"), ("KILLED", "canceled"), (3, "completed")])
async def test_the_ends_of_a_run(carl: Door, people: People, word, ours):
    run_id = (await carl.run())["info"]["run_id"]
    assert (await carl.post("runs/update", run_uuid=run_id, status=word)).status == 200
    found = await ask(lambda: get_run("lab", run_id, actor=people.actor("rio")))
    assert found.status == ours


async def test_without_an_experiment_runs_go_to_the_default_one(carl: Door):
    assert refusal(await carl.get("experiments/get", experiment_id="0")) == (404, "RESOURCE_DOES_NOT_EXIST")
    made = await carl.run("0")
    shown = (await carl.get("experiments/get", experiment_id="0")).json()["experiment"]
    assert (shown["name"], shown["experiment_id"]) == ("Default", made["info"]["experiment_id"])
    assert len((await carl.post("runs/search", experiment_ids=["0"])).json()["runs"]) == 1


async def test_a_child_run_has_its_parent(carl: Door, people: People):
    parent = (await carl.run())["info"]["run_id"]
    child = (await carl.run(tags=[{"key": "mlflow.parentRunId", "value": parent}]))["info"]["run_id"]
    loose = (await carl.run(tags=[{"key": "mlflow.parentRunId", "value": "nobody"}]))["info"]["run_id"]
    rows = await ask(lambda: dict(Run.objects.values_list("pk", "parent_id")))
    assert rows == {parent: None, child: parent, loose: None}
    found = (
        await carl.post("runs/search", experiment_ids=["0"], filter=f"tags.mlflow.parentRunId = '{parent}'")
    ).json()
    assert [one["info"]["run_id"] for one in found["runs"]] == [child]


async def test_what_is_logged_comes_back(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    one = await carl.post("runs/log-metric", run_id=run_id, run_uuid=run_id, key="loss", value=0.5, timestamp="17")
    assert (one.status, one.json()) == (200, {})
    assert (await carl.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1")).json() == {}
    batch = {
        "metrics": [
            {"key": "loss", "value": 0.25, "timestamp": 18, "step": "3"},
            {"key": "odd", "value": "NaN", "timestamp": 18},
            {"key": "most", "value": "-Infinity", "timestamp": 18, "step": -1, "model_id": None},
        ],
        "params": [{"key": "depth", "value": "4"}, {"key": "empty", "value": ""}],
        "tags": [{"key": "team", "value": "vision"}],
    }
    assert (await carl.post("runs/log-batch", run_id=run_id, **batch)).json() == {}
    run = (await carl.get("runs/get", run_id=run_id)).json()["run"]["data"]
    assert {one["key"]: (one["value"], one["step"], one["timestamp"]) for one in run["metrics"]} == {
        "loss": (0.25, 3, 18), "odd": ("NaN", 0, 18), "most": (-1.7976931348623157e308, -1, 18),
    }  # fmt: skip
    data = await carl.read(run_id)
    assert data["params"] == {"lr": "0.1", "depth": "4", "empty": ""}
    assert data["tags"]["team"] == "vision"
    history = (await carl.get("metrics/get-history", run_id=run_id, metric_key="loss", max_results=25000)).json()
    assert history == {
        "metrics": [
            {"key": "loss", "value": 0.5, "timestamp": 17, "step": 0},
            {"key": "loss", "value": 0.25, "timestamp": 18, "step": 3},
        ]
    }
    assert (await carl.get("metrics/get-history", run_id=run_id, metric_key="none")).json() == {"metrics": []}


async def test_history_page_by_page(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    points = [{"key": "a", "value": at, "timestamp": 1000 - at, "step": at} for at in range(25)]
    await carl.post("runs/log-batch", run_id=run_id, metrics=points)
    seen, token = [], ""
    while True:
        page = (
            await carl.get("metrics/get-history", run_id=run_id, metric_key="a", max_results=10, page_token=token)
        ).json()
        seen += [one["step"] for one in page["metrics"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == list(range(24, -1, -1))


async def test_the_metric_of_a_run_is_that_of_its_highest_step(carl: Door):
    """Asynchronous logging sends many requests at once, and they come in any order."""
    run_id = (await carl.run())["info"]["run_id"]
    for step in (3, 1, 2):
        await carl.post("runs/log-metric", run_id=run_id, key="a", value=step / 2, timestamp=9, step=step)
    assert (await carl.read(run_id))["metrics"] == {"a": 1.5}
    found = await carl.post("runs/search", experiment_ids=["0"], filter="metrics.a = 1.5")
    assert len(found.json()["runs"]) == 1


async def test_a_repeated_request_adds_nothing(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    body = json.dumps({"run_id": run_id, "metrics": [{"key": "a", "value": 1, "timestamp": 5}]}).encode()
    answers = await asyncio.gather(*(carl.post("runs/log-batch", body) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    history = (await carl.get("metrics/get-history", run_id=run_id, metric_key="a")).json()
    assert len(history["metrics"]) == 1


async def test_a_tag_may_go_back_to_what_it_was(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    for value in ("1", "2", "1"):
        await carl.post("runs/log-batch", run_id=run_id, tags=[{"key": "phase", "value": value}])
    assert (await carl.read(run_id))["tags"]["phase"] == "1"


async def test_params_are_written_once(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    for _ in range(2):
        assert (await carl.post("runs/log-parameter", run_id=run_id, key="a", value="1")).status == 200
    changed = await carl.post("runs/log-parameter", run_id=run_id, key="a", value="2")
    assert refusal(changed) == (400, "INVALID_PARAMETER_VALUE")
    assert "Changing param values is not allowed" in changed.json()["message"]
    twice = [{"key": "b", "value": "1"}, {"key": "b", "value": "2"}]
    metrics = [{"key": "m", "value": 1, "timestamp": 1}]
    refused = await carl.post("runs/log-batch", run_id=run_id, params=twice, metrics=metrics)
    assert refusal(refused) == (400, "INVALID_PARAMETER_VALUE")
    assert await carl.read(run_id) | {"tags": {}} == {"params": {"a": "1"}, "metrics": {}, "tags": {}}


async def test_long_values_are_cut_and_not_lost(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    await carl.post("runs/log-parameter", run_id=run_id, key="a", value="x" * 7000)
    await carl.post("runs/set-tag", run_id=run_id, key="b", value="x" * 9000)
    data = await carl.read(run_id)
    assert (len(data["params"]["a"]), len(data["tags"]["b"])) == (6000, 8000)


@pytest.mark.parametrize(
    ("what", "count"), [("metrics", 1001), ("params", 101), ("tags", 101)], ids=["metrics", "params", "tags"]
)
async def test_limits_of_a_batch(carl: Door, what, count):
    run_id = (await carl.run())["info"]["run_id"]
    many = [{"key": f"k{at}", "value": "1", "timestamp": 1} for at in range(count)]
    assert refusal(await carl.post("runs/log-batch", run_id=run_id, **{what: many})) == (400, "INVALID_PARAMETER_VALUE")
    assert (await carl.post("runs/log-batch", run_id=run_id, **{what: many[:-1]})).status == 200


async def test_tags_of_a_run(carl: Door, people: People):
    run_id = (await carl.run())["info"]["run_id"]
    await carl.post("runs/set-tag", run_id=run_id, key="a", value="1")
    await carl.post("runs/set-tag", run_id=run_id, key="mlflow.runName", value="renamed")
    tags = (await carl.read(run_id))["tags"]
    assert tags == {"a": "1", "mlflow.runName": "renamed"}
    assert (await carl.post("runs/delete-tag", run_id=run_id, key="a")).json() == {}
    assert refusal(await carl.post("runs/delete-tag", run_id=run_id, key="a")) == (404, "RESOURCE_DOES_NOT_EXIST")
    written = await ask(lambda: list(Entry.objects.values_list("action", flat=True)))
    assert {"run.start", "run.edit"} <= set(written)
