"""The one grammar before the registry and logged models, and pages that begin where the one before ended."""

from typing import Any

import pytest

from tests.mlflow.conftest import Door, refusal

NO_PROMPTS = "tag.`mlflow.prompt.is_prompt` != 'true'"


async def models(door: Door, filter: str = "", **more: Any) -> list[str]:
    answer = await door.get("registered-models/search", filter=filter, **more)
    assert answer.status == 200, answer.body
    return [one["name"] for one in answer.json()["registered_models"]]


async def register(door: Door, name: str, **tags: str) -> None:
    told = [{"key": key, "value": value} for key, value in tags.items()]
    assert (await door.post("registered-models/create", name=name, tags=told)).status == 200


async def test_models_are_searched_by_the_whole_grammar(carl: Door):
    for name, tags in {"a": {"t": "1"}, "b": {"t": "2"}, "c": {}, "p": {"mlflow.prompt.is_prompt": "true"}}.items():
        await register(carl, name, **tags)
    assert await models(carl, "name = 'a' or name = 'c'") == ["a", "c"]
    assert await models(carl, "not tags.t = '1'") == ["b", "c", "p"]
    assert await models(carl, "(name in ('a', 'b') or name ~ '^p') and tags.t != '1'") == ["b"]
    assert await models(carl, "tags.t is null") == ["c", "p"]
    assert await models(carl, "tags.t > 1 and creation_timestamp > -1d") == ["b"]
    # What the client adds stands for all of it.
    assert await models(carl, f"name = 'p' or name = 'a' AND {NO_PROMPTS}") == ["a"]
    assert await models(carl, NO_PROMPTS) == ["a", "b", "c"]
    for wrong in ("name ~ '('", "name ~", "a b c", "params.x = '1'", "name = 'a' or"):
        assert refusal(await carl.get("registered-models/search", filter=wrong)) == (400, "INVALID_PARAMETER_VALUE")


async def test_versions_are_searched_by_the_whole_grammar(carl: Door):
    for name in ("a", "b"):
        await register(carl, name)
        for at in (1, 2):
            await carl.post("model-versions/create", name=name, source=f"s3://{name}/{at}", tags=[])

    async def found(filter: str, **more: Any) -> list[tuple[str, str]]:
        answer = await carl.get("model-versions/search", filter=filter, order_by=["name", "version_number"], **more)
        assert answer.status == 200, answer.body
        return [(one["name"], one["version"]) for one in answer.json()["model_versions"]]

    assert await found("name = 'a' or version_number > 1") == [("a", "1"), ("a", "2"), ("b", "2")]
    assert await found("not name = 'a' and version_number in (1, 7)") == [("b", "1")]
    assert await found("source_path ~ '/2$'") == [("a", "2"), ("b", "2")]


@pytest.mark.parametrize("order", [[], ["name DESC"], ["last_updated_timestamp DESC"]])
async def test_a_page_begins_where_the_one_before_ended(carl: Door, order: list[str]):
    for name in "bdfh":
        await register(carl, name)
        await carl.post("model-versions/create", name=name, source="s3://x")
    for call, shown in (("registered-models/search", "registered_models"), ("model-versions/search", "model_versions")):
        seen: list[str] = []
        more: dict[str, Any] = {}
        for extra in ("a", "g", None, None):
            page = (await carl.get(call, max_results=2, order_by=order, **more)).json()
            seen += [one["name"] for one in page[shown]]
            if extra and "registered" in call:
                await register(carl, f"{extra}{len(order)}")
            if not page.get("next_page_token"):
                break
            more = {"page_token": page["next_page_token"]}
        # What is made meanwhile moves nothing: nobody is shown twice, and nobody is passed over.
        assert len(seen) == len(set(seen)) and set("bdfh") <= set(seen)
        for token in ("x", "s2", "s" + "9" * 30):
            assert refusal(await carl.get(call, page_token=token)) == (400, "INVALID_PARAMETER_VALUE")


async def test_logged_models_are_searched_by_the_whole_grammar(carl: Door):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    for name, kind, value in (("a", "x", 0.5), ("b", "y", 0.7), ("c", "y", None)):
        made = await carl.post("logged-models", experiment_id=number, name=name, model_type=kind)
        if value is not None:
            model = made.json()["model"]["info"]["model_id"]
            await carl.post("runs/log-metric", run_id=run, key="acc", value=value, timestamp=1, model_id=model)

    async def found(filter: str = "", **more: Any) -> list[str]:
        answer = await carl.post("logged-models/search", experiment_ids=[number], filter=filter, **more)
        assert answer.status == 200, answer.body
        return [one["info"]["name"] for one in answer.json()["models"]]

    assert await found("name = 'a' or model_type = 'y'") == ["c", "b", "a"]
    assert await found("not metrics.acc > 0.6") == ["c", "a"]
    assert await found("metrics.acc in (0.5, 1) or metrics.acc is null") == ["c", "a"]
    assert await found("name ~ '^[ab]$' and status = 'PENDING'") == ["b", "a"]
    by = {"order_by": [{"field_name": "metrics.acc", "ascending": False}], "max_results": 1}
    seen, token = [], None
    for _ in range(3):
        asked = {**by, **({"page_token": token} if token else {})}
        page = (await carl.post("logged-models/search", experiment_ids=[number], **asked)).json()
        seen += [one["info"]["name"] for one in page["models"]]
        token = page.get("next_page_token")
    assert (seen, token) == (["b", "a", "c"], None)
