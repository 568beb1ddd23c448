"""What stands in the cells of a table of runs. Pure thinking, no database."""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runs.tables.columns import BEST, Column

#: A cell's text; the whole of it is in its title.
LONGEST = 24
_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
Best = Mapping[tuple[str, Column], tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Cell:
    """`kind` says how it is written: number, text, status, time, duration, experiment, run."""

    kind: str
    text: str = ""
    #: What is seen on hover: the exact value.
    title: str = ""
    #: The difference from the baseline's value.
    delta: str = ""


def plain(row: Mapping[str, Any], column: Column, best: Best) -> Any:
    """The value of a column as it is: for files, and for comparing with a baseline's. None where there is none."""
    if column.part in BEST:
        found = best.get((row["id"], column))
        return None if found is None else found[1]
    if column.kind == "metric":
        return _of_summary((row.get("metrics") or {}).get(column.key), column.part)
    if column.kind == "attribute":
        return _duration(row) if column.key == "duration" else row.get(column.key)
    documents = {"param": "params", "tag": "tags", "property": "properties"}
    return (row.get(documents[column.kind]) or {}).get(column.key)


def cells(row: Mapping[str, Any], columns: Sequence[Column], best: Best, baseline: Sequence[Any] = ()) -> list[Cell]:
    """The cells of a row; `baseline` are the values of the run that it is compared with, by column."""
    return [_cell(row, column, best, baseline[at] if at < len(baseline) else None) for at, column in enumerate(columns)]


def version(row: Mapping[str, Any], made: Sequence[Cell]) -> str:
    """A word that changes when what is seen of the row does: a page replaces only such rows."""
    seen = (
        row["name"],
        row["pinned"],
        row["baseline"],
        row["reachable"],
        row["ended"],
        row["children"],
        row["colour"],
        # As tuples, whose texts are made ten times as fast.
        [(one.kind, one.text, one.title, one.delta) for one in made],
    )
    return f"{zlib.crc32(repr(seen).encode('utf-8', 'replace')):08x}"


def short(value: float) -> str:
    """A number with five significant digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else f"{value:.5g}"


def middle(text: str, most: int = LONGEST) -> str:
    """Cut a long text in its middle: the end often is what differs."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[-(most - 1 - head) :]}"


def difference(value: Any, held: Any) -> str:
    """How far a number is from the baseline's: an arrow and per cent, or the plain difference from nothing."""
    given, base = _number(value), _number(held)
    if given is None or base is None or not (math.isfinite(given) and math.isfinite(base)):
        return ""
    step = given - base
    if step == 0:
        return "="
    arrow = "↑" if step > 0 else "↓"
    part = abs(step / base) * 100 if base else math.inf
    return f"{arrow} {part:.1f} %" if 0.05 <= part < 1000 else f"{arrow} {abs(step):.3g}"


def _cell(row: Mapping[str, Any], column: Column, best: Best, held: Any) -> Cell:
    value = plain(row, column, best)
    if column.kind == "metric":
        return _metric(row, column, best, value, held)
    if column.kind == "attribute" and column.key == "duration":
        # It counts by itself: its seconds are no change of the row.
        return Cell("duration", "" if value is None else "1")
    if column.kind == "attribute" and column.key in ("status", "experiment"):
        return Cell(column.key, str(value or ""))
    if value is None:
        return Cell("text")
    if column.kind == "attribute" and column.key in ("created", "started", "ended"):
        return Cell("time", value.isoformat())
    if column.kind == "attribute" and column.key in ("parent", "id"):
        return Cell("run", str(value))
    if column.numeric:
        return Cell("number", short(value))
    text = str(value)
    number = column.kind in ("param", "property", "tag") and _looks_like_number(text)
    cut = middle(text)
    return Cell("number" if number else "text", cut, text[:2000] if cut != text else "")


def _metric(row: Mapping[str, Any], column: Column, best: Best, value: Any, held: Any) -> Cell:
    number = _number(value)
    if value is None or number is None:
        return Cell("number", "" if value is None else str(value))
    title = str(value)
    if column.part in BEST:
        title = f"{value} · {column.of}: {column.part.removeprefix('at_')} @ {best[row['id'], column][0]}"
    delta = "" if row["baseline"] or held is None else difference(value, held)
    if delta and delta != "=":
        title = f"{title} ({number - (_number(held) or 0):+.5g})"
    return Cell("number", short(value) if not isinstance(value, str) else value, title, delta)


def _of_summary(summary: Mapping[str, Any] | None, part: str) -> Any:
    if summary is None or summary.get("kind", "list") not in ("scalar", "list"):
        return None
    latest = summary.get("latest")
    # What filters and the order mean by it, too: the value of the highest step.
    return latest[2] if part == "last" and latest else summary.get(part)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return _NUMBERS.get(value)
    return None if value is None or isinstance(value, bool) else float(value)


def _looks_like_number(text: str) -> bool:
    if len(text) > 40:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _duration(row: Mapping[str, Any]) -> float | None:
    if row["started"] is None:
        return None
    return float(((row["ended"] or row["asked"]) - row["started"]).total_seconds())
