"""The rows of a comparison as its pages show them: a window of columns, labels, and words for differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from runs.compare import rows
from runs.compare.rows import Delta, Facts, MetricRow, Row

LABELS: dict[str, str | Promise] = {
    "attributes": _("Run"),
    "params": _("Parameters"),
    "tags": _("Tags"),
    "inputs": _("Inputs"),
    "environment": _("Environment"),
    "configuration": _("Configuration"),
    "properties": _("Properties"),
}
ATTRIBUTES: dict[str, str | Promise] = {
    "status": _("Status"),
    "reason": _("Reason"),
    "exit_code": _("Exit code"),
    "experiment": _("Experiment"),
    "submitted_by": _("Submitted by"),
    "created": _("Created"),
    "started": _("Started"),
    "ended": _("Ended"),
    "duration": _("Duration"),
    "compute": _("Compute"),
    "attempt": _("Attempt"),
    "snapshot": _("Snapshot"),
    "git_branch": _("Git branch"),
    "git_commit": _("Git commit"),
    "git_changed": _("Changed since the commit"),
    "git_remote": _("Git remote"),
    "description": _("Description"),
}
STATS: dict[str, str | Promise] = {"last": _("last"), "min": _("lowest"), "max": _("highest")}
#: Characters of a value that its title has; the cell shows fewer.
MOST_TITLE = 2000


def columns(runs: Sequence[Facts], base: int | None, start: int) -> list[dict[str, Any]]:
    """The runs whose columns are shown, with their places."""
    return [{"at": at, "run": runs[at], "base": at == base} for at in rows.window(len(runs), base, start)]


def sections(found: Mapping[str, Sequence[Row]], places: Sequence[int], base: int | None) -> list[dict[str, Any]]:
    """What is known of each run, section by section; those without rows are left out."""
    return [
        {"name": name, "label": LABELS.get(name, name), "rows": [_row(one, places, base, name) for one in found[name]]}
        for name in found
        if found[name]
    ]


def _row(row: Row, places: Sequence[int], base: int | None, section: str) -> dict[str, Any]:
    against = row.values[base] if base is not None else None
    label = ATTRIBUTES.get(row.key, row.key) if section == "attributes" else row.key
    return {
        "key": row.key,
        "label": label,
        "kind": row.kind,
        "differs": row.differs,
        "spread": rows.spread(row.values),
        "cells": [_cell(row.values[at], row.kind, other=row.differs and row.values[at] != against) for at in places],
    }


def _cell(value: Any, kind: str, *, other: bool) -> dict[str, Any]:
    if kind == "duration" and value is not None:
        value = clock(value)
    text = "" if value is None else str(value)
    return {"value": value, "text": text[:MOST_TITLE], "none": value is None, "other": other}


def clock(seconds: float) -> str:
    """As <for-time> writes it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    hours, rest = divmod(int(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def metric_table(found: Sequence[MetricRow], places: Sequence[int]) -> list[dict[str, Any]]:
    """[{label, rows}] of the numbers of the model and of those of the machine."""
    groups = [(_("Metrics"), [one for one in found if not one.system])]
    groups.append((_("System"), [one for one in found if one.system]))
    return [{"label": label, "rows": [_metric(one, places) for one in some]} for label, some in groups if some]


def _metric(row: MetricRow, places: Sequence[int]) -> dict[str, Any]:
    lowest, highest = set(row.lowest), set(row.highest)
    cells = [
        {
            "value": row.values[at],
            "mark": "low" if at in lowest else "high" if at in highest else "",
            "delta": delta_words(row.deltas[at]),
        }
        for at in places
    ]
    return {
        "key": row.key,
        "stat": STATS[row.stat],
        "differs": row.differs,
        "spread": rows.spread(row.values),
        "cells": cells,
    }


def delta_words(delta: Delta | None) -> str:
    """↑ 3.2 %, ↓ 0.01 where the baseline is 0, = where nothing differs; empty where it cannot be said."""
    if delta is None:
        return ""
    if not delta.direction:
        return "="
    arrow = "↑" if delta.direction > 0 else "↓"
    if delta.percent is None:
        return f"{arrow} {abs(delta.difference):.3g}"
    size = abs(delta.percent)
    return f"{arrow} {size:.0f} %" if 100 <= size < 1e6 else f"{arrow} {size:.3g} %"
