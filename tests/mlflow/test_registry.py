"""The registry at MLflow's door: models, versions, aliases, stages, tags, searches, by who may."""

import json
from typing import Any

import pytest

from registry.services import register_model
from studio.kernel import blobs
from tests.conftest import People
from tests.mlflow.conftest import FILES, Door, Enter, refusal
from tests.runs.telemetry import ask


async def send(door: Door, method: str, call: str, **body: Any):
    return await door.caller.call(method, f"{door.api}/{call}", json.dumps(body).encode())


async def model(door: Door, name: str = "clf", **more: Any) -> dict[str, Any]:
    answer = await door.post("registered-models/create", name=name, **more)
    assert answer.status == 200, answer.body
    return answer.json()["registered_model"]


async def version(door: Door, name: str = "clf", source: str = "s3://bucket/model", **more: Any) -> dict[str, Any]:
    answer = await door.post("model-versions/create", name=name, source=source, **more)
    assert answer.status == 200, answer.body
    return answer.json()["model_version"]


async def trained(door: Door) -> tuple[str, str]:
    """(experiment, run) with two files of a model."""
    number = await door.experiment()
    run = (await door.run(number))["info"]["run_id"]
    for path in ("model/MLmodel", "model/data/model.pkl", "other.txt"):
        assert (await door.caller.call("PUT", f"{FILES}/{number}/{run}/artifacts/{path}", path.encode())).status == 200
    return number, run


async def test_a_model_from_its_name_to_its_end(carl, enter: Enter):
    made = await model(carl, "My first model", description="About it.", tags=[{"key": "team", "value": "vision"}])
    assert (made["name"], made["description"], made["user_id"]) == ("My first model", "About it.", "carl")
    again = await carl.post("registered-models/create", name="My first model")
    assert refusal(again) == (400, "RESOURCE_ALREADY_EXISTS")
    changed = await send(carl, "PATCH", "registered-models/update", name="My first model", description="More.")
    assert changed.json()["registered_model"]["description"] == "More."
    await model(carl, "taken")
    clash = await carl.post("registered-models/rename", name="My first model", new_name="taken")
    assert refusal(clash) == (400, "RESOURCE_ALREADY_EXISTS")
    assert (await carl.post("registered-models/rename", name="My first model", new_name="clf")).status == 200
    await carl.post("registered-models/set-tag", name="clf", key="a", value="1")
    await send(carl, "DELETE", "registered-models/delete-tag", name="clf", key="team")
    kept = (await carl.get("registered-models/get", name="clf")).json()["registered_model"]
    assert kept["tags"] == [{"key": "a", "value": "1"}]
    gone = await carl.get("registered-models/get", name="My first model")
    assert (refusal(gone), gone.json()["message"]) == (
        (404, "RESOURCE_DOES_NOT_EXIST"),
        "Registered Model with name=My first model not found",
    )
    assert refusal(await send(carl, "DELETE", "registered-models/delete", name="clf")) == (403, "PERMISSION_DENIED")
    assert (await send(enter("olga"), "DELETE", "registered-models/delete", name="clf")).json() == {}
    assert (await carl.get("registered-models/get", name="clf")).status == 404


