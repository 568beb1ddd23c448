"""The page that shows runs beside each other, by the doors that people use."""

import html
import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from runs.tables.models import Mark
from tests.pages.test_pages import clean
from tests.runs.compare.conftest import series, where

TABS = ["charts", "details", "metrics", "parallel", "scatter", "box", "code", "packages", "images"]
ROW = re.compile(r'<tr( class="differs")? data-key="([^"]*)"')
CHIP = re.compile(r'<input type="hidden" name="run" value="(\w+)"><i class="dot-(\d)">')


def test_rows_say_what_differs_and_columns_keep_their_order(told, browser):
    one = told(name="one", params={"lr": "0.1", "depth": "3"}, tags={"team": "a"})
    two = told(name="two", params={"lr": "0.2", "depth": "3", "extra": "x"})
    page = browser("rio").get(where([two, one], tab="details")).content.decode()
    assert [run for run, _colour in CHIP.findall(page)[:2]] == [two, one]
    rows = {key: bool(differs) for differs, key in ROW.findall(page)}
    assert (rows["lr"], rows["depth"], rows["extra"], rows["team"]) == (True, False, True, True)
    assert 'class="only"' not in page
    assert 'class="only"' in browser("rio").get(where([two, one], tab="details", only="1")).content.decode()


def test_metrics_mark_extremes_and_tell_how_far_from_the_baseline(told, browser):
    ids = [told(metrics={"loss": series(value)}) for value in (0.5, 0.25, 1.0)]
    page = browser("rio").get(where(ids, tab="metrics", base=ids[0])).content.decode()
    found = re.findall(r'<td class="n[^>]*>(.*?)</td>', page)
    cells = [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in found]
    assert cells == ["0.5", "▼ 0.25 ↓ 50 %", "▲ 1 ↑ 100 %"]
    page = browser("rio").get(where(ids, tab="metrics", base=ids[1])).content.decode()
    assert "↑ 100 %" in page and "↑ 300 %" in page
    all_three = browser("rio").get(where(ids, tab="metrics", stat="all")).content.decode()
    assert len(ROW.findall(all_three)) == 3


def test_the_baseline_of_an_experiment_is_taken_when_nobody_chose(told, browser):
    ids = [told(name=f"run {n}", metrics={"loss": series(n + 1.0)}) for n in range(3)]
    run = Run.objects.get(pk=ids[2])
    Mark.objects.create(experiment=run.experiment, run=run, kind=Mark.Kind.BASELINE)
    page = browser("rio").get(where(ids, tab="metrics")).content.decode()
    assert 'aria-label="Take run 2 as the baseline">★' in page
    assert 'aria-label="Take run 0 as the baseline">★' in browser("rio").get(where(ids, base=ids[0])).content.decode()


def test_charts_know_the_baseline_and_other_tabs_keep_that_lines_are_differences(told, browser):
    ids = [told(name=f"run {n}", metrics={"loss": series(n + 1.0)}) for n in range(2)]
    page = browser("rio").get(where(ids, tab="charts", base=ids[1], diff="1")).content.decode()
    runs = json.loads(html.unescape(re.search(r'<chart-board [^>]*runs="([^"]*)"', page)[1]))
    assert [run["base"] for run in runs] == [False, True]
    assert "<chart-settings eyes base hidden>" in page
    assert re.search(r'href="\?[^"]*diff=1[^"]*tab=metrics"', page)


def test_what_is_no_number_and_a_baseline_of_nothing_are_told_apart(told, browser):
    ids = [told(metrics={"loss": series(value), "other": series(1.0)}) for value in (0, "NaN", -2.5)]
    page = browser("rio").get(where(ids, tab="metrics")).content.decode()
    assert "↓ 2.5<" in page and "NaN" in page
    assert page.count("<small>=</small>") == 2


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_tab_keeps_the_policy_and_shows_hostile_names_as_text(tab, language, told, browser):
    odd = "<script>alert(1)</script>\"'>{{7*7}}"
    ids = [
        told(
            name=odd,
            params={odd: odd, "x" * 250: "y" * 10_000},
            tags={odd: odd},
            metrics={odd: series(1)},
            files={"a<b>.py": b"<script>\n", f"{number}.py": b"x"},
            artifacts={"images/<i>.png": b"png", "m/requirements.txt": b"<b>==1\nx==2\n"},
            git={"diff": "<script>", "commit": odd, "dirty": True},
        )
        for number in range(2)
    ]
    client = browser("rio")
    client.cookies["zaffre_language"] = language
    answer = client.get(where(ids, tab=tab))
    assert answer.status_code == 200
    html = answer.content.decode()
    clean(html)
    assert "alert(1)</script>" not in html
    assert len(html) < 400_000


def test_none_one_and_too_many_are_said(told, browser, api):
    one = told(name="alone")
    reader = browser("rio")
    assert "No runs to compare" in reader.get("/w/lab/compare").content.decode()
    assert "at least two runs" in reader.get(where([one])).content.decode()
    many = reader.get(where([f"{number:026}" for number in range(201)]))
    assert many.status_code == 422
    assert "200 are the most" in many.content.decode()
    json = api("rio")
    assert json.get("/api/v1/workspaces/lab/compare").json()["error"]["code"] == "too_few"
    assert json.get(f"/api/v1/workspaces/lab/compare?run={one}&run={one}").json()["error"]["code"] == "too_few"
    over = "&".join(f"run={number:026}" for number in range(201))
    assert json.get(f"/api/v1/workspaces/lab/compare?{over}").json()["error"]["code"] == "too_many"


