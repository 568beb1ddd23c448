"""Tables of one name that several runs logged: one table, in which each row says whose it is."""

import re

import msgspec

from runs.compare import logged
from runs.metrics import items
from runs.metrics.wire import Item
from tests.pages.test_pages import clean
from tests.runs.compare.conftest import told  # noqa: F401 - a fixture


def lines(table):
    return [(line.run, line.step, line.cells) for line in table.lines]


def test_tables_are_merged_by_their_names():
    found = logged.merged(
        [
            ("a", "errors 2", 1, {"class": ["cat", "dog"], "count": [3, 0.123456789]}),
            ("b", "errors 2", None, {"class": ["cat"], "cost": [True]}),
            ("a", "errors 10", 1, {"x": [1]}),
            ("a", "broken", 1, ["no table"]),
            ("a", "broken", 1, {"x": 3}),
        ]
    )
    assert [one.name for one in found] == ["errors 2", "errors 10"]
    assert found[0].columns == ["class", "count", "cost"] and found[0].steps == [1]
    assert lines(found[0]) == [
        ("a", 1, ["cat", "3", None]),
        ("a", 1, ["dog", "0.123457", None]),
        ("b", None, ["cat", None, "True"]),
    ]


def test_what_is_too_much_is_counted(monkeypatch):
    monkeypatch.setattr(logged, "MOST_ROWS", 2)
    monkeypatch.setattr(logged, "MOST_COLUMNS", 1)
    [table] = logged.merged([("a", "t", 1, {"x": [1, 2, 3], "y": [4, 5, 6]}), ("b", "t", 1, {"x": [9]})])
    assert (table.columns, table.cut, table.narrowed) == (["x"], 2, True)
    assert lines(table) == [("a", 1, ["1"]), ("a", 1, ["2"])]


def test_the_page_of_tables(told, browser, django_assert_max_num_queries):  # noqa: F811
    one, two = told(name="calm_heron"), told(name="bold_finch")
    for run, step, value in ((one, 1, "<b>"), (one, 2, "late"), (two, 1, "cat")):
        value = {"class": [value], "count": [step]}
        item = Item("errors", "table", value, step=step, stored=msgspec.json.encode(value))
        items.insert([(run, item)], now=1)
    address = f"/w/lab/compare?run={two}&run={one}&tab=tables"
    rio = browser("rio")
    with django_assert_max_num_queries(20):
        page = rio.get(address).content.decode()
    clean(page)
    rows = re.findall(r'<tr data-run="(\w+)" data-step="(\d*)">', page)
    assert rows == [(two, "1"), (one, "1"), (one, "2")]
    assert page.count('title="bold_finch"') >= 1 and "&lt;b&gt;" in page and "<b></td>" not in page
    assert 'data-steps="[\n  1,\n  2\n]"' in page
    assert "No table is called so" in rio.get(f"{address}&name=other").content.decode()
    assert browser("mallory").get(address).status_code == 404