async def test_a_version_keeps_the_files_of_its_run(carl, enter: Enter):
    number, run = await trained(carl)
    await model(carl)
    for source in (f"runs:/{run}/model", f"mlflow-artifacts:/{number}/{run}/artifacts/model"):
        made = await version(carl, source=source, run_id=run, description="It.", tags=[{"key": "k", "value": "v"}])
        assert (made["source"], made["run_id"], made["status"]) == (source, run, "READY")
    assert made["version"] == "2"
    rio = enter("rio")
    where = await rio.get("model-versions/get-download-uri", name="clf", version="2")
    assert where.json() == {"artifact_uri": f"mlflow-artifacts:/{number}/{run}/artifacts/model"}
    base = carl.api.removesuffix("/api/2.0/mlflow")
    got = await rio.caller.get(f"{base}/model-versions/get-artifact?name=clf&version=2&path=data/model.pkl")
    assert (got.status, got.body) == (200, b"model/data/model.pkl")
    # What becomes of the run does not touch the version.
    await carl.post("runs/delete", run_id=run)
    own = (await rio.get("model-versions/get-download-uri", name="clf", version="1")).json()["artifact_uri"]
    assert own.startswith("mlflow-artifacts:/registry/")
    path = own.removeprefix("mlflow-artifacts:/")
    listed = (await rio.caller.get(f"{FILES}?path={path}")).json()["files"]
    assert [(one["path"], one["is_dir"]) for one in listed] == [("MLmodel", False), ("data", True)]
    assert [one["path"] for one in (await rio.caller.get(f"{FILES}?path={path}/data")).json()["files"]] == ["model.pkl"]
    assert (await rio.caller.get(f"{FILES}/{path}/MLmodel")).body == b"model/MLmodel"
    assert (await carl.caller.call("PUT", f"{FILES}/{path}/MLmodel", b"x")).status == 403
    assert (await enter("mallory").caller.get(f"{FILES}/{path}/MLmodel")).status == 404


