"""What is no number, through the raw door: each kind once, exact, and errors that name the item."""

import json
import math
import uuid

import msgspec
import pytest

from runs.metrics import services
from runs.models import Run
from tests.kernel.asgi import Answer, Caller
from tests.runs.telemetry import Running, ask

MATRIX = {"schema_type": "confusion_matrix", "schema_version": "v1",
          "data": {"class_labels": ["0", "1"], "matrix": [[3, 0], [1, 5]]}}  # fmt: skip
COUNTS = [[[5, 5, 0, 0], [3, 1, 4, 2]], [[5, 5, 0, 0], [4, 0, 5, 1]]]
ACCURACY = {"schema_type": "accuracy_table", "schema_version": "1.0.1",
            "data": {"probability_tables": COUNTS, "percentile_tables": COUNTS, "class_labels": ["a", "b"],
                     "probability_thresholds": [0.0, 0.5], "percentile_thresholds": [0.0, 0.5]}}  # fmt: skip
RESIDUALS = {"schema_type": "residuals", "schema_version": "v1",
             "data": {"bin_edges": [-1.0, -0.0, 5e-324], "bin_counts": [7, 2**53 + 1]}}  # fmt: skip
PREDICTIONS = {"schema_type": "predictions", "schema_version": "v1",
               "data": {"bin_averages": [0.25, "NaN"], "bin_errors": [0.013, 0.042], "bin_counts": [12, 0],
                        "bin_edges": [0, 0.25, 0.5]}}  # fmt: skip
BIG = 2**80
EVERYTHING = [
    {"key": "model", "kind": "text", "value": 'résumé \t "x"', "description": "which one"},
    {
        "key": "epochs",
        "kind": "row",
        "value": {"n": BIG, "who": "a", "ok": True, "gone": None},
        "step": -4,
        "time": 9,
    },
    {"key": "epochs", "kind": "table", "value": {"n": [2, -0.0], "who": ["b", "c"], "ok": [False, True]}},
    {"key": "curve", "kind": "image", "value": {"path": "images/curve.png"}},
    {"key": "cm", "kind": "confusion_matrix", "value": MATRIX},
    {"key": "roc", "kind": "accuracy_table", "value": ACCURACY},
    {"key": "errors", "kind": "residuals", "value": RESIDUALS},
    {"key": "true", "kind": "predictions", "value": json.dumps(PREDICTIONS)},
]


def batch(*items: dict, **more: object) -> dict:
    return {"batch": uuid.uuid4().hex, "items": list(items), **more}


def message(answer: Answer) -> str:
    return answer.json()["error"]["message"]


async def test_every_kind_comes_back_as_it_was_logged(running: Running, code: Caller, person):
    sent = batch(*EVERYTHING, points=[["loss", 0.5, 1, 1]], descriptions={"loss": "of the net"})
    answer = await code.post(f"{running.agent}/metrics", sent)
    assert (answer.status, answer.json()) == (200, {"accepted": 9, "duplicate": False})
    told = (await person("rio").get(f"{running.user}/items")).json()
    assert told["next"] is None
    got = {}
    for one in told["items"]:
        got.setdefault(one["key"], []).append(one)
    assert got["model"][0]["value"] == EVERYTHING[0]["value"]
    assert (got["model"][0]["description"], got["model"][0]["step"]) == ("which one", None)
    assert [one["value"] for one in got["epochs"]] == [
        {"n": [BIG], "who": ["a"], "ok": [True], "gone": [None]},
        {"n": [2, -0.0], "who": ["b", "c"], "ok": [False, True]}
    ]  # fmt: skip
    assert math.copysign(1, got["epochs"][1]["value"]["n"][1]) == -1
    assert (got["epochs"][0]["step"], got["epochs"][0]["time"]) == (-4, 9)
    assert got["curve"][0]["value"] == {"path": "images/curve.png"}
    assert got["cm"][0]["value"] == MATRIX
    assert got["roc"][0]["value"] == ACCURACY
    assert got["errors"][0]["value"] == RESIDUALS
    assert got["true"][0]["value"] == PREDICTIONS
    summary = (await person("rio").get(f"{running.user}/metrics")).json()["metrics"]
    assert summary["epochs"] == {
        "kind": "table", "count": 3, "last_step": None, "columns": ["n", "who", "ok", "gone"],
    }  # fmt: skip
    assert (summary["model"]["last"], summary["model"]["description"]) == (EVERYTHING[0]["value"], "which one")
    assert summary["loss"]["description"] == "of the net"
    assert {key for key, one in summary.items() if "latest" in one} == {"loss"}
    assert {key: one["kind"] for key, one in summary.items() if key in ("cm", "roc", "errors", "true", "curve")} == {
        "cm": "confusion_matrix", "roc": "accuracy_table", "errors": "residuals", "true": "predictions",
        "curve": "image",
    }  # fmt: skip


