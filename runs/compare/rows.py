"""A comparison as rows: what each run has for a key, if they differ, and how far from the baseline. No database."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs.sections import metrics as sorted_metrics

#: Sections of the table of details, in the order of the page.
SECTIONS = ("attributes", "params", "tags", "inputs", "environment", "configuration", "properties")
STATS = ("last", "min", "max")
#: Columns of runs that are shown at once; of more of them the others are a click away.
WINDOW = 20


@dataclass(frozen=True)
class Facts:
    """A run as a comparison shows it. `colour` is its place in the colours of series, on every page the same."""

    id: str
    number: int
    name: str
    experiment: str
    status: str
    reachable: bool | None
    final: bool
    colour: int
    snapshot: str | None
    git: Mapping[str, Any]
    sections: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    key: str
    values: list[Any]
    #: Not all runs have the same; one without it differs from one that has it. Times always do, and count as none.
    differs: bool
    #: How a page shows the values: text, time or duration.
    kind: str = "text"


@dataclass(frozen=True)
class Delta:
    """How far a value is from the baseline's: `percent` where that is not 0, else the `difference` itself."""

    direction: int
    percent: float | None
    difference: float


@dataclass(frozen=True)
class MetricRow:
    key: str
    stat: str
    system: bool
    values: list[Any]
    differs: bool
    #: Places of the lowest and of the highest value; empty when all are the same.
    lowest: list[int] = field(default_factory=list)
    highest: list[int] = field(default_factory=list)
    deltas: list[Delta | None] = field(default_factory=list)


_TIMES = {"time", "duration"}
_KINDS = {"created": "time", "started": "time", "ended": "time", "duration": "duration", "status": "state"}


def natural(key: str) -> list[tuple[int, int, str]]:
    """Sorts layer2 before layer10."""
    return [
        (0, int(part), "") if part.isascii() and part.isdigit() and len(part) < 19 else (1, 0, part.lower())
        for part in re.split(r"([0-9]+)", key)
    ]


def details(runs: Sequence[Facts]) -> dict[str, list[Row]]:
    """{section: rows} of what is known of each run."""
    return {name: section([run.sections.get(name, {}) for run in runs], name) for name in SECTIONS}


def section(columns: Sequence[Mapping[str, Any]], name: str = "") -> list[Row]:
    """The rows of several mappings side by side: as the first has them for attributes, else by their names."""
    keys = list(dict.fromkeys(key for column in columns for key in column))
    if name != "attributes":
        keys.sort(key=natural)
    rows = []
    for key in keys:
        values = [column.get(key) for column in columns]
        kind = _KINDS.get(key, "text") if name == "attributes" else "text"
        differs = kind not in _TIMES and any(value != values[0] for value in values)
        row = Row(key, values, differs=differs, kind=kind)
        if any(value is not None for value in values):
            rows.append(row)
    return rows


def metric_rows(runs: Sequence[Facts], *, base: int | None, stats: Iterable[str] = STATS) -> list[MetricRow]:
    """A row for each number that was logged and each of `stats`; `base` is the place of the baseline."""
    found = [sorted_metrics(run.metrics) for run in runs]
    rows = []
    for group in ("numbers", "system"):
        keys = sorted({key for one in found for key in one[group]}, key=natural)
        for key in keys:
            for stat in stats:
                values = [(one[group].get(key) or {}).get(stat) for one in found]
                rows.append(_metric_row(key, stat, values, base, system=group == "system"))
    return rows


def _metric_row(key: str, stat: str, values: list[Any], base: int | None, *, system: bool) -> MetricRow:
    numbers = [number(value) for value in values]
    known = [value for value in numbers if value is not None]
    apart = len(set(known)) > 1
    least, most = (min(known), max(known)) if apart else (None, None)
    against = numbers[base] if base is not None else None
    return MetricRow(
        key=key,
        stat=stat,
        system=system,
        values=values,
        differs=any(value != values[0] for value in values),
        lowest=[at for at, value in enumerate(numbers) if apart and value == least],
        highest=[at for at, value in enumerate(numbers) if apart and value == most],
        deltas=[None if at == base else delta(value, against) for at, value in enumerate(numbers)],
    )


def number(value: Any) -> float | None:
    """A value that can be reckoned with; None for what JSON says by name (NaN, Infinity) and for all that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def delta(value: float | None, base: float | None) -> Delta | None:
    if value is None or base is None:
        return None
    difference = value - base
    if not math.isfinite(difference):
        return None
    percent = 100 * difference / abs(base) if base else None
    if percent is not None and not math.isfinite(percent):
        percent = None
    return Delta((difference > 0) - (difference < 0), percent, difference)


def window(count: int, base: int | None, start: int) -> list[int]:
    """The places of the runs whose columns are shown: all of a few, else WINDOW of them from `start`, and the baseline.

    The baseline comes first where it would not be seen otherwise.
    """
    if count <= WINDOW:
        return list(range(count))
    start = max(0, min(start, count - 1))
    shown = list(range(start, min(start + WINDOW, count)))
    return shown if base is None or base in shown else [base, *shown]


def spread(values: Sequence[Any]) -> str:
    """How many different values a row has, for tables that show a part of their columns."""
    return str(len({repr(value) for value in values if value is not None}))
