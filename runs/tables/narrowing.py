"""What the head of a column leaves of the runs: read from the text of a filter, and written into it. No database.

There is one language of filters and the box shows all of it, so a head keeps nothing of its own: a choice is parts of
the filter that `and` joins, such as `params.model in ('mlp', 'cnn')` or `metrics.loss >= 0.1 and metrics.loss <= 2`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from django.utils.translation import gettext

from runs.filters import Comparison, Field, Or, Span, Tree, parse_tree
from runs.filters.cursor import pieces, quoted, quoted_key
from runs.filters.words import PLURALS, RUN_ATTRIBUTES, values_of
from runs.tables.columns import GROUPED, Column
from studio.kernel.errors import Invalid

_DAY = 86_400_000


@dataclass(frozen=True)
class Choice:
    """Which runs a head leaves: those with one of `values` (None: those without any), between `low` and `high`.

    The ends count too; of moments they are days in UTC. `part`: the text contains it, in any case.
    """

    values: tuple[str | None, ...] = ()
    low: str = ""
    high: str = ""
    part: str = ""

    def __bool__(self) -> bool:
        return self != Choice()


def way_of(column: Column) -> str:
    """How a head narrows: set, number, day or text; "" where the language of filters has no word for the column."""
    if column.kind == "metric":
        return "number" if column.part == "last" and quoted_key(column.key) else ""
    if column.kind != "attribute":
        # What its values are is known from the values.
        return "set" if quoted_key(column.key) else ""
    if column.key == "status" or column.key in GROUPED:
        return "set"
    found = values_of("attribute", column.key, RUN_ATTRIBUTES)
    return {"time": "day", "number": "number", "length": "number"}.get(found, "text")


def split(text: str, column: Column) -> tuple[Choice, list[str]]:
    """What a filter says of the column as its head would, and the other parts of the filter.

    Raises Invalid `bad_filter`.
    """
    choice, rest = Choice(), []
    for piece in pieces(text):
        told = _read(parse_tree(piece), Field(column.kind, column.key))
        taken = {name for name in ("values", "low", "high", "part") if getattr(choice, name)}
        if told is None or taken & set(told):
            rest.append(piece)
        else:
            choice = replace(choice, **told)
    return choice, rest


def narrowed(text: str, column: Column, choice: Choice) -> str:
    """The filter with this choice instead of the one that it has for the column.

    Raises Invalid `bad_filter`, and for an end that is no number or no day.
    """
    _, rest = split(text, column)
    wanted = _written(column, choice)
    if wanted and len(rest) == 1 and isinstance(parse_tree(rest[0]), Or) and not _enclosed(rest[0]):
        rest = [f"({rest[0]})"]
    return " and ".join([*rest, *wanted])


def fields_of(text: str, columns: Iterable[Column]) -> set[Column]:
    """Those of the columns that the filter narrows by their heads. Raises Invalid `bad_filter`."""
    trees = [parse_tree(piece) for piece in pieces(text)]
    return {one for one in columns if any(_read(tree, Field(one.kind, one.key)) is not None for tree in trees)}


def name_of(column: Column) -> str:
    """As a filter names it."""
    return column.key if column.kind == "attribute" else f"{PLURALS[column.kind]}.{quoted_key(column.key)}"


def _read(tree: Tree | None, field: Field) -> dict[str, Any] | None:
    """The one thing that a part of a filter says of the field, None for what no head writes."""
    if isinstance(tree, Or):
        found = [_read(part, field) for part in tree.parts]
        if all(one is not None and set(one) == {"values"} for one in found):
            return {"values": tuple(value for one in found if one for value in one["values"])}
        return None
    if not isinstance(tree, Comparison) or tree.field != field:
        return None
    op, value = tree.op, tree.value
    if op == "IS NULL":
        return {"values": (None,)}
    if op in ("=", "IN"):
        values = value if isinstance(value, tuple) else (value,)
        return {"values": values} if all(isinstance(one, str) for one in values) else None
    if op in (">=", "<="):
        end = _end(value)
        return None if end is None else {"low" if op == ">=" else "high": end}
    if op == "ILIKE" and isinstance(value, str) and value[:1] == value[-1:] == "%" and len(value) > 2:
        return {"part": value[1:-1]}
    return None


def _end(value: object) -> str | None:
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, Span) and value.end - value.begin == _DAY and value.begin % _DAY == 0:
        return datetime.fromtimestamp(value.begin / 1000, UTC).date().isoformat()
    return None


def _plain(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _written(column: Column, choice: Choice) -> list[str]:
    name, way, found = name_of(column), way_of(column), []
    if choice.values:
        found.append(_one_of(name, choice.values))
    for op, end in ((">=", choice.low), ("<=", choice.high)):
        if end:
            found.append(f"{name} {op} {_day(end) if way == 'day' else _number(end)}")
    if choice.part:
        found.append(f"{name} ilike {quoted(f'%{choice.part}%')}")
    return found


def _one_of(name: str, values: Sequence[str | None]) -> str:
    said = [quoted(value) for value in dict.fromkeys(values) if value is not None]
    parts = [f"{name} in ({', '.join(said)})" if len(said) > 1 else f"{name} = {said[0]}"] if said else []
    if None in values:
        parts.append(f"{name} is null")
    return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"


def _number(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise Invalid(gettext("%(text)s is no number.") % {"text": repr(text[:40])}, field="low")
    return _plain(value)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text if len(text) == 10 else "").isoformat()
    except ValueError:
        raise Invalid(
            gettext("%(text)s is no day such as 2026-11-01.") % {"text": repr(text[:40])}, field="low"
        ) from None


def _enclosed(text: str) -> bool:
    """Whether one pair of parentheses is around all of it."""
    depth = 0
    for at, one in enumerate(text):
        depth += {"(": 1, ")": -1}.get(one, 0)
        if depth == 0:
            return at == len(text) - 1 and text[0] == "("
    return False
