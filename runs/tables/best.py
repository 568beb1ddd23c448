"""The value of one metric at the step at which another one was best. Read from the series, for the shown runs only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from runs.metrics import store
from runs.metrics.columns import Series, by_step
from runs.metrics.held import series_of
from runs.tables.columns import BEST, Column
from studio.kernel.kept import Kept

#: Points of one series above which no best value is looked for: reading them would hold up the page.
MOST_POINTS = 5_000_000
#: Points that are read together.
AT_ONCE = 500_000
Version = tuple[int, int]
#: By run, column and what the two series held: (step, value), or None where there is none.
_kept: Kept[tuple[str, Column, Version, Version], tuple[tuple[int, float] | None]] = Kept(8 * 1024 * 1024)


def value_at_best(shown: Series, judged: Series, *, highest: bool) -> tuple[int, float] | None:
    """(step, value) of `shown` where `judged` is best: at the first such step, or the last one before it with a value.

    NaN is never best. None where either has no point there.
    """
    present = ~np.isnan(judged.value)
    if not present.any() or not len(shown):
        return None
    values = judged.value[present]
    best = values.max() if highest else values.min()
    step = int(judged.step[present][values == best].min())
    ordered = by_step(shown)
    at = int(np.searchsorted(ordered.step, step, side="right")) - 1
    return None if at < 0 else (step, float(ordered.value[at]))


def best_values(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[Column]
) -> dict[tuple[str, Column], tuple[int, float]]:
    """{(run, column): (step of the best value, value there)}. The caller has found the rows for its actor."""
    asked = [one for one in columns if one.part in BEST]
    found: dict[tuple[str, Column], tuple[int, float]] = {}
    if not asked:
        return found
    rows = list(rows)
    keys = {one.key for one in asked} | {one.of for one in asked}
    versions = {key: store.versions_of([row["id"] for row in rows], key.replace("\0", "")) for key in keys}
    for column in asked:
        lacking = []
        for row in rows:
            pair = versions[column.key].get(row["id"]), versions[column.of].get(row["id"])
            if pair[0] is None or pair[1] is None or max(pair[0][1], pair[1][1]) > MOST_POINTS:
                continue
            known = _kept.get((row["id"], column, pair[0], pair[1]))
            if known is None:
                lacking.append((row["id"], pair[0], pair[1]))
            elif known[0] is not None:
                found[row["id"], column] = known[0]
        for batch in _batches(lacking):
            found |= _read(column, batch)
    return found


def _batches(lacking: Sequence[tuple[str, Version, Version]]) -> Iterable[list[tuple[str, Version, Version]]]:
    """Runs whose points are read together: few where they have many."""
    held: list[tuple[str, Version, Version]] = []
    points = 0
    for one in lacking:
        if held and points + one[1][1] + one[2][1] > AT_ONCE:
            yield held
            held, points = [], 0
        held.append(one)
        points += one[1][1] + one[2][1]
    if held:
        yield held


def _read(column: Column, batch: Sequence[tuple[str, Version, Version]]) -> dict[tuple[str, Column], tuple[int, float]]:
    ids = [run for run, _, _ in batch]
    shown = series_of(ids, column.key)
    judged = shown if column.key == column.of else series_of(ids, column.of)
    found = {}
    for run, of_shown, of_judged in batch:
        value = value_at_best(shown[run].series, judged[run].series, highest=column.part == "at_max")
        if (shown[run].version, judged[run].version) == (of_shown, of_judged):
            _kept.keep((run, column, of_shown, of_judged), (value,), size=400)
        if value is not None:
            found[run, column] = value
    return found
