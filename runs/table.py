"""Which columns a table of runs shows: what most of its rows have. Pure thinking, no database."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from zaffre.protocol import SYSTEM_PREFIX

MOST_METRICS = 4
MOST_PARAMS = 3


def columns(rows: Iterable[Mapping[str, Any]], field: str, *, most: int) -> list[str]:
    """The keys of `field` (metrics or params) that the most rows use, by name; ties go to the shorter name."""
    # What was sampled of the machine would crowd out what was said of the model.
    used = Counter(key for row in rows for key in (row.get(field) or {}) if not key.startswith(SYSTEM_PREFIX))
    best = sorted(used, key=lambda key: (-used[key], len(key), key))[:most]
    return sorted(best)


def cells(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows with `.cells` (metric values) and `.words` (params), and the names of these columns."""
    metrics = columns(rows, "metrics", most=MOST_METRICS)
    params = columns(rows, "params", most=MOST_PARAMS)
    for row in rows:
        known = row.get("metrics") or {}
        row["cells"] = [(known.get(key) or {}).get("last") for key in metrics]
        row["words"] = [(row.get("params") or {}).get(key) for key in params]
    return {"rows": rows, "metric_columns": metrics, "param_columns": params}
