"""How a run's page arranges what the run logged and what is below it. Pure thinking, no database."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zaffre.protocol import SYSTEM_PREFIX

#: Columns of metrics in the tree of child runs.
MOST_COLUMNS = 4
#: Deeper generations are not moved further to the right.
DEEPEST = 8
_NUMBERS = ("scalar", "list")


def metrics(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """{numbers, system, items}: what the model said in numbers, what was sampled of the machine, and all else.

    Series that MLflow's client samples have the same prefix as those of the node.
    """
    numbers = {key: one for key, one in found.items() if one.get("kind", "list") in _NUMBERS}
    return {
        "numbers": {key: one for key, one in numbers.items() if not key.startswith(SYSTEM_PREFIX)},
        "system": {key: one for key, one in numbers.items() if key.startswith(SYSTEM_PREFIX)},
        "items": {key: one for key, one in found.items() if key not in numbers},
    }


def phase(run: Mapping[str, Any]) -> dict[str, Any]:
    """{phase, phase_since}: what the run is at, a step of its node or its state, and since when."""
    now = next((step for step in run["steps"] if step.get("started") and not step.get("ended")), None)
    since = run["queued_at"] if run["status"] == "queued" else run["started"] or run["created"]
    if run["status"] == "running" or now is None:
        return {"phase": run["status"], "phase_since": run["ended"] or since}
    return {"phase": now["name"], "phase_since": now["started"]}


def tree(rows: Iterable[Mapping[str, Any]], root: str) -> list[dict[str, Any]]:
    """The runs below `root` as they are drawn: each after its parent, the oldest first, with its `depth` from 0.

    `rows` as doors show runs. One whose parent is not among them (the page holds a part only) follows at the end.
    """
    by_parent: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_parent.setdefault(row["parent"], []).append(row)
    found: list[dict[str, Any]] = []
    waiting = [(row, 0) for row in reversed(by_parent.pop(root, []))]
    while waiting or by_parent:
        if not waiting:
            waiting = [(row, 1) for row in reversed(by_parent.pop(next(iter(by_parent))))]
        row, depth = waiting.pop()
        found.append({**row, "depth": min(depth, DEEPEST)})
        waiting += [(one, depth + 1) for one in reversed(by_parent.pop(row["id"], []))]
    return found


def rolled_up(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a `tree` with `.below`: how many of all that are below each, by status, in the order of the first met."""
    found: list[dict[str, Any]] = [{**row, "below": {}} for row in rows]
    above: list[dict[str, Any]] = []
    for row in found:
        # Beyond DEEPEST the depth says no more who is below whom: the parent does.
        while above and above[-1]["id"] != row["parent"]:
            above.pop()
        for one in above:
            one["below"][row["status"]] = one["below"].get(row["status"], 0) + 1
        above.append(row)
    return found


def by_status(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many runs there are of each status."""
    return dict(Counter(row["status"] for row in rows))


def with_cells(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows with `.cells`: the last value of each metric that is a column."""
    return [{**row, "cells": [(row["metrics"].get(key) or {}).get("last") for key in columns]} for row in rows]
