"""Logged models at MLflow's door: made, filled, measured, found, by who may."""

import json
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper

from tests.mlflow.conftest import FILES, Door, Enter, refusal


async def make(door: Door, experiment: str, name: str | None = "clf", **more: Any) -> dict[str, Any]:
    given = {"experiment_id": experiment, **({"name": name} if name else {}), **more}
    answer = await door.post("logged-models", **given)
    assert answer.status == 200, answer.body
    return answer.json()["model"]


async def patch(door: Door, call: str, **body: Any):
    return await door.caller.call("PATCH", f"{door.api}/{call}", json.dumps(body).encode())


async def look(door: Door, model_id: str) -> dict[str, Any]:
    answer = await door.get(f"logged-models/{model_id}")
    assert answer.status == 200, answer.body
    return answer.json()["model"]


async def test_a_model_is_made_filled_finished_and_read(carl, enter: Enter):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    made = await make(
        carl,
        number,
        model_type="classifier",
        source_run_id=run,
        params=[{"key": "depth", "value": "3"}],
        tags=[{"key": "team", "value": "vision"}],
    )
    info = made["info"]
    assert (info["status"], info["name"], info["source_run_id"]) == ("LOGGED_MODEL_PENDING", "clf", run)
    assert info["artifact_uri"] == f"mlflow-artifacts:/{number}/models/{info['model_id']}/artifacts"
    where = f"{FILES}/{number}/models/{info['model_id']}/artifacts"
    for path, data in (("MLmodel", b"flavors: {}"), ("data/model.pkl", b"pickle")):
        assert (await carl.caller.call("PUT", f"{where}/{path}", data)).status == 200
    assert (await patch(carl, f"logged-models/{info['model_id']}", status="LOGGED_MODEL_READY")).status == 200
    rio = enter("rio")
    kept = await look(rio, info["model_id"])
    assert (kept["info"]["status"], kept["data"]["params"]) == (
        "LOGGED_MODEL_READY",
        [{"key": "depth", "value": "3"}],
    )
    answer = await rio.caller.get(f"{where}/data/model.pkl")
    assert (answer.status, answer.body) == (200, b"pickle")
    root = await rio.caller.get(f"{FILES}?path={number}/models/{info['model_id']}/artifacts")
    assert {(one["path"], one["is_dir"]) for one in root.json()["files"]} == {("MLmodel", False), ("data", True)}
    below = await rio.get(f"logged-models/{info['model_id']}/artifacts/directories", artifact_directory_path="data")
    assert [one["path"] for one in below.json()["files"]] == ["data/model.pkl"]


async def test_who_may_do_what(carl, enter: Enter):
    number = await carl.experiment()
    model = (await make(carl, number))["info"]["model_id"]
    where = f"{FILES}/{number}/models/{model}/artifacts/a"
    for name, seen, written in (("olga", 200, 403), ("rio", 200, 403), ("mallory", 404, 404), (None, 401, 401)):
        door = enter(name)
        assert (await door.get(f"logged-models/{model}")).status == seen
        assert (await door.caller.call("PUT", where, b"x")).status == written
        assert (await patch(door, f"logged-models/{model}", status="LOGGED_MODEL_READY")).status == written
    tag = {"tags": [{"key": "mlflow.modelVersions", "value": "[]"}]}
    assert (await patch(enter("olga"), f"logged-models/{model}/tags", **tag)).status == 200
    assert (await patch(enter("rio"), f"logged-models/{model}/tags", **tag)).status == 403
    other = await carl.experiment("other")
    assert (await carl.caller.call("PUT", f"{FILES}/{other}/models/{model}/artifacts/a", b"x")).status == 404