async def test_a_description_stays_with_its_series(running: Running, code: Caller, person):
    words = {"a": "first", "b": "of nothing"}
    await code.post(f"{running.agent}/metrics", batch(points=[["a", 1]], descriptions=words))
    await code.post(f"{running.agent}/metrics", batch(points=[["a", 2]]))
    assert (await person("rio").get(f"{running.user}/metrics")).json()["metrics"]["a"]["description"] == "first"
    await code.post(f"{running.agent}/metrics", batch(descriptions={"a": "second"}))
    summary = (await person("rio").get(f"{running.user}/metrics")).json()["metrics"]
    assert (summary["a"]["description"], summary["a"]["count"], "b" in summary) == ("second", 2, False)


async def test_a_repeated_batch_adds_no_item(running: Running, code: Caller, person):
    sent = batch(*EVERYTHING)
    await code.post(f"{running.agent}/metrics", sent)
    again = await code.post(f"{running.agent}/metrics", sent)
    assert again.json() == {"accepted": 0, "duplicate": True}
    assert len((await person("rio").get(f"{running.user}/items")).json()["items"]) == len(EVERYTHING)
    assert (await person("rio").get(f"{running.user}/metrics")).json()["metrics"]["epochs"]["count"] == 3


async def test_items_of_a_key_are_read_in_pages(running: Running, code: Caller, person, monkeypatch):
    for start in range(0, 30, 10):
        rows = [{"key": key, "kind": "row", "value": {"n": n}} for n in range(start, start + 10) for key in ("a", "b")]
        await code.post(f"{running.agent}/metrics", batch(*rows))
    monkeypatch.setattr("runs.metrics.items.PAGE_BYTES", 50)
    found, after = [], 0
    while after is not None:
        page = (await person("rio").get(f"{running.user}/items?key=b&limit=7&after={after}")).json()
        assert 1 <= len(page["items"]) <= 7
        found += page["items"]
        after = page["next"]
    assert [one["value"]["n"] for one in found] == [[n] for n in range(30)]
    assert (await person("mallory").get(f"{running.user}/items")).status == 404


def wrong(kind: str, value: object, says: str, **more: object) -> object:
    return pytest.param({"key": "it", "kind": kind, "value": value, **more}, says, id=says[:50])


def data(kind: str, **changes: object) -> dict:
    found = {"confusion_matrix": MATRIX, "accuracy_table": ACCURACY, "residuals": RESIDUALS, "predictions": PREDICTIONS}
    return {"schema_type": kind, "data": {**found[kind]["data"], **changes}}


@pytest.mark.parametrize(
    ("item", "says"),
    [
        wrong("histogram", 1, "the kind is one of"),
        wrong("scalar", 1, "numbers go into points"),
        wrong("text", 5, "a text is expected"),
        wrong("text", "x" * 8001, "8000 are kept"),
        wrong("text", "a\x00", "cannot be stored"),
        wrong("row", [1], "a table is an object of columns"),
        wrong("row", {}, "a table is an object of columns"),
        wrong("row", {f"c{n}": n for n in range(16)}, "16 columns, and 15"),
        wrong("row", {"c" * 256: 1}, "name of a column has 1 to 255"),
        wrong("row", {"a": {"b": 1}}, "'a'[0] is a number"),
        wrong("table", {"a": [1, 2], "b": [1]}, "unequal lengths: 'a' 2, 'b' 1"),
        wrong("table", {"a": list(range(251))}, "251 rows"),
        wrong("row", {"a": "x\x00"}, "or one that cannot be stored"),
        wrong("text", "x", "description holds a character", description="\x00"),
        wrong("image", {"path": "../etc/passwd"}, "would leave its folder"),
        wrong("image", 7, "the path of a file"),
        wrong("confusion_matrix", "{not json", "Invalid JSON provided"),
        wrong("confusion_matrix", [], "Invalid JSON provided: a confusion_matrix is an object"),
        wrong("confusion_matrix", {"schema_type": "residuals", "data": {}}, "schema_type is 'confusion_matrix'"),
        wrong("confusion_matrix", {"data": {"class_labels": ["a"]}}, "the data lacks matrix"),
        wrong("confusion_matrix", data("confusion_matrix", matrix=[[1]]), "matrix is a list of 2 lists, not 1"),
        wrong("confusion_matrix", data("confusion_matrix", matrix=[[1, "x"], [1, 1]]), "matrix[0][1] is not a number"),
        wrong("accuracy_table", data("accuracy_table", probability_thresholds=[1, 0]), "numbers that rise"),
        wrong("accuracy_table", data("accuracy_table", percentile_tables=[[], []]), "percentile_tables[0] is a list"),
        wrong("residuals", data("residuals", bin_edges=[1, 2]), "bin_edges is a list of 3 numbers"),
        wrong("predictions", data("predictions", bin_errors=[None, 1]), "bin_errors[0] is not a number: None"),
        wrong("text", "x", "Expected `int", step="one"),
        wrong("text", "x", "Expected `int` <= 9223372036854775807", step=2**63),
        pytest.param({"key": "k" * 10_000, "kind": "text", "value": "x"}, "length <= 250", id="key of 10 000"),
        pytest.param({"key": "a\nb", "kind": "text", "value": "x"}, "control character", id="control"),
        pytest.param({"key": "it", "kind": "text"}, "missing required field `value`", id="no value"),
        pytest.param({"key": "it", "kind": 7, "value": 1}, "Expected `str`", id="kind of a number"),
    ],
)
async def test_what_cannot_be_meant_is_named_and_nothing_of_the_batch_is_kept(running, code: Caller, item, says):
    sent = batch(EVERYTHING[0], item, points=[["fine", 1.0]])
    for encode, kind in ((msgspec.json.encode, "application/json"), (msgspec.msgpack.encode, "application/msgpack")):
        answer = await code.call("POST", f"{running.agent}/metrics", encode(sent), content_type=kind)
        assert answer.status == 422, answer.body
        assert says in message(answer)
        assert message(answer).startswith("items[1] (")
        assert len(message(answer)) < 600
    assert await ask(lambda: Run.objects.get(pk=running.id).metrics) == {}


