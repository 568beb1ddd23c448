"""The box of the list of runs: filters in the address, mistakes at their place."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.runs.telemetry import make_run  # noqa: F401 - a fixture

NAMES = re.compile(r'<a class="name" href="/w/lab/runs/\w+" title="([^"]*)"')


def test_a_filter_in_the_address_is_searched_and_kept(make_run, browser):  # noqa: F811
    for name, params in (("one", {"lr": "0.1"}), ("two", {"lr": "0.01"}), ("three", {})):
        make_run().change(name=name, params=params)
    answer = browser("rio").get("/w/lab/runs", {"filter": "params.lr < 0.05 or thr"})
    page = answer.content.decode()
    assert (answer.status_code, NAMES.findall(page)) == (200, ["three", "two"])
    assert 'value="params.lr &lt; 0.05 or thr"' in page
    assert "aria-invalid" not in page
    none = browser("rio").get("/w/lab/runs", {"filter": "params.lr > 5"}).content.decode()
    assert "No run fits" in none and "There are 3 runs without it." in none


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("status = compleated", "<code>status = <mark>compleated</mark></code>"),
        ("name = 'a' and ", "<code>name = &#x27;a&#x27; and <mark>\u00a0</mark></code>"),
        ("<script> = 1", None),
        ("x" * 20_000, None),
    ],
)
def test_a_mistake_is_marked_where_it_is(make_run, browser, text, marked):  # noqa: F811
    make_run()
    answer = browser("rio").get("/w/lab/runs", {"filter": text})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'aria-invalid="true" aria-describedby="filter-wrong"' in page
    assert "<script>" not in page.split("<main")[1].split("</form>")[0]
    assert marked is None or marked in page


def test_a_filter_adds_no_statement(make_run, browser):  # noqa: F811
    for _ in range(3):
        make_run().change(params={"a": "x"}, tags={"b": "y"})
    someone = browser("rio")
    someone.get("/w/lab/runs")
    counts = []
    for query in (
        {},
        {"filter": "params.a = 'x' and tags.b in ('y') and experiment is not null and exit_code is null y"},
    ):
        with CaptureQueriesContext(connection) as asked:
            assert len(NAMES.findall(someone.get("/w/lab/runs", query).content.decode())) == 3
        counts.append(len(asked))
    assert counts[0] == counts[1]
