"""Whole series, kept in memory as they were read: a chart or the next page of a history reads no point again."""

from collections.abc import Sequence
from dataclasses import dataclass

from runs.metrics import columns, store
from runs.metrics.columns import Series
from studio.kernel.kept import Kept

#: Bytes of points that are kept; a point takes 24.
MOST_KEPT = 48 * 1024 * 1024


@dataclass(frozen=True)
class Held:
    """A series in the order of logging. It is shared: take from it, and change nothing."""

    series: Series
    #: (newest chunk, number of points): as long as they are the same, so are the points.
    version: tuple[int, int]


_NONE = Held(columns.EMPTY, (0, 0))
_kept: Kept[tuple[str, str], Held] = Kept(MOST_KEPT)


def series_of(run_ids: Sequence[str], key: str) -> dict[str, Held]:
    """All points of one key by run. The caller has authorised its actor."""
    key = key.replace("\0", "")
    versions = store.versions_of(run_ids, key)
    found: dict[str, Held] = {}
    for run_id, version in versions.items():
        held = _kept.get((run_id, key))
        if held is not None and held.version == version:
            found[run_id] = held
    lacking = [run_id for run_id in versions if run_id not in found]
    if lacking:
        for run_id, held in _read(lacking, key).items():
            found[run_id] = held
            _kept.keep((run_id, key), held, size=24 * len(held.series))
    return {run_id: found.get(run_id, _NONE) for run_id in run_ids}


def _read(run_ids: Sequence[str], key: str) -> dict[str, Held]:
    pieces: dict[str, list[Series]] = {}
    newest: dict[str, int] = {}
    for run_id, data, count, id_ in store.chunks_of(run_ids, key):
        pieces.setdefault(run_id, []).append(columns.unpack(data, count))
        newest[run_id] = id_
    return {run_id: _held(columns.join(found), newest[run_id]) for run_id, found in pieces.items()}


def _held(series: Series, newest: int) -> Held:
    for column in (series.step, series.time, series.value):
        column.setflags(write=False)
    return Held(series, (newest, len(series)))
