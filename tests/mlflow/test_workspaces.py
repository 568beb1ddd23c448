"""Workspaces through MLflow's door: told, made, described and deleted by those who may."""

import pytest

from tests.mlflow.conftest import Enter, refusal

API = "/mlflow/lab/api/3.0/mlflow/workspaces"


async def made(enter: Enter, name: str = "attic", who: str = "carl", **more: str) -> dict[str, str]:
    answer = await enter(who).caller.post(API, {"name": name, **more})
    assert answer.status == 201, answer.body
    return answer.json()["workspace"]


async def names(enter: Enter, who: str) -> list[str]:
    return [one["name"] for one in (await enter(who).caller.get(API)).json()["workspaces"]]


async def test_people_see_the_workspaces_that_are_theirs(enter: Enter):
    assert await names(enter, "rio") == ["lab"]
    assert (await enter("rio").caller.get(f"{API}/lab")).json()["workspace"]["name"] == "lab"
    await made(enter, who="carl")
    assert sorted(await names(enter, "carl")) == ["attic", "lab"]
    assert await names(enter, "rio") == ["lab"]
    assert refusal(await enter("rio").caller.get(f"{API}/attic")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refusal(await enter("mallory").caller.get(API)) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refusal(await enter(None).caller.get(API)) == (401, "UNAUTHENTICATED")


async def test_a_new_one_is_furnished_and_has_an_address_of_its_own(enter: Enter):
    assert await made(enter, description="For old things") == {"name": "attic", "description": "For old things"}
    answer = await enter("carl").caller.post("/mlflow/attic/api/2.0/mlflow/experiments/create", {"name": "first"})
    assert answer.status == 200, answer.body
    targets = (await enter("carl").caller.get("/api/v1/workspaces/attic/compute")).json()
    assert "local" in str(targets)
    assert refusal(await enter("olga").caller.post(API, {"name": "attic"})) == (400, "RESOURCE_ALREADY_EXISTS")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a"},
        {"name": "Upper Case"},
        {"name": "../lab"},
        {"name": "x\0y"},
        {"name": "fine", "default_artifact_root": "s3://bucket"},
        {"name": "fine", "trace_archival_config": {"retention": "30d"}},
        {"name": "fine", "description": 7},
    ],
)
async def test_what_cannot_be_made_is_refused(enter: Enter, body):
    assert refusal(await enter("carl").caller.post(API, body)) == (400, "INVALID_PARAMETER_VALUE")
    assert await names(enter, "carl") == ["lab"]


async def test_its_owner_describes_it(enter: Enter):
    await made(enter)
    answer = await enter("carl").caller.call("PATCH", f"{API}/attic", b'{"description": "Boxes"}')
    assert answer.json()["workspace"] == {"name": "attic", "description": "Boxes"}
    assert refusal(await enter("carl").caller.call("PATCH", f"{API}/attic", b"{}")) == (400, "INVALID_PARAMETER_VALUE")
    assert refusal(await enter("carl").caller.call("PATCH", f"{API}/lab", b'{"description": "Mine"}')) == (
        403,
        "PERMISSION_DENIED",
    )
    assert refusal(await enter("rio").caller.call("PATCH", f"{API}/attic", b'{"description": "Mine"}'))[0] == 404


async def test_only_an_empty_one_is_deleted_without_a_word_more(enter: Enter):
    await made(enter)
    carl = enter("carl").caller
    for mode in ("SET_DEFAULT", "ALL"):
        assert refusal(await carl.call("DELETE", f"{API}/attic?mode={mode}", b"")) == (400, "INVALID_PARAMETER_VALUE")
    answer = await carl.post("/mlflow/attic/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
    assert answer.status == 200, answer.body
    refused = await carl.call("DELETE", f"{API}/attic", b"")
    assert refusal(refused) == (409, "RESOURCE_CONFLICT")
    assert "runs" in refused.json()["message"]
    assert (await carl.call("DELETE", f"{API}/attic?mode=CASCADE", b"")).status == 204
    assert refusal(await carl.get(f"{API}/attic")) == (404, "RESOURCE_DOES_NOT_EXIST")

    await made(enter, "cellar")
    assert (await carl.call("DELETE", f"{API}/cellar", b"")).status == 204
    assert refusal(await carl.call("DELETE", f"{API}/lab?mode=CASCADE", b"")) == (403, "PERMISSION_DENIED")
    assert await names(enter, "carl") == ["lab"]