async def test_a_batch_over_its_limits_is_refused(running: Running, code: Caller):
    many = await code.post(f"{running.agent}/metrics", batch(*[EVERYTHING[0]] * 251))
    assert (many.status, many.code) == (422, "too_many_items")
    rows = [{"key": "t", "kind": "table", "value": {"a": list(range(200))}}] * 2
    answer = await code.post(f"{running.agent}/metrics", batch(*rows))
    assert answer.status == 422
    assert "items[1] ('t'): a batch takes 250 rows" in message(answer)


async def test_one_key_holds_one_kind(running: Running, code: Caller, person):
    text = {"key": "x", "kind": "text", "value": "a"}
    await code.post(f"{running.agent}/metrics", batch(points=[["x", 1.0, 0, 1]]))
    answer = (await code.post(f"{running.agent}/metrics", batch(text, points=[["x", 2.0, 1, 1], ["y", 1.0]]))).json()
    assert (answer["accepted"], answer["refused"], answer["code"], answer["keys"]) == (2, 1, "other_kind", ["x"])
    both = batch({**text, "key": "z"}, {"key": "z", "kind": "row", "value": {"a": 1}})
    assert (await code.post(f"{running.agent}/metrics", both)).json()["refused"] == 1
    back = (await code.post(f"{running.agent}/metrics", batch(points=[["z", 1.0]]))).json()
    assert (back["accepted"], back["code"]) == (0, "other_kind")
    assert "'z' holds another kind" in back["message"]
    found = (await person("rio").get(f"{running.user}/series")).json()["series"]
    assert found["x"]["value"] == [1, 2]


async def test_caps_refuse_what_is_over_and_keep_the_rest(running: Running, code: Caller, monkeypatch):
    monkeypatch.setattr(services, "MAX_ITEMS", 2)
    monkeypatch.setattr(services, "MAX_KEYS", 2)
    one = {"key": "a", "kind": "text", "value": "x"}
    await code.post(f"{running.agent}/metrics", batch(one, one))
    answer = (await code.post(f"{running.agent}/metrics", batch(one, points=[["n", 1.0], ["m", 1.0]]))).json()
    assert (answer["accepted"], answer["refused"]) == (1, 2)
    kept = await ask(lambda: Run.objects.get(pk=running.id).metrics)
    assert {key: value["count"] for key, value in kept.items()} == {"a": 2, "n": 1}


async def test_nobody_else_adds_items(running: Running, make_run, code: Caller, app):
    other = await ask(make_run)
    answer = await Caller(app, {"authorization": f"Bearer {other.token}"}).post(
        f"{running.agent}/metrics", batch(EVERYTHING[0])
    )
    assert answer.status == 404
    await ask(lambda: running.change(attempt_no=2))
    late = await code.post(f"{running.agent}/metrics", batch(EVERYTHING[0]))
    assert (late.status, late.code) == (409, "stale_attempt")