async def test_a_version_of_a_logged_model_and_of_another_version(carl):
    number, run = await trained(carl)
    logged = (await carl.post("logged-models", experiment_id=number, name="net", source_run_id=run)).json()["model"]
    place = f"{number}/models/{logged['info']['model_id']}/artifacts"
    await carl.caller.call("PUT", f"{FILES}/{place}/MLmodel", b"net")
    await model(carl)
    model_id = logged["info"]["model_id"]
    for source in (f"models:/{model_id}", f"mlflow-artifacts:/{place}", f"runs:/{run}/net"):
        made = await version(carl, source=source)
        assert (made["model_id"], made["run_id"]) == (model_id, run)
        where = await carl.get("model-versions/get-download-uri", name="clf", version=made["version"])
        assert where.json() == {"artifact_uri": f"mlflow-artifacts:/{place}"}
    await model(carl, "copy")
    copied = await version(carl, "copy", source="models:/clf/1")
    own = (await carl.get("model-versions/get-download-uri", name="copy", version=copied["version"])).json()
    path = own["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert (await carl.caller.get(f"{FILES}/{path}/MLmodel")).body == b"net"


async def test_what_our_own_sdk_registered_is_read_by_mlflow(carl, lab, people: People):
    def register() -> None:
        sha256, _ = blobs.put([b"weights"], workspace_id=lab.pk)
        files = [{"path": "model.bin", "sha256": sha256}]
        register_model("lab", actor=people.actor("carl"), name="ours", files=files)

    await ask(register)
    kept = (await carl.get("model-versions/get", name="ours", version="1")).json()["model_version"]
    where = (await carl.get("model-versions/get-download-uri", name="ours", version="1")).json()["artifact_uri"]
    assert kept["source"] == where
    assert (await carl.caller.get(f"{FILES}/{where.removeprefix('mlflow-artifacts:/')}/model.bin")).body == b"weights"


async def test_aliases_move_and_go(carl):
    await model(carl)
    for _ in range(2):
        await version(carl)
    for number in ("1", "2"):
        assert (await carl.post("registered-models/alias", name="clf", alias="champion", version=number)).status == 200
    found = (await carl.get("registered-models/alias", name="clf", alias="champion")).json()["model_version"]
    assert (found["version"], found["aliases"]) == ("2", ["champion"])
    kept = (await carl.get("registered-models/get", name="clf")).json()["registered_model"]
    assert kept["aliases"] == [{"alias": "champion", "version": "2"}]
    assert (await send(carl, "DELETE", "registered-models/alias", name="clf", alias="champion")).json() == {}
    gone = await carl.get("registered-models/alias", name="clf", alias="champion")
    assert refusal(gone) == (400, "INVALID_PARAMETER_VALUE")
    for wrong in ("latest", "v3", "a b", "x" * 256, "a/b"):
        answer = await carl.post("registered-models/alias", name="clf", alias=wrong, version="1")
        assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    missing = await carl.post("registered-models/alias", name="clf", alias="ok", version="9")
    assert (missing.status, missing.json()["message"]) == (404, "Model Version (name=clf, version=9) not found")


async def test_stages_tags_and_the_end_of_versions(carl, enter: Enter):
    await model(carl)
    for _ in range(3):
        await version(carl)
    for number in ("1", "2"):
        told = {"name": "clf", "version": number, "stage": "production", "archive_existing_versions": True}
        moved = await carl.post("model-versions/transition-stage", **told)
        assert moved.json()["model_version"]["current_stage"] == "Production"
    newest = (await carl.get("registered-models/get-latest-versions", name="clf")).json()["model_versions"]
    assert {(one["version"], one["current_stage"]) for one in newest} == {
        ("3", "None"),
        ("2", "Production"),
        ("1", "Archived"),
    }
    chosen = await carl.post("registered-models/get-latest-versions", name="clf", stages=["Production"])
    assert [one["version"] for one in chosen.json()["model_versions"]] == ["2"]
    wrong = await carl.post("model-versions/transition-stage", name="clf", version="1", stage="gold")
    assert refusal(wrong)[0] == 400
    await carl.post("model-versions/set-tag", name="clf", version="1", key="a", value="x" * 50_000)
    await send(carl, "PATCH", "model-versions/update", name="clf", version="1", description="First.")
    kept = (await carl.get("model-versions/get", name="clf", version="1")).json()["model_version"]
    assert (len(kept["tags"][0]["value"]), kept["description"]) == (50_000, "First.")
    await send(carl, "DELETE", "model-versions/delete-tag", name="clf", version="1", key="a")
    assert (await carl.get("model-versions/get", name="clf", version="1")).json()["model_version"]["tags"] == []
    assert (await send(enter("olga"), "DELETE", "model-versions/delete", name="clf", version="3")).json() == {}
    assert refusal(await carl.get("model-versions/get", name="clf", version="3"))[0] == 404
    assert (await version(carl))["version"] == "4"  # a number is never given twice


async def found_models(door: Door, filter: str = "", **more: Any) -> list[str]:
    answer = await door.get("registered-models/search", filter=filter, **more)
    assert answer.status == 200, answer.body
    return [one["name"] for one in answer.json()["registered_models"]]


async def test_searches_of_models(carl):
    for name, tag in (("b", "1"), ("a", "2"), ("c x", "1")):
        await model(carl, name, tags=[{"key": "t", "value": tag}])
    await model(carl, "words", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}])
    no_prompts = "tag.`mlflow.prompt.is_prompt` != 'true'"
    assert await found_models(carl, no_prompts) == ["a", "b", "c x"]
    assert await found_models(carl, f"name ILIKE 'C%' AND {no_prompts}") == ["c x"]
    assert await found_models(carl, "tags.t = '1'") == ["b", "c x"]
    assert await found_models(carl, "tag.`mlflow.prompt.is_prompt` = 'true'") == ["words"]
    assert await found_models(carl, no_prompts, order_by=["name DESC"]) == ["c x", "b", "a"]
    first = (await carl.get("registered-models/search", max_results=3)).json()
    assert len(first["registered_models"]) == 3
    assert await found_models(carl, page_token=first["next_page_token"]) == ["words"]
    for wrong in ({"filter": "metrics.a > 1"}, {"filter": "name ~"}, {"order_by": ["tags.t"]}, {"max_results": 1001}):
        assert refusal(await carl.get("registered-models/search", **wrong))[0] == 400


