"""Webhooks in MLflow's words; what they tell is tested in tests/workspace."""

import json

from tests.mlflow.conftest import Enter, refusal

EVENTS = [{"entity": "MODEL_VERSION", "action": "CREATED"}]
GIVEN = {"name": "ci", "url": "https://example.com/hooks", "events": EVENTS, "secret": "s3cret"}


async def test_made_listed_changed_and_deleted(enter: Enter):
    olga = enter("olga")
    made = (await olga.post("webhooks", **GIVEN)).json()["webhook"]
    assert {key: made[key] for key in ("name", "url", "events", "status")} == {
        "name": "ci",
        "url": "https://example.com/hooks",
        "events": EVENTS,
        "status": "ACTIVE",
    }
    assert "s3cret" not in str(made)
    number = made["webhook_id"]
    await olga.post("webhooks", **{**GIVEN, "name": "chat"})
    first = (await olga.get("webhooks", max_results=1)).json()
    assert [one["name"] for one in first["webhooks"]] == ["ci"]
    rest = (await olga.get("webhooks", page_token=first["next_page_token"])).json()
    assert [one["name"] for one in rest["webhooks"]] == ["chat"]
    change = json.dumps({"status": "DISABLED", "description": "Off for now."}).encode()
    changed = (await olga.caller.call("PATCH", f"{olga.api}/webhooks/{number}", change)).json()["webhook"]
    assert (changed["status"], changed["description"], changed["name"]) == ("DISABLED", "Off for now.", "ci")
    assert (await olga.caller.call("DELETE", f"{olga.api}/webhooks/{number}")).json() == {}
    assert refusal(await olga.get(f"webhooks/{number}")) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_refusals(enter: Enter):
    olga = enter("olga")
    wrong = {**GIVEN, "url": "ftp://example.com"}
    answer = await olga.post("webhooks", **wrong)
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert "Invalid webhook URL scheme" in answer.json()["message"]
    for one in ({"events": []}, {"name": ""}, {"status": "ASLEEP"}):
        assert refusal(await olga.post("webhooks", **{**GIVEN, **one}))[0] == 400
    assert refusal(await enter("carl").post("webhooks", **GIVEN)) == (403, "PERMISSION_DENIED")
    assert refusal(await enter("mallory").get("webhooks")) == (404, "RESOURCE_DOES_NOT_EXIST")
