"""A table as a file: the same columns, filter and order as on the page, and nothing that a spreadsheet would run."""

import csv
import hashlib
import io
import json

import pytest

from runs.models import Run
from runs.tables.parquet import Parquet

EXPORT = "/w/lab/runs/export"


def fetch(client, method="get", **asked):
    answer = getattr(client, method)(EXPORT, asked)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    return answer, b"".join(answer.streaming_content)


def test_csv_holds_what_the_table_shows(filled, browser):
    filled("a", params={"model": "=HYPERLINK(1)"}, loss=1.5)
    filled('b,"x"\n', loss=0.123456789012)
    filled("c", status="failed", loss=9.0)
    asked = {
        "experiment": "digits",
        "columns": "metrics.loss,params.model,status,created",
        "order_by": "metrics.loss asc",
    }
    answer, body = fetch(browser("rio"), hide="failed", **asked)
    assert answer["Content-Type"] == "text/csv; charset=utf-8" and 'filename="digits-' in answer["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(body.decode())))
    assert rows[0] == ["run_id", "name", "metrics.loss", "params.model", "status", "created"]
    assert [row[1:5] for row in rows[1:]] == [
        ['b,"x"\n', "0.123456789012", "", "completed"],
        ["a", "1.5", "'=HYPERLINK(1)", "completed"],
    ]


def test_json_and_the_runs_that_are_named(filled, browser):
    one, two = filled("one", loss=1.0), filled("two", loss=2.0)
    two.change(metrics={"loss": {"kind": "list", "last": "NaN", "latest": [1, 1, "NaN"], "count": 1}})
    _, body = fetch(browser("rio"), format="json", columns="metrics.loss,duration", experiment="digits")
    found = json.loads(body)
    assert [(row["name"], row["metrics.loss"]) for row in found] == [("two", "NaN"), ("one", 1.0)]
    assert found[0]["duration"] > 0
    named = ",".join([one.id, "0" * 26, "a\0b"])
    _, body = fetch(browser("rio"), "post", format="json", runs=named, columns="status")
    assert json.loads(body) == [{"run_id": one.id, "name": "one", "status": "completed"}]
    _, body = fetch(browser("rio"), format="json", filter="name = 'nobody'")
    assert json.loads(body) == []


def test_parquet_begins_and_ends_as_it_must(filled, browser):
    filled("one", loss=1.0)
    answer, body = fetch(browser("rio"), format="parquet", columns="metrics.loss")
    assert body[:4] == body[-4:] == b"PAR1"
    assert answer["Content-Type"] == "application/vnd.apache.parquet"


def test_parquet_is_what_pyarrow_has_read():
    """These very bytes were read by pyarrow 25: 23 rows, two row groups, values that are missing, and NaN."""
    file = Parquet(["name", "metrics.loss"], [False, True])
    pieces = [
        file.begin(),
        file.group([["a", None, "ü"], [0.5, None, float("nan")]]),
        file.group([["b"] * 20, [1.0] * 20]),
        file.end(),
    ]
    written = hashlib.sha256(b"".join(pieces)).hexdigest()
    assert written == "d419c2affc409bfec299ebcd8a12d3ceeebbd0f61f8ffa5d3a5882bb4302cc82"


def test_all_runs_in_order_whatever_their_number(filled, browser, monkeypatch):
    pattern = Run.objects.get(pk=filled("r0", loss=0.0).id)
    for number in range(1, 120):
        pattern.pk, pattern.number, pattern.name = f"{pattern.pk[:-3]}{number:03}", 1000 + number, f"r{number}"
        Run.objects.bulk_create([pattern])
    monkeypatch.setattr("runs.tables.export.PIECE", 7)
    _, body = fetch(browser("rio"), columns="number", order_by="number asc")
    assert [row.split(",")[1] for row in body.decode().splitlines()[1:]] == [f"r{at}" for at in range(120)]
    _, body = fetch(browser("rio"), columns="number", order_by="number asc", scope="page")
    assert len(body.decode().splitlines()) == 101
    _, body = fetch(browser("rio"), columns="number", format="json")
    assert len(json.loads(body)) == 120


@pytest.mark.parametrize("wrong", [{"format": "xls"}, {"filter": "a ="}, {"columns": "x y"}])
def test_what_cannot_be_written_is_refused(filled, browser, wrong):
    filled("one")
    assert browser("rio").get(EXPORT, wrong).status_code == 422
    assert browser("mallory").get(EXPORT).status_code == 404
    assert browser("rio").get(EXPORT, {"experiment": "none"}).status_code == 404
    assert browser(None).get(EXPORT).status_code == 302
