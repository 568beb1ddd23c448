"""What cannot be kept is named at every door that takes values, and what was said beside it is not lost by us."""

import msgspec
import pytest

from runs.models import Run
from tests.conftest import People
from tests.kernel.asgi import Caller
from tests.runs.telemetry import ask

LONG = "k" * 10_000
SHOWN = "k" * 80
GOOD = ["good", 1.0, 1, 1]
TEXT = {"key": "note", "kind": "text", "value": "x"}

#: (what is sent, what the message names, the details that tell a program the place)
WRONG = [
    ({"points": [GOOD, ["loss", "much", 1, 1]]}, "points[1] ('loss')", {"field": "points", "index": 1}),
    ({"points": [GOOD, ["loss", [], 1, 1]]}, "points[1] ('loss')", {"field": "points", "index": 1}),
    ({"points": [GOOD, ["loss", {"a": 1}]]}, "points[1] ('loss')", {"field": "points", "index": 1}),
    ({"points": [GOOD, [LONG, 1.0, 1, 1]]}, f"points[1] ('{SHOWN}')", {"field": "points", "index": 1}),
    ({"points": [GOOD, ["", 1.0, 1, 1]]}, "points[1] ('')", {"field": "points", "index": 1}),
    ({"points": [GOOD, ["loss", 1.0, "epoch", 1]]}, "points[1] ('loss')", {"field": "points", "index": 1}),
    ({"points": [GOOD, ["loss", 1.0, {"epoch": 1}, 1]]}, "points[1] ('loss')", {"field": "points", "index": 1}),
    ({"points": [GOOD, ["loss", 1.0, 0.5, 1]]}, "points[1] ('loss')", {"field": "points", "index": 1}),
    ({"points": [GOOD, ["loss", 1.0, 2**63, 1]]}, "points[1] ('loss')", {"field": "points", "index": 1}),
    ({"points": [GOOD] * 1001}, "at most 1000 points, and this one has 1001", {}),
    ({"items": [TEXT, {**TEXT, "kind": "hologram"}]}, "items[1] ('note')", {"field": "items", "index": 1}),
    ({"items": [TEXT, {**TEXT, "key": LONG}]}, f"items[1] ('{SHOWN}')", {"field": "items", "index": 1}),
    ({"items": [TEXT, {**TEXT, "step": "epoch"}]}, "items[1] ('note')", {"field": "items", "index": 1}),
    ({"items": [TEXT] * 251}, "at most 250 items, and this one has 251", {}),
    ({"params": {"lr": 1, LONG: 2}}, f"params ('{SHOWN}')", {"field": "params", "key": LONG}),
    ({"params": {"lr": 1, "layers": [1, 2]}}, "params ('layers')", {"field": "params", "key": "layers"}),
    ({"params": {"lr": 1, "note": LONG}}, "params", {"field": "params", "key": "note"}),
    ({"params": {str(number): 1 for number in range(1001)}}, "at most 1000 params, and this one has 1001", {}),
    ({"tags": {"a": "b", LONG: "x"}}, f"tags ('{SHOWN}')", {"field": "tags", "key": LONG}),
    ({"tags": {"a": "b", "team": 5}}, "tags ('team')", {"field": "tags", "key": "team"}),
    ({"tags": {"a": "b", "team": LONG}}, "tags ('team')", {"field": "tags", "key": "team"}),
    ({"descriptions": {"loss": LONG}}, "descriptions ('loss')", {"field": "descriptions", "key": "loss"}),
]


def _name(case: object) -> str | None:
    return str(case)[:40] if isinstance(case, str) else None


@pytest.mark.parametrize("packed", [False, True], ids=["json", "msgpack"])
@pytest.mark.parametrize(("said", "named", "place"), WRONG, ids=_name)
async def test_a_batch_is_refused_by_the_name_of_what_is_wrong(running, code: Caller, said, named, place, packed):
    body = {"batch": "b", **said}
    raw = msgspec.msgpack.encode(body) if packed and "9223372036854775808" not in str(said) else None
    if raw is not None:
        answer = await code.call("POST", f"{running.agent}/metrics", raw, content_type="application/msgpack")
    else:
        answer = await code.post(f"{running.agent}/metrics", body)
    assert answer.status == 422, answer.body[:500]
    error = answer.json()["error"]
    assert named in error["message"] and len(error["message"]) < 500, error["message"]
    assert {name: error["details"].get(name) for name in place} == place
    kept = await ask(lambda: Run.objects.values("metrics", "params", "tags").get(pk=running.id))
    assert kept == {"metrics": {}, "params": {}, "tags": {}}
    # What the refusal named is left out, and the rest goes: what our client does.
    if place:
        name = place["field"]
        if "index" in place:
            body[name] = [one for at, one in enumerate(body[name]) if at != place["index"]]
        else:
            body[name] = {key: value for key, value in body[name].items() if key != place["key"]}
        again = await code.post(f"{running.agent}/metrics", body)
        assert again.status == 200, again.body[:500]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"tags": {LONG: "x"}}, "The tag 'kkk"),
        ({"tags": {"team": LONG}}, "team"),
        ({"tags": ["team"]}, "tags"),
        ({"name": ["x"]}, "name"),
        ({"name": LONG}, "name"),
        ({"description": {"x": 1}}, "description"),
    ],
    ids=_name,
)
async def test_an_edit_of_a_run_names_the_field(running, app, people: People, body, named):
    from workspace.accounts.services import create_token

    _, plain = await ask(lambda: create_token(actor=people.actor("carl"), name="t", days=1))
    carl = Caller(app, {"authorization": f"Bearer {plain}"})
    answer = await carl.call(
        "PATCH", running.user, msgspec.json.encode({"name": "kept", **body}), content_type="application/json"
    )
    assert answer.status == 422, answer.body[:500]
    error = answer.json()["error"]
    assert named in error["message"] and len(error["message"]) < 1000, error["message"]
    assert await ask(lambda: Run.objects.values_list("name", flat=True).get(pk=running.id)) != "kept"
