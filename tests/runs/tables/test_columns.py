"""Columns as an address names them, and the value of one metric at the best step of another."""

import numpy as np
import pytest

from runs.filters.cursor import pieces
from runs.metrics.columns import Series
from runs.tables.best import value_at_best
from runs.tables.cells import difference
from runs.tables.columns import Column, parse_columns, parse_groups, parse_sort
from runs.tables.export import safe
from studio.kernel.errors import Invalid


def test_every_kind_of_column_is_read_and_written_the_same():
    text = (
        "status,metrics.loss,min(metrics.a/b),count(metrics.loss),at_max(metrics.`val loss`, metrics.acc),"
        'params.`learning rate`,tags."a`b",properties.x'
    )
    found = parse_columns(text)
    assert found[:3] == (Column("attribute", "status"), Column("metric", "loss"), Column("metric", "a/b", "min"))
    assert found[4] == Column("metric", "val loss", "at_max", "acc")
    assert ",".join(one.text for one in found) == text
    assert parse_columns(" params.a.b , status,status,run_id ") == (
        Column("param", "a.b"),
        Column("attribute", "status"),
        Column("attribute", "id"),
    )
    assert parse_columns("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "metrics.",
        "metrics.a,,metrics.b",
        "nothing",
        "datasets.name",
        "min(params.a)",
        "at_min(metrics.a)",
        "max(metrics.a, metrics.b)",
        "drop(metrics.a)",
        "metrics.`a\0b`",
        "metrics.`a\nb`",
        "metrics." + "x" * 251,
        ",".join(f"metrics.m{at}" for at in range(61)),
        "(" * 4000,
        "x" * 8001,
    ],
)
def test_what_is_no_column_is_refused(text):
    with pytest.raises(Invalid) as refused:
        parse_columns(text)
    assert refused.value.code == "bad_columns"


def test_an_order_is_of_one_column_that_the_database_knows():
    assert parse_sort("metrics.loss DESC").descending is True
    assert parse_sort("params.`a desc`").column == Column("param", "a desc")
    assert parse_sort("") is None
    for text in ("metrics.a,metrics.b", "at_min(metrics.a, metrics.b)"):
        with pytest.raises(Invalid):
            parse_sort(text)
    for text in ("metrics.a", "created", "params.a,params.b,params.c,params.d,params.e"):
        with pytest.raises(Invalid):
            parse_groups(text)


def series(*points: tuple[int, float]) -> Series:
    steps, values = zip(*points, strict=True) if points else ((), ())
    return Series(np.array(steps, np.int64), np.zeros(len(steps), np.int64), np.array(values, np.float64))


def test_the_value_at_the_best_step_of_another():
    loss = series((0, 3.0), (1, 1.0), (2, 2.0), (3, 1.0), (4, float("nan")))
    accuracy = series((2, 0.7), (0, 0.1), (1, 0.5), (3, 0.9))
    assert value_at_best(accuracy, loss, highest=False) == (1, 0.5)  # the first of two equal ones
    assert value_at_best(accuracy, loss, highest=True) == (0, 0.1)
    rare = series((0, 0.2), (4, 0.8))
    assert value_at_best(rare, loss, highest=False) == (1, 0.2)  # the last one before it
    assert value_at_best(series((2, 1.0)), loss, highest=False) is None  # nothing was logged yet
    assert value_at_best(accuracy, series((0, float("nan"))), highest=True) is None
    assert value_at_best(series(), loss, highest=True) is None


def test_a_difference_has_an_arrow_and_a_part():
    assert difference(1.1, 1.0) == "↑ 10.0 %"
    assert difference(0.5, 1.0) == "↓ 50.0 %"
    assert difference(2, 2) == "="
    assert difference(3.0, 0.0) == "↑ 3"
    assert difference(1.00001, 1.0) == "↑ 1e-05"
    assert difference("NaN", 1.0) == difference(1.0, None) == difference(1.0, "Infinity") == ""


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "\t=1", "\r=1"])
def test_no_spreadsheet_runs_what_was_logged(text):
    assert safe(text) == f"'{text}"
    assert (safe("-1e-3"), safe("+5"), safe("a=b"), safe(-1.5), safe(None)) == ("-1e-3", "+5", "a=b", -1.5, None)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a = 1 and b = 2 AND not c", ["a = 1", "b = 2", "not c"]),
        ("name = 'x and y' and (a = 1 and b = 2 or c = 3)", ["name = 'x and y'", "(a = 1 and b = 2 or c = 3)"]),
        ("a = 1 and b = 2 or c = 3", ["a = 1 and b = 2 or c = 3"]),
        ("params.`this and that` = 1", ["params.`this and that` = 1"]),
        ("", []),
    ],
)
def test_the_parts_of_a_filter_are_what_and_joins(text, parts):
    assert pieces(text) == parts
