"""The menu below a head: what it offers, the filter that it writes, widths, and runs below others."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from runs.models import Run
from tests.runs.tables.conftest import names

EXPERIMENT, HEAD, NARROW = "/w/lab/experiments/digits", "/w/lab/runs/head", "/w/lab/runs/narrow"


def offered(page: str) -> dict[str, tuple[int, bool]]:
    """{value: (runs that have it, whether it is chosen)} of the boxes of a menu."""
    found = re.findall(r'name="only" value="([^"]*)"( checked)?>.*?<small>(\d+)</small>', page)
    return {value: (int(count), bool(chosen)) for value, chosen, count in found}


def menu(browser, who="rio", **asked) -> str:
    answer = browser(who).get(HEAD, {"experiment": "digits", **asked})
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return answer.content.decode()


def fill(filled) -> None:
    filled("ant", params={"model": "mlp", "lr": "0.1"}, loss=1.5)
    filled("bee", params={"model": "cnn", "lr": "0.01"}, loss=0.5, status="failed")
    filled("cat", params={"model": "mlp"}, loss=4.0)


def test_a_head_offers_the_values_of_the_runs_that_the_other_parts_leave(
    filled, browser, django_assert_max_num_queries
):
    fill(filled)
    assert offered(menu(browser, column="params.model")) == {"=mlp": (2, False), "=cnn": (1, False)}
    narrowed = menu(browser, column="params.model", filter="metrics.loss > 1 and params.model = 'cnn'")
    # Its own part is left aside, so that another value can be chosen; what is chosen is there in any case.
    assert offered(narrowed) == {"=mlp": (2, False), "=cnn": (0, True)}
    assert offered(menu(browser, column="status")) == {"=completed": (2, False), "=failed": (1, False)}
    lr = menu(browser, column="params.lr", filter="params.lr >= 0.05")
    assert offered(lr) == {"=0.1": (1, False), "none": (1, False), "=0.01": (1, False)}
    assert 'name="low" value="0.05" placeholder="0.01"' in lr
    assert 'placeholder="0.5"' in menu(browser, column="metrics.loss") and "latest value" not in menu(
        browser, column="metrics.loss"
    )
    assert "latest value" in menu(browser, column="min(metrics.loss)")
    assert 'type="date"' in menu(browser, column="created") and 'name="part"' in menu(browser, column="name")
    rio = browser("rio")
    with django_assert_max_num_queries(7):
        rio.get(HEAD, {"experiment": "digits", "column": "tags.team"})


@pytest.mark.parametrize(
    ("asked", "filter_", "left"),
    [
        ({"column": "params.model", "only": ["=mlp"]}, "params.model = 'mlp'", ["cat", "ant"]),
        ({"column": "params.lr", "only": ["=0.1", "none"]}, "(params.lr = '0.1' or params.lr is null)", ["cat", "ant"]),
        ({"column": "metrics.loss", "low": "1", "high": "2"}, "metrics.loss >= 1 and metrics.loss <= 2", ["ant"]),
        ({"column": "name", "part": "EE"}, "name ilike '%EE%'", ["bee"]),
        (
            {"column": "status", "only": ["=failed"], "filter": "ant or bee"},
            "(ant or bee) and status = 'failed'",
            ["bee"],
        ),
        ({"column": "name", "filter": "name ilike '%ee%'"}, "", ["cat", "bee", "ant"]),
        ({"column": "created", "low": "2020-01-01"}, "created >= 2020-01-01", ["cat", "bee", "ant"]),
        ({"column": "created", "high": "2020-01-01"}, "created <= 2020-01-01", []),
    ],
)
def test_what_a_head_says_becomes_the_filter_of_the_table(filled, browser, asked, filter_, left):
    fill(filled)
    answer = browser("rio").get(NARROW, {"experiment": "digits", "order_by": "created desc", **asked})
    assert answer.status_code == 302, answer.content.decode()[:1000]
    there = urlsplit(answer.headers["Location"])
    assert there.path == EXPERIMENT
    assert parse_qs(there.query) == {"order_by": ["created desc"], **({"filter": [filter_]} if filter_ else {})}
    page = browser("rio").get(answer.headers["Location"]).content.decode()
    assert names(page) == left
    assert ("data-narrowed" in page) is bool(filter_ and left)


def test_heads_are_of_members_and_say_what_they_cannot(filled, browser):
    fill(filled)
    for door in (HEAD, NARROW):
        assert browser("mallory").get(door, {"column": "status"}).status_code == 404
        assert browser("rio").get(door, {"column": "nonsense"}).status_code == 422
        assert browser("rio").get(door, {"column": "status,user"}).status_code == 422
        assert browser("rio").get(door, {"column": "status", "filter": "metrics.loss <> 2"}).status_code == 422
    assert browser("rio").get(NARROW, {"column": "metrics.loss", "low": "much"}).status_code == 422


def test_widths_are_in_the_address_and_in_views(filled, browser):
    fill(filled)
    page = browser("rio").get(EXPERIMENT, {"widths": "240:name,5:metrics.loss"}).content.decode()
    assert 'data-column="name" data-width="240"' in page and 'data-column="metrics.loss" data-width="48"' in page
    assert "widths=240%3Aname%2C48%3Ametrics.loss" in page
    for wrong in ("240", "x:name", "10:nonsense", "10:name;"):
        assert browser("rio").get(EXPERIMENT, {"widths": wrong}).status_code == 422
    said = {"name": "wide", "query": "widths=240%3Aname&columns=status", "experiment": "digits"}
    assert browser("carl").post("/w/lab/views", said).status_code == 302
    listed = browser("rio").get("/api/v1/workspaces/lab/views?experiment=digits").json()["views"]
    assert listed[0]["query"] == "columns=status&widths=240%3Aname"


def test_runs_below_others_are_where_their_parent_is_opened(filled, browser):
    fill(filled)
    ant, bee = Run.objects.get(name="ant"), Run.objects.get(name="bee")
    Run.objects.filter(pk=bee.pk).update(parent=ant)
    flat = browser("rio").get(EXPERIMENT).content.decode()
    assert names(flat) == ["cat", "bee", "ant"] and flat.count("data-below") == 1
    assert names(browser("rio").get(EXPERIMENT, {"nest": "1"}).content.decode()) == ["cat", "ant"]
    below = browser("rio").get("/w/lab/runs", {"filter": f"parent = '{ant.pk}'", "columns": "status"})
    assert names(below.content.decode()) == ["bee"]
