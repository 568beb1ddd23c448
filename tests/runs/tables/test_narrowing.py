"""What the head of a column writes into a filter, and reads from it."""

import pytest

from runs.filters import parse_tree
from runs.tables.columns import Column, parse_columns
from runs.tables.narrowing import Choice, fields_of, narrowed, split, way_of
from studio.kernel.errors import Invalid

MODEL = Column("param", "model")
LOSS = Column("metric", "loss")


def column(text: str) -> Column:
    return parse_columns(text)[0]


@pytest.mark.parametrize(
    ("before", "named", "choice", "after"),
    [
        ("", "params.model", Choice(values=("mlp",)), "params.model = 'mlp'"),
        ("", "params.model", Choice(values=("mlp", "cnn")), "params.model in ('mlp', 'cnn')"),
        (
            "",
            "params.`my key`",
            Choice(values=("it's", None)),
            "(params.`my key` = 'it''s' or params.`my key` is null)",
        ),
        ("", "tags.team", Choice(values=(None,)), "tags.team is null"),
        ("", "metrics.loss", Choice(low="0.50", high="2e3"), "metrics.loss >= 0.5 and metrics.loss <= 2000"),
        ("", "duration", Choice(low="90"), "duration >= 90"),
        ("", "created", Choice(low="2026-11-01", high="2026-11-03"), "created >= 2026-11-01 and created <= 2026-11-03"),
        ("", "name", Choice(part="Ant"), "name ilike '%Ant%'"),
        ("", "status", Choice(values=("failed", "running")), "status in ('failed', 'running')"),
        ("metrics.loss > 3", "params.model", Choice(values=("a",)), "metrics.loss > 3 and params.model = 'a'"),
        ("ant or bee", "params.model", Choice(values=("a",)), "(ant or bee) and params.model = 'a'"),
        ("(ant or bee)", "params.model", Choice(values=("a",)), "(ant or bee) and params.model = 'a'"),
        ("(ant) or (bee)", "params.model", Choice(values=("a",)), "((ant) or (bee)) and params.model = 'a'"),
    ],
)
def test_a_choice_is_written_read_back_and_taken_away(before, named, choice, after):
    text = narrowed(before, column(named), choice)
    assert text == after
    assert parse_tree(text) is not None
    read, rest = split(text, column(named))
    assert narrowed("", column(named), read) == narrowed("", column(named), choice)
    assert fields_of(text, [column(named), Column("attribute", "kind")]) == {column(named)}
    assert narrowed(text, column(named), Choice()) == " and ".join(rest)


def test_a_choice_takes_the_place_of_the_one_before_and_leaves_what_others_wrote():
    text = "bee and metrics.loss >= 1 and params.model != 'x' and metrics.loss <= 4"
    assert narrowed(text, LOSS, Choice(low="2")) == "bee and params.model != 'x' and metrics.loss >= 2"
    # What no head writes stays as it is, also when it is of the same column.
    for other in ("metrics.loss > 1", "not metrics.loss >= 1", "metrics.loss = 1", "metrics.loss in (1, 2)"):
        assert split(other, LOSS) == (Choice(), [other])
    assert split("created >= -7d", Column("attribute", "created")) == (Choice(), ["created >= -7d"])
    assert split("model = 'x' or params.model = 'y'".removeprefix("model = 'x' or "), MODEL)[0].values == ("y",)
    assert split("params.model = 'x' or params.lr = 'y'", MODEL)[0] == Choice()


def test_how_a_head_narrows():
    wanted = {
        "metrics.loss": "number",
        "min(metrics.loss)": "",
        "params.lr": "set",
        "status": "set",
        "user": "set",
        "created": "day",
        "duration": "number",
        "exit_code": "number",
        "description": "text",
        "id": "text",
    }
    assert {one: way_of(column(one)) for one in wanted} == wanted


@pytest.mark.parametrize(
    ("named", "low"), [("metrics.loss", "much"), ("metrics.loss", "nan"), ("created", "yesterday")]
)
def test_an_end_that_cannot_be_meant_is_refused(named, low):
    with pytest.raises(Invalid):
        narrowed("", column(named), Choice(low=low))