async def test_tags_params_and_the_end(carl):
    number = await carl.experiment()
    model = (await make(carl, number, name=None))["info"]["model_id"]
    api = f"logged-models/{model}"
    assert (await carl.post(f"{api}/params", params=[{"key": "a", "value": "1"}])).status == 200
    changed = await carl.post(f"{api}/params", params=[{"key": "a", "value": "2"}])
    assert refusal(changed) == (400, "INVALID_PARAMETER_VALUE")
    await patch(carl, f"{api}/tags", tags=[{"key": "x", "value": "1"}, {"key": "y", "value": ""}])
    assert (await carl.caller.call("DELETE", f"{carl.api}/{api}/tags/x")).status == 200
    assert refusal(await carl.caller.call("DELETE", f"{carl.api}/{api}/tags/x")) == (404, "RESOURCE_DOES_NOT_EXIST")
    kept = await look(carl, model)
    assert kept["info"]["tags"] == [{"key": "y", "value": ""}] and kept["info"]["name"]
    assert refusal(await patch(carl, api, status="LOGGED_MODEL_PENDING"))[0] == 400
    assert (await carl.caller.call("DELETE", f"{carl.api}/{api}")).json() == {}
    gone = await carl.get(api)
    assert (refusal(gone), gone.json()["message"]) == (
        (404, "RESOURCE_DOES_NOT_EXIST"),
        f"Logged model with ID '{model}' not found.",
    )
    assert (await carl.get(api, allow_deleted="true")).status == 200


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "experiment_id"),
        ({"experiment_id": "99999"}, "99999"),
        ({"experiment_id": "0", "name": "a/b"}, "Invalid model name"),
        ({"experiment_id": "0", "name": ""}, "Invalid model name"),
        ({"experiment_id": "0", "name": "x" * 600}, "Invalid model name"),
        ({"experiment_id": "0", "source_run_id": "nowhere"}, "nowhere"),
        ({"experiment_id": "0", "params": [{"key": "k" * 300, "value": ""}]}, "param key"),
        ({"experiment_id": "0", "tags": [{"key": "k", "value": "v" * 9000}]}, "tag 'k'"),
        ({"experiment_id": "0", "tags": [{"value": "v"}]}, "tags.key"),
    ],
)
async def test_refusals_name_what_is_wrong(carl, given, said):
    answer = await carl.post("logged-models", **given)
    assert answer.status in {400, 404} and said in answer.json()["message"]


async def test_what_is_measured_of_a_model_is_kept_with_it(carl):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    model = (await make(carl, number, source_run_id=run))["info"]["model_id"]
    metric = {
        "key": "acc", "value": 0.75, "timestamp": 5, "step": 1, "model_id": model,
        "dataset_name": "iris", "dataset_digest": "d1",
    }  # fmt: skip
    for _ in range(2):  # a repeat adds nothing
        assert (await carl.post("runs/log-metric", run_id=run, **metric)).status == 200
    await carl.post("runs/log-batch", run_id=run, metrics=[{**metric, "step": 2, "value": 0.8}])
    kept = (await look(carl, model))["data"]["metrics"]
    assert [(one["key"], one["value"], one["step"]) for one in kept] == [("acc", 0.75, 1), ("acc", 0.8, 2)]
    assert (kept[0]["dataset_name"], kept[0]["dataset_digest"], kept[0]["run_id"]) == ("iris", "d1", run)
    assert (await carl.read(run))["metrics"] == {"acc": 0.8}
    unknown = await carl.post("runs/log-metric", run_id=run, **{**metric, "key": "new", "model_id": "m-" + "0" * 32})
    assert refusal(unknown) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "new" not in (await carl.read(run))["metrics"]


async def names(door: Door, number: str, filter: str = "", **more: Any) -> list[str]:
    answer = await door.post("logged-models/search", experiment_ids=[number], filter=filter, **more)
    assert answer.status == 200, answer.body
    return [one["info"]["name"] for one in answer.json()["models"]]