async def test_searches_of_versions(carl):
    _, run = await trained(carl)
    for name in ("a", "b"):
        await model(carl, name)
    await version(carl, "a", tags=[{"key": "t", "value": "1"}])
    await version(carl, "a", source=f"runs:/{run}/model", run_id=run)
    await version(carl, "b")

    async def found(filter: str = "", **more: Any) -> list[str]:
        answer = await carl.get("model-versions/search", filter=filter, **more)
        assert answer.status == 200, answer.body
        return [f"{one['name']}{one['version']}" for one in answer.json()["model_versions"]]

    assert await found() == ["b1", "a2", "a1"]
    assert await found("name = 'a'") == ["a2", "a1"]
    assert await found(f"run_id = '{run}'") == await found(f"run_id IN ('{run}')") == ["a2"]
    assert await found("source_path LIKE 's3:%'") == ["b1", "a1"]
    assert await found("version_number < 2 and name != 'b'") == ["a1"]
    assert await found("tags.t = '1'") == ["a1"]
    assert await found(order_by=["version_number ASC", "name ASC"]) == ["a1", "b1", "a2"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": "s3://x"}, "name"),
        ({"name": "clf"}, "source"),
        ({"name": "clf", "source": "/etc/passwd"}, "Invalid model version source"),
        ({"name": "clf", "source": "file:///etc/passwd"}, "Invalid model version source"),
        ({"name": "clf", "source": "model"}, "Invalid model version source"),
        ({"name": "clf", "source": "mlflow-artifacts:/1/../2"}, "Invalid model version source"),
        ({"name": "none", "source": "s3://x"}, "Registered Model with name=none not found"),
    ],
)
async def test_refusals_name_what_is_wrong(carl, given, said):
    await model(carl)
    answer = await carl.post("model-versions/create", **given)
    assert answer.status in {400, 404} and said in answer.json()["message"]


@pytest.mark.parametrize("name", ["", "   ", "a/b", "a:b", "x" * 257, ".."])
async def test_a_name_that_cannot_be(carl, name):
    assert refusal(await carl.post("registered-models/create", name=name)) == (400, "INVALID_PARAMETER_VALUE")


async def test_who_may_do_what(carl, enter: Enter):
    await model(carl)
    await version(carl)
    for name, seen, changed in (("olga", 200, 200), ("rio", 200, 403), ("mallory", 404, 404), (None, 401, 401)):
        door = enter(name)
        assert (await door.get("registered-models/get", name="clf")).status == seen
        assert (await door.get("model-versions/search")).status == seen
        assert (await door.post("registered-models/set-tag", name="clf", key="a", value="1")).status == changed
        assert (await door.post("registered-models/alias", name="clf", alias="x", version="1")).status == changed
        assert (await door.post("model-versions/create", name="clf", source="s3://x")).status == changed


async def test_a_version_of_a_run_of_another_server(carl):
    await model(carl)
    made = await version(carl, source="runs:/elsewhere/model", run_id="run_1")
    assert made["run_id"] == "run_1"
    copied = await version(carl, source="models:/clf/1", run_id="run_1")
    for number in ("1", copied["version"]):
        where = await carl.get("model-versions/get-download-uri", name="clf", version=number)
        assert where.json() == {"artifact_uri": "runs:/elsewhere/model"}
    found = (await carl.get("model-versions/search", filter="run_id = 'run_1'")).json()["model_versions"]
    assert [one["version"] for one in found] == ["2", "1"]


async def test_what_is_said_of_a_version_is_no_change_of_its_model(carl):
    await model(carl)
    await version(carl)
    before = (await carl.get("registered-models/get", name="clf")).json()["registered_model"]
    await send(carl, "PATCH", "model-versions/update", name="clf", version="1", description="x")
    after = (await carl.get("registered-models/get", name="clf")).json()["registered_model"]
    assert after["last_updated_timestamp"] == before["last_updated_timestamp"]
    await carl.post("model-versions/transition-stage", name="clf", version="1", stage="Staging")
    moved = (await carl.get("registered-models/get", name="clf")).json()["registered_model"]
    assert moved["last_updated_timestamp"] > before["last_updated_timestamp"]
