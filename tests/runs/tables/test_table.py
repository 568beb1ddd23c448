"""The table of runs by its page: columns, order, pages, quick choices, groups, marks."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from tests.runs.tables.conftest import column, heads, names, summary

RUNS, EXPERIMENT = "/w/lab/runs", "/w/lab/experiments/digits"


def show(browser, who="rio", at=EXPERIMENT, **asked) -> str:
    answer = browser(who).get(at, asked)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return answer.content.decode()


def test_the_usual_columns_and_the_colour_of_each_run(filled, browser):
    for at in range(9):
        filled(f"r{at}", loss=at, params={"lr": "0.1"})
    # A table is no number, and no run has a compute target: neither gets a column.
    for run in Run.objects.all():
        Run.objects.filter(pk=run.pk).update(metrics=run.metrics | {"errors": {"kind": "table", "count": 3}})
    page = show(browser)
    assert heads(page) == ["Run", "Status", "loss", "lr", "Duration", "Created"]
    assert re.findall(r'<td class="first dot-(\d)">', page) == ["0", "7", "6", "5", "4", "3", "2", "1", "0"]
    found = browser("rio").get("/api/v1/workspaces/lab/runs").json()["runs"]
    assert [one["colour"] for one in found] == [0, 7, 6, 5, 4, 3, 2, 1, 0]
    assert "Experiment" in heads(show(browser, at=RUNS))


def test_chosen_columns_stand_in_their_order(filled, browser):
    run = filled("one", params={"a b": "<script>alert(1)</script>"}, tags={"team": "x" * 100}, loss=0.5)
    run.change(metrics={"loss": summary(0.5, min=0.25, max=4.0, count=17)}, properties={"made": "by hand"})
    asked = (
        "tags.team,min(metrics.loss),max(metrics.loss),count(metrics.loss),params.`a b`,user,number,properties.made,id"
    )
    page = show(browser, columns=asked)
    assert heads(page) == ["Run", "team", "min loss", "max loss", "count loss", "a b", "User", "Number", "made", "Id"]
    assert (column(page, "min loss"), column(page, "max loss"), column(page, "count loss")) == (["0.25"], ["4"], ["17"])
    assert (column(page, "User"), column(page, "Number"), column(page, "made")) == (["carl"], ["1"], ["by hand"])
    assert column(page, "Id") == [run.id]
    assert "<script>alert" not in page
    assert f'title="{"x" * 100}"' in page and "x" * 11 + "…" in page
    refused = browser("rio").get(EXPERIMENT, {"columns": "metrics.loss,nonsense"})
    assert refused.status_code == 422 and "There is no column" in refused.content.decode()


def test_a_value_at_the_best_step_of_another_metric(make_log, filled, browser):
    run = filled("one", status="running")
    make_log(run, acc=[(0, 0.1), (1, 0.9), (2, 0.5)], loss=[(0, 3.0), (1, 2.0), (2, 1.0)])
    filled("none")
    page = show(browser, columns="at_min(metrics.acc, metrics.loss),at_max(metrics.loss, metrics.acc)")
    assert column(page, "acc @ min loss") == ["", "0.5"]
    assert column(page, "loss @ max acc") == ["", "2"]
    make_log(run, acc=[(3, 0.7)], loss=[(3, 0.5)])
    assert column(show(browser, columns="at_min(metrics.acc, metrics.loss)"), "acc @ min loss") == ["", "0.7"]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("", ["none", "nan", "c", "b", "a"]),
        ("metrics.loss desc", ["a", "c", "b", "nan", "none"]),
        ("metrics.loss", ["b", "c", "a", "nan", "none"]),
        ("min(metrics.loss) asc", ["b", "c", "a", "none", "nan"]),
        ("params.lr asc", ["c", "b", "a", "nan", "none"]),  # as numbers, then texts, then none
        ("params.lr desc", ["a", "b", "c", "nan", "none"]),
        ("name asc", ["a", "b", "c", "nan", "none"]),
        ("number asc", ["a", "b", "c", "nan", "none"]),
    ],
)
def test_the_order_of_any_column_and_both_ways_through_its_pages(filled, browser, monkeypatch, order, wanted):
    filled("a", loss=3.0, params={"lr": "10"})
    filled("b", loss=1.0, params={"lr": "9"})
    filled("c", loss=2.0, params={"lr": "1e-3"})
    nan = filled("nan", params={"lr": "warm"})
    nan.change(metrics={"loss": summary("NaN", min=None, max=None)})
    filled("none")
    assert names(show(browser, order_by=order)) == wanted
    monkeypatch.setattr("runs.tables.finding.find.__kwdefaults__", {"limit": 2, "pinned": True})
    seen, address, back = [], f"{EXPERIMENT}?order_by={order}", []
    while address:
        page = browser("rio").get(address).content.decode()
        seen.append(names(page))
        back.append(re.search(r'href="([^"]*)">Newer<', page))
        older = re.search(r'href="([^"]*)">Older<', page)
        address = EXPERIMENT + older[1].replace("&amp;", "&") if older else ""
    assert [name for part in seen for name in part] == wanted and len(seen) == 3
    assert back[0] is None
    for part in (1, 0):
        newer = EXPERIMENT + re.search(r'href="([^"]*)">Newer<', page)[1].replace("&amp;", "&")
        page = browser("rio").get(newer).content.decode()
        assert names(page) == seen[part]
    assert "Newer" not in page


def test_a_head_sorts_and_sorts_back(filled, browser):
    filled("one", loss=1.0)
    page = show(browser, filter="name = 'one'")
    first = re.search(r'<a href="(\?[^"]*)" title="loss">', page)[1]
    assert first == "?filter=name+%3D+%27one%27&amp;order_by=metrics.loss+desc"
    second = show(browser, at=EXPERIMENT + first.replace("&amp;", "&"))
    assert 'aria-sort="descending"' in second
    assert "order_by=metrics.loss+asc" in re.search(r'<a href="(\?[^"]*)" title="loss">', second)[1]


def test_quick_choices(filled, browser):
    filled("mine")
    filled("failed", status="failed")
    old = filled("old")
    old.change(created="2020-01-01T00:00:00Z")
    assert names(show(browser, "carl", mine="1")) == ["old", "failed", "mine"]
    assert "No run fits" in show(browser, "rio", mine="1")
    assert names(show(browser, hide="failed")) == ["old", "mine"]
    assert names(show(browser, since="7d")) == ["failed", "mine"]
    assert names(show(browser, status="failed")) == ["failed"]
    for asked in ({"since": "2y"}, {"status": "nonsense"}, {"hide": "x"}, {"aggregate": "x"}, {"group": "metrics.a"}):
        assert browser("rio").get(EXPERIMENT, asked).status_code == 422
    assert browser("rio").get(EXPERIMENT, {"after": "\0nonsense"}).status_code == 422


def test_groups_with_their_numbers_and_their_runs(filled, browser):
    for name, model, loss in (("a", "m'1", 1.0), ("b", "m'1", 3.0), ("c", "m2", 5.0)):
        filled(name, params={"model": model}, tags={"team": "x"}, loss=loss)
    filled("d")
    page = show(browser, group="params.model", columns="metrics.loss", order_by="metrics.loss desc")
    rows = re.findall(r'<tr class="group">(.*?)</tr>', page)
    told = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]
    assert told == ["model m2 1 5", "model m&#x27;1 2 2", "model none 1"]
    query = re.search(r'data-expand="([^"]*)"', rows[1])[1].replace("&amp;", "&")
    assert names(show(browser, at=EXPERIMENT + query)) == ["b", "a"]
    none = re.search(r'data-expand="([^"]*)"', rows[2])[1].replace("&amp;", "&")
    assert names(show(browser, at=EXPERIMENT + none)) == ["d"]
    several = show(
        browser, group="tags.team,status", columns="metrics.loss", aggregate="max", filter="params.model is not null"
    )
    # One level at a time: the next one is what opening a group asks for, and after the last one its runs.
    assert re.search(r"<b title=\"x\">", several) and ">5</td>" in several and '<b title="completed' not in several
    inside = show(browser, at=EXPERIMENT + re.search(r'data-expand="([^"]*)"', several)[1].replace("&amp;", "&"))
    assert re.search(r"<b title=\"completed\">", inside) and ">5</td>" in inside and "data-runs" not in inside
    last = show(browser, at=EXPERIMENT + re.search(r'data-expand="([^"]*)"', inside)[1].replace("&amp;", "&"))
    assert names(last) == ["c", "b", "a"]
    with CaptureQueriesContext(connection) as asked:
        show(browser, group="params.model", columns="metrics.loss")
    assert len([one for one in asked if "GROUP BY" in one["sql"] and "runs_run" in one["sql"]]) == 1


def test_pins_come_first_and_numbers_are_held_to_the_baseline(filled, browser, api):
    one, two, three = (filled(name, loss=loss) for name, loss in (("one", 1.0), ("two", 2.0), ("three", 0.5)))
    mark = "/api/v1/workspaces/lab/runs/{}/marks/{}"
    assert api("rio").put(mark.format(one.id, "pin")).status_code == 403
    assert api("mallory").put(mark.format(one.id, "pin")).status_code == 404
    for _ in range(2):
        assert api("carl").put(mark.format(one.id, "pin")).status_code == 204
        assert api("carl").put(mark.format(two.id, "baseline")).status_code == 204
    assert api("carl").put(mark.format(two.id, "crown")).status_code == 422
    assert api("carl").put(mark.format("01" * 13, "pin")).status_code == 404
    page = show(browser)
    assert names(page) == ["one", "three", "two"]
    assert column(page, "loss") == ["1↓ 50.0 %", "0.5↓ 75.0 %", "2"]
    assert 'title="0.5 (-1.5)"' in page
    # The baseline stays so on pages and in filters that do not show it.
    assert column(show(browser, filter="name = 'three'"), "loss") == ["0.5↓ 75.0 %"]
    api("olga").put(mark.format(three.id, "baseline"))
    assert column(show(browser), "loss") == ["1↑ 100.0 %", "0.5", "2↑ 300.0 %"]
    assert api("carl").delete(mark.format(three.id, "baseline")).status_code == 204
    assert api("carl").delete(mark.format(one.id, "pin")).status_code == 204
    assert names(show(browser)) == ["three", "two", "one"]
    assert column(show(browser), "loss") == ["0.5", "2", "1"]


def test_a_hundred_rows_ask_as_much_as_one(filled, browser):
    pattern = Run.objects.get(pk=filled("one", loss=1.0, params={"a": "x"}).id)
    reader = browser("rio")
    counts = []
    asked = {
        "columns": "status,metrics.loss,params.a,environment,user,description,experiment",
        "order_by": "metrics.loss",
    }
    for more in (0, 120):
        for number in range(more):
            pattern.pk, pattern.number = f"{pattern.pk[:-3]}{number:03}", 1000 + number
            Run.objects.bulk_create([pattern])
        reader.get(RUNS, asked)
        with CaptureQueriesContext(connection) as made:
            assert reader.get(RUNS, asked).status_code == 200
        counts.append(len(made))
    assert counts[1] - counts[0] <= 1  # how many there are is counted once there is a second page
    assert counts[1] <= 14


def test_the_door_of_programs_takes_an_order_and_columns(filled, api):
    for name, loss in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        filled(name, loss=loss)
    asked = {"order_by": "metrics.loss desc", "columns": "metrics.loss,status", "limit": 2}
    first = api("rio").get("/api/v1/workspaces/lab/runs", asked).json()
    assert [(one["name"], one["values"]) for one in first["runs"]] == [
        ("a", {"metrics.loss": 3.0, "status": "completed"}),
        ("c", {"metrics.loss": 2.0, "status": "completed"}),
    ]
    second = api("rio").get("/api/v1/workspaces/lab/runs", {**asked, "after": first["next"]}).json()
    assert ([one["name"] for one in second["runs"]], second["next"]) == (["b"], None)
    assert api("rio").get("/api/v1/workspaces/lab/runs", {"order_by": "nonsense"}).status_code == 422
    assert api("mallory").get("/api/v1/workspaces/lab/runs", asked).status_code == 404


def test_keys_that_can_be_columns(filled, api):
    run = filled("one", loss=1.0, params={"lr": "1"}, tags={"t": "x"})
    run.change(metrics={"loss": summary(1.0), "picture": {"kind": "image", "count": 1}})
    found = api("rio").get("/api/v1/workspaces/lab/runs/keys", {"experiment": "digits"}).json()
    assert found == {"metrics": ["loss"], "params": ["lr"], "tags": ["t"]}
    assert api("rio").get("/api/v1/workspaces/lab/runs/keys", {"experiment": "none"}).status_code == 404
    assert api("mallory").get("/api/v1/workspaces/lab/runs/keys").status_code == 404