async def test_searches(carl):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    for at, name in enumerate(("a", "b", "c")):
        params, tags = [{"key": "depth", "value": str(at)}], [{"key": "even", "value": str(at % 2 == 0)}]
        model = (await make(carl, number, name, source_run_id=run, params=params, tags=tags))["info"]["model_id"]
        for data, value in (("train", at / 10), ("test", 1 - at / 10)):
            told = {"key": "acc", "value": value, "timestamp": at, "model_id": model, "dataset_name": data}
            await carl.post("runs/log-metric", run_id=run, **told, dataset_digest="d")
    assert await names(carl, number) == ["c", "b", "a"]
    assert await names(carl, number, f"name = 'a' AND source_run_id = '{run}'") == ["a"]
    assert await names(carl, number, "params.depth != '1' and tags.even = 'True'") == ["c", "a"]
    assert await names(carl, number, "name LIKE 'b%'") == ["b"]
    assert await names(carl, number, "status = 'PENDING'") == ["c", "b", "a"]
    assert await names(carl, number, "creation_timestamp > 0 AND metrics.acc > 0.95") == ["a"]
    train = [{"dataset_name": "train"}]
    assert await names(carl, number, "metrics.acc > 0.15", datasets=train) == ["c"]
    assert await names(carl, number, datasets=[{"dataset_name": "none"}]) == []
    best = [{"field_name": "metrics.acc", "ascending": False, "dataset_name": "test"}]
    assert await names(carl, number, order_by=best) == ["a", "b", "c"]
    assert await names(carl, number, order_by=[{"field_name": "name", "ascending": True}]) == ["a", "b", "c"]
    first = (await carl.post("logged-models/search", experiment_ids=[number], max_results=2)).json()
    assert len(first["models"]) == 2
    assert await names(carl, number, page_token=first["next_page_token"]) == ["a"]
    for wrong in ({"filter": "nonsense ~"}, {"order_by": [{"field_name": "metrics"}]}, {"max_results": 51}):
        assert refusal(await carl.post("logged-models/search", experiment_ids=[number], **wrong))[0] == 400
    assert refusal(await carl.post("logged-models/search"))[0] == 400


async def test_inputs_and_outputs_are_told_back(carl):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    model = (await make(carl, number))["info"]["model_id"]
    data = {"name": "iris", "digest": "d1", "source_type": "local", "source": "{}", "schema": "s", "profile": "p"}
    context = [{"key": "mlflow.data.context", "value": "training"}]
    for _ in range(2):
        said = await carl.post(
            "runs/log-inputs", run_id=run, datasets=[{"dataset": data, "tags": context}], models=[{"model_id": model}]
        )
        assert said.json() == {}
    assert (await carl.post("runs/outputs", run_id=run, models=[{"model_id": model, "step": 3}])).json() == {}
    told = (await carl.get("runs/get", run_id=run)).json()["run"]
    assert told["inputs"]["dataset_inputs"] == [{"tags": context, "dataset": data}]
    assert told["inputs"]["model_inputs"] == [{"model_id": model}]
    assert told["outputs"]["model_outputs"] == [{"model_id": model, "step": 3}]
    found = (await carl.post("runs/search", experiment_ids=[number])).json()["runs"][0]
    assert (found["inputs"], found["outputs"]) == (told["inputs"], told["outputs"])
    for wrong, said in (([], "at least one"), ([number] * 21, "more than 20")):
        refused = await carl.post("experiments/search-datasets", experiment_ids=wrong)
        assert refused.status == 400 and said in refused.json()["message"]
    summary = (await carl.post("experiments/search-datasets", experiment_ids=[number])).json()
    assert summary["dataset_summaries"] == [
        {"experiment_id": number, "name": "iris", "digest": "d1", "context": "training"}
    ]


@pytest.mark.parametrize(
    ("datasets", "said"),
    [
        ([{}], "datasets[0].dataset"),
        ([{"dataset": {"name": "a", "digest": "d", "source": "{}"}}], "source_type"),
        ([{"dataset": {"name": "a" * 501, "digest": "d", "source_type": "t", "source": "{}"}}], "name"),
        ([{"dataset": {"name": "a", "digest": "d" * 37, "source_type": "t", "source": "{}"}}], "digest"),
    ],
)
async def test_a_dataset_that_cannot_be_kept_is_named(carl, datasets, said):
    run = (await carl.run())["info"]["run_id"]
    answer = await carl.post("runs/log-inputs", run_id=run, datasets=datasets)
    assert answer.status == 400 and said in answer.json()["message"]