def test_runs_that_are_not_here_are_404_and_the_rest_can_go_on(told, browser, api, lab):
    one, two, gone = told(name="one"), told(name="two"), told(name="the deleted one")
    Run.objects.filter(pk=gone).update(deleted="2026-01-01T00:00:00Z")
    answer = browser("rio").get(where([one, gone, two, "0" * 26]))
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "the deleted one was deleted." in page
    assert "0" * 26 in page
    assert f'href="?run={one}&amp;run={two}"' in page
    assert api("rio").get(f"/api/v1/workspaces/lab/compare?run={one}&run={gone}").status_code == 404


@pytest.mark.parametrize("run", ["x", "%00", "x" * 3000, "%F0%9F%98%80", "<script>"])
def test_odd_ids_are_404(run, told, browser):
    answer = browser("rio").get(f"{where([told(name='one')])}&run={run}")
    assert answer.status_code in {200, 404}  # what is empty without its NUL names nothing
    assert "<script>" not in answer.content.decode().split("<main")[1].split("</main>")[0]


def test_another_workspace_sees_nothing(told, browser, api):
    one, two = told(name="secret one"), told(name="two")
    assert browser("mallory").get(where([one, two])).status_code == 404
    inside = browser("mallory").get(where([one, two]).replace("/lab/", "/den/"))
    assert inside.status_code == 404
    assert "secret one" not in inside.content.decode()
    for place in ("compare", "compare/code"):
        assert api("mallory").get(f"/api/v1/workspaces/den/{place}?run={one}&run={two}").status_code == 404
        assert api("mallory").get(f"/api/v1/workspaces/lab/{place}?run={one}&run={two}").status_code == 404
    assert browser("mallory").get(f"/w/den/compare/file?run={one}&run={two}&path=x").status_code == 404


def test_the_list_is_edited_in_place(told, browser):
    one, two, three = told(name="first of all"), told(name="second"), told(name="third")
    reader = browser("rio")
    dropped = reader.get(where([one, two, three], base=two, tab="metrics", drop=two))
    assert dropped.url == f"/w/lab/compare?run={one}&run={three}&tab=metrics"
    added = reader.get(where([one, two], tab="metrics", add=three))
    assert added.url == f"/w/lab/compare?run={one}&run={two}&run={three}&tab=metrics"
    named = reader.get(where([one, two], add="thir"))
    assert named.url.startswith(f"/w/lab/compare?run={one}&run={two}&run={three}")
    several = reader.get(where([one, two], add="s"), follow=True).content.decode()
    assert "Several runs are called so" in several
    assert "No run is called" in reader.get(where([one, two], add="zzz"), follow=True).content.decode()


def test_two_hundred_runs_cost_the_statements_of_two(told, browser, lab):
    first = told(name="run", params={"lr": "0.1"}, metrics={"loss": series(0.5)}, files={"a.py": b"1"})
    pattern = Run.objects.get(pk=first)
    ids = [first]
    for number in range(199):
        pattern.pk, pattern.number = f"{first[:-3]}{number:03}", 1000 + number
        pattern.params = {"lr": str(number), f"own{number}": "x"}
        pattern.metrics = {"loss": series(number)}
        Run.objects.bulk_create([pattern])
        ids.append(pattern.pk)
    reader = browser("rio")
    reader.get(where(ids[:2]))
    for tab in TABS:
        costs = []
        for some in (ids[:2], ids):
            with CaptureQueriesContext(connection) as asked:
                answer = reader.get(where(some, tab=tab))
            assert answer.status_code == 200
            costs.append(len(asked))
        assert costs[0] == costs[1] <= 16, tab
    page = reader.get(where(ids, tab="details")).content.decode()
    assert page.count('<th scope="col" class="n" data-run="') == 20
    assert "runs 1–20 of 200" in page
    last = reader.get(where(ids, tab="details", **{"from": "180"})).content.decode()
    # The baseline stays in sight.
    assert last.count('<th scope="col" class="n" data-run="') == 21


def test_the_json_of_a_comparison(told, api):
    one = told(name="one", params={"lr": "0.1"}, metrics={"loss": series(0.5, least=0.1, most=2)})
    two = told(name="two", params={"lr": "0.1", "b": "2"}, metrics={})
    reader = api("rio")
    with CaptureQueriesContext(connection) as asked:
        found = reader.get(f"/api/v1/workspaces/lab/compare?run={two}&run={one}&base={one}").json()
    assert len(asked) <= 5
    assert [run["id"] for run in found["runs"]] == [two, one]
    assert found["base"] == one
    assert found["sections"]["params"] == [
        {"key": "b", "values": ["2", None], "differs": True},
        {"key": "lr", "values": ["0.1", "0.1"], "differs": False},
    ]
    assert found["metrics"] == [
        {"key": "loss", "system": False, "last": [None, 0.5], "min": [None, 0.1], "max": [None, 2]}
    ]
    assert api("rio").get(f"/api/v1/workspaces/lab/compare?run={two}&run={one}&base=zz").status_code == 404
