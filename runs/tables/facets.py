"""What the head of a column offers: the values that the runs have there, how many of them, and between which ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Max, Min
from django.utils.translation import gettext as _

from runs.filters.words import STATES
from runs.search import look
from runs.search_sql import MOMENTS
from runs.tables.columns import Column
from runs.tables.finding import Place, chosen, number_of, value_in
from runs.tables.forms import Asked
from runs.tables.narrowing import Choice, split, way_of
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid

#: Values that are offered; of a column with more of them the most frequent ones.
MOST_VALUES = 40


@dataclass(frozen=True)
class Value:
    #: None: the runs without any.
    text: str | None
    #: None: it is chosen, and no run has it.
    count: int | None
    chosen: bool


@dataclass(frozen=True)
class Facet:
    """`ways`: set, number, day, text, those that the head offers."""

    ways: tuple[str, ...]
    choice: Choice
    values: Sequence[Value] = ()
    #: There are more values than these.
    more: bool = False
    low: str = ""
    high: str = ""


def facet(place: Place, asked: Asked, column: Column, *, actor: Actor) -> Facet:
    """What a head offers of the runs that all other parts of the filter leave.

    Raises Invalid for a column that no filter names, and `bad_filter`.
    """
    way = way_of(column)
    if not way:
        raise Invalid(_("The runs cannot be filtered by this column."), field="column")
    choice, rest = split(asked.filter, column)
    rows, tree = chosen(place, replace(asked, filter=" and ".join(rest)), actor=actor)
    if way == "text":
        return Facet((way,), choice)
    if way == "set":
        return _set(rows, tree, column, choice)
    value = MOMENTS[column.key] if way == "day" else number_of(column)
    ends = look(tree, lambda: rows.aggregate(low=Min(value), high=Max(value)))
    return Facet((way,), choice, low=_end(ends["low"]), high=_end(ends["high"]))


def _set(rows: Any, tree: Any, column: Column, choice: Choice) -> Facet:
    counted = rows.order_by().annotate(found=value_in(column)).values_list("found").annotate(runs=Count("pk"))
    found = look(tree, lambda: list(counted.order_by("-runs", "found")[: MOST_VALUES + 1]))
    counts = {None if value is None else str(value): count for value, count in found[:MOST_VALUES]}
    if column.key == "status" and column.kind == "attribute":
        counts = {state: counts.get(state, 0) for state in STATES if state in counts}
    chosen_too = [value for value in choice.values if value not in counts]
    values = [Value(text, counts.get(text), text in choice.values) for text in (*counts, *chosen_too)]
    numbers = _numbers([text for text in counts if text is not None])
    ways: tuple[str, ...] = ("set",)
    if column.kind != "attribute" and (numbers or choice.low or choice.high):
        ways = ("set", "number")
    elif column.kind != "attribute" or choice.part:
        ways = ("set", "text")
    low, high = (str(min(numbers)), str(max(numbers))) if numbers and len(found) <= MOST_VALUES else ("", "")
    return Facet(ways, choice, values, more=len(found) > MOST_VALUES, low=low, high=high)


def _numbers(texts: Sequence[str]) -> list[float]:
    """The texts as numbers, none when one of them is none."""
    try:
        return [float(one) for one in texts]
    except ValueError:
        return []


def _end(value: Any) -> str:
    if value is None:
        return ""
    return value.astimezone(UTC).date().isoformat() if isinstance(value, datetime) else f"{value:.5g}"