async def test_lineage_belongs_to_who_may_write(carl, enter: Enter):
    run = (await carl.run())["info"]["run_id"]
    for name, status in (("olga", 403), ("rio", 403), ("mallory", 404), (None, 401)):
        answer = await enter(name).post("runs/outputs", run_id=run, models=[{"model_id": "m-1", "step": 0}])
        assert answer.status == status


async def test_lineage_costs_no_question_for_each_run(carl, monkeypatch):
    number = await carl.experiment()
    counts = []
    for many in (1, 5):
        for _ in range(many):
            run = (await carl.run(number))["info"]["run_id"]
            data = {"name": "iris", "digest": run[:20], "source_type": "local", "source": "{}"}
            await carl.post("runs/log-inputs", run_id=run, datasets=[{"dataset": data}])
        counts.append(await questions(carl, number, monkeypatch))
    assert counts[0] == counts[1] > 0


async def questions(door: Door, number: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a search asks the database."""
    seen = 0
    ask = CursorWrapper.execute

    def counted(self, sql, params=None):
        nonlocal seen
        seen += 1
        return ask(self, sql, params)

    with monkeypatch.context() as patched:
        patched.setattr(CursorWrapper, "execute", counted)
        assert (await door.post("runs/search", experiment_ids=[number])).status == 200
    return seen


async def test_what_mlflow_2_says_of_its_models_is_a_tag(carl):
    run = (await carl.run())["info"]["run_id"]
    said = json.dumps({"artifact_path": "model", "flavors": {}, "utc_time_created": "2026", "run_id": run})
    for _ in range(2):
        assert (await carl.post("runs/log-model", run_id=run, model_json=said)).status == 200
    assert (await carl.read(run))["tags"]["mlflow.log-model.history"].count("artifact_path") == 1
    for wrong in ("no json", "{}"):
        assert refusal(await carl.post("runs/log-model", run_id=run, model_json=wrong))[0] == 400


async def test_the_same_model_on_our_own_doors(carl, enter: Enter, person):
    number = await carl.experiment("doors")
    run = (await carl.run(number))["info"]["run_id"]
    made = await make(carl, number, "net", source_run_id=run, params=[{"key": "depth", "value": "3"}])
    model = made["info"]["model_id"]
    await carl.caller.call("PUT", f"{FILES}/{number}/models/{model}/artifacts/MLmodel", b"flavors")
    data = {"name": "iris", "digest": "d1", "source_type": "local", "source": "{}"}
    await carl.post("runs/log-inputs", run_id=run, datasets=[{"dataset": data}])
    await carl.post("runs/outputs", run_id=run, models=[{"model_id": model, "step": 0}])
    api, rio = "/api/v1/workspaces/lab/logged-models", person("rio")
    assert [one["id"] for one in (await rio.get(f"{api}?run={run}")).json()["logged_models"]] == [model]
    shown = (await rio.get(f"{api}/{model}")).json()
    assert (shown["params"], [one["path"] for one in shown["files"]]) == ({"depth": "3"}, ["MLmodel"])
    assert (await rio.get(f"{api}/{model}/files/MLmodel")).body == b"flavors"
    assert (await rio.get(api)).status == 422
    for name, status in (("mallory", 404), (None, 401)):
        assert (await person(name).get(f"{api}/{model}")).status == status
        assert (await person(name).get(f"{api}/{model}/files/MLmodel")).status == status
    page = (await rio.get(f"/w/lab/runs/{run}")).body.decode()
    assert "iris" in page and f"/w/lab/logged-models/{model}" in page
    assert "MLmodel" in (await rio.get(f"/w/lab/logged-models/{model}")).body.decode()
    assert (await person("mallory").get(f"/w/lab/logged-models/{model}")).status == 404
