"""What is suggested while a filter is typed, by the JSON door."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.filters import parse_tree

RUNS = "/api/v1/workspaces/lab/runs"
SERIES = {"kind": "list", "last": 0.25, "last_step": 2, "latest": [2, 2, 0.25], "min": 0.25, "max": 0.5, "count": 2}


@pytest.fixture
def some(make_run):
    """Two runs with metrics, parameters and tags, some of odd names."""
    one, two = make_run(), make_run()
    one.change(
        metrics={"loss": SERIES, "val loss": SERIES, "a`b": SERIES, '`"': SERIES},
        params={"model": "mlp", "it's": "o'clock"},
        tags={"team": "vision"},
    )
    two.change(metrics={"val/acc": SERIES}, params={"model": "cnn", "lr": "0.1"}, status="failed")
    return one, two


def suggested(api, text: str, cursor: int | None = None, **more) -> tuple[list[str], str]:
    """(labels, the text after the first of them was taken)."""
    at = len(text) if cursor is None else cursor
    answer = api("rio").get(f"{RUNS}/complete", {"text": text, "cursor": at, **more})
    assert answer.status_code == 200, answer.content
    found = answer.json()
    items = found["items"]
    taken = text[: found["start"]] + items[0]["insert"] + text[found["end"] :] if items else text
    return [one["label"] for one in items], taken


@pytest.mark.parametrize(
    ("text", "wanted", "taken"),
    [
        ("metrics.v", ["metrics.`val loss`", "metrics.val/acc"], "metrics.`val loss` "),
        ("metrics.`val", ["metrics.`val loss`", "metrics.val/acc"], "metrics.`val loss` "),
        ("status = failed and params.mo", ["params.model"], "status = failed and params.model "),
        ("(lr", ["params.lr"], "(params.lr "),
        ("tea", ["tags.team"], "tags.team "),
        ("stat", ["status"], "status "),
        ("params.model = ", ["'cnn'", "'mlp'"], "params.model = 'cnn' "),
        ("params.model = 'ml", ["'mlp'"], "params.model = 'mlp' "),
        ("params.model in (", ["'cnn'", "'mlp'"], "params.model in ('cnn' "),
        ("params.model in ('cnn', m", ["'mlp'"], "params.model in ('cnn', 'mlp' "),
        ("params.`it's` = ", ["'o''clock'"], "params.`it's` = 'o''clock' "),
        ("status = FIN", ["FINISHED", "finalizing"], "status = FINISHED "),
        ("status != comp", ["completed"], None),
        ("metrics.loss is", ["IS NULL", "IS NOT NULL"], "metrics.loss IS NULL "),
        ("metrics.loss is not", ["NOT NULL"], "metrics.loss is NOT NULL "),
        ("metrics.loss is n", ["NULL", "NOT NULL"], None),
        ("metrics.loss < 0.5 ", ["and", "or"], "metrics.loss < 0.5 and "),
        ("metrics.loss < 0.5 o", ["or"], "metrics.loss < 0.5 or "),
        ("created > -7", ["-7d"], "created > -7d "),
        ("experiment = ", ["'first'"], None),
        ("metrics.loss >", [">", ">="], None),
        ("metrics.loss > ", [], "metrics.loss > "),
        ("metrics.loss>0.", [], None),
        ("metrics.nothing.of.this", [], None),
    ],
)
def test_what_is_suggested(api, some, text, wanted, taken):
    labels, after = suggested(api, text)
    if "experiment" in text:
        assert len(labels) == 1
        return
    assert sorted(labels) == sorted(wanted)
    assert taken is None or after == taken


def test_what_is_suggested_is_read_by_the_language(api, some):
    for start in ("metrics.", "params.", "tags.", "status = ", "created > ", "duration > ", "params.model = "):
        for label in suggested(api, start)[0]:
            whole = f"{label} is null" if start.endswith(".") else start + label
            assert parse_tree(whole) is not None, whole


def test_a_place_inside_of_the_text(api, some):
    text = "metrics.l < 1 and status = failed"
    labels, taken = suggested(api, text, len("metrics.l"))
    assert (labels[0], taken) == ("metrics.loss", "metrics.loss  < 1 and status = failed")
    assert suggested(api, "𝒳 stat", 6)[1] == "𝒳 status "


def test_only_what_the_asker_may_see(api, some):
    for text in ("metrics.", "params.model = "):
        assert api("mallory").get(f"{RUNS}/complete", {"text": text, "cursor": len(text)}).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"text": "\0" * 9, "cursor": 4},
        {"text": "metrics.\0", "cursor": 9},
        {"text": "params.`\0` = ", "cursor": 13},
        {"text": "'" * 9999, "cursor": 9999},
        {"text": "(" * 20_000, "cursor": 999999999},
        {"text": "`" * 50, "cursor": 50},
        {"text": "\ud83d\ude00 = 'x", "cursor": 1},
        {"text": "params.a' or 1=1 -- = '", "cursor": 23},
        {},
    ],
)
def test_hostile_texts_are_suggested_nothing_wrong(api, some, query):
    query = {
        key: value.encode("utf-16", "surrogatepass").decode("utf-16") if isinstance(value, str) else value
        for key, value in query.items()
    }
    assert api("rio").get(f"{RUNS}/complete", query).status_code == 200


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 12, "²"])
def test_a_cursor_that_is_none(api, some, cursor):
    assert api("rio").get(f"{RUNS}/complete", {"text": "a", "cursor": cursor}).status_code == 422


def test_an_unknown_experiment(api, some):
    assert api("rio").get(f"{RUNS}/complete", {"text": "a", "experiment": "nowhere"}).status_code == 404


def test_how_many_statements_a_suggestion_takes(api, some):
    someone = api("rio")
    counts = []
    for text in ("created > ", "lo"):
        with CaptureQueriesContext(connection) as asked:
            someone.get(f"{RUNS}/complete", {"text": text})
        counts.append(len(asked))
    # The keys of metrics, parameters and tags.
    assert counts[1] - counts[0] == 3
