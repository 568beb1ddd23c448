"""Reading charts: some metrics of many runs at once, over a stretch of an axis, in as many buckets as a chart has room.

What is read depends on what is drawn and not on how long the series is: of a long one the sums that the merge has
left (runs/metrics/pyramid.py), of a short one or a short stretch the points themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from runs.metrics import columns, levels, pyramid
from runs.metrics.levels import Chunk
from runs.metrics.pyramid import Atoms
from runs.models import Run
from runs.queries import visible_runs
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound, Unavailable
from workspace.access import get_workspace
from zaffre.protocol import FINAL_STATES

Axis = Literal["step", "time", "relative"]
AXES: tuple[Axis, ...] = ("step", "time", "relative")
#: Runs of one chart, series of one request, buckets of one series.
MAX_RUNS, MAX_SERIES, MAX_POINTS = 200, 400, 4000
#: Points that are read as they are, whatever summaries there are.
FEW = 20_000
#: Points of one request beyond which the middle level is good enough.
MOST_READ = 400_000
#: Looks at chunks that a merge moves meanwhile.
TRIES = 4
_LIMITS = np.iinfo(np.int64)


@dataclass
class _Series:
    """One line of the chart while it is read."""

    chunks: list[Chunk] = field(default_factory=list)
    atoms: list[Atoms] = field(default_factory=list)
    exact: bool = True


def overlay(
    slug: str,
    run_ids: Sequence[str],
    keys: Sequence[str],
    *,
    actor: Actor,
    points: int = 600,
    axis: Axis = "step",
    first: int | None = None,
    last: int | None = None,
) -> dict[str, Any]:
    """{runs: {run: {seq, origin, running}}, missing: [run], series: {key: {run: line}}}.

    A line is {x, value, count, odd}, with {low, high} where a place stands for several points: then `value` is their
    mean. `x` is a step, milliseconds since 1970, or (relative) since the run began; `first` and `last` are of the same
    kind, both included. `odd` of the `count` points are not finite; such a value is text.
    Raises Invalid for too much at once, and NotFound if the actor sees none of the runs.
    """
    run_ids, keys = _distinct(run_ids, MAX_RUNS, "runs"), _distinct(keys, MAX_SERIES, "metrics")
    if len(run_ids) * len(keys) > MAX_SERIES:
        raise Invalid(
            f"At most {MAX_SERIES} series are read at once: {len(run_ids)} runs x {len(keys)} metrics are more."
        )
    runs = {run.pk: run for run in visible_runs(slug, run_ids, actor=actor)}
    if run_ids and not runs:
        raise NotFound(f"There is no run {run_ids[0][:40]!r} in {slug}.", run=run_ids[0][:40])
    origins = {run_id: int((run.started or run.created).timestamp() * 1000) for run_id, run in runs.items()}
    # First the numbers, then the points: whoever asks for what came after them may be told a point twice, never none.
    seqs = dict.fromkeys(runs, 0) | levels.newest_of(list(runs))
    windows = [(run_id, *_window(axis, origins[run_id], first, last)) for run_id in runs]
    found = _read(windows, keys, points=points, time=axis != "step")
    for (run_id, _), one in found.items():
        seqs[run_id] = max(seqs[run_id], one.chunks[-1].id)
    series: dict[str, dict[str, Any]] = {key: {} for key in keys}
    for run_id, low, high in windows:
        for key in keys:
            one = found.get((run_id, key), _Series())
            series[key][run_id] = _line(one, points, axis, origins[run_id], low, high)
    told = {run_id: _told(run, seqs[run_id], origins[run_id]) for run_id, run in runs.items()}
    return {"runs": told, "missing": [one for one in run_ids if one not in runs], "series": series}


def newest(slug: str, run_ids: Sequence[str], *, actor: Actor) -> dict[str, int]:
    """The number of the newest points of each run that the actor sees."""
    runs = [run.pk for run in visible_runs(slug, run_ids, actor=actor)]
    return dict.fromkeys(runs, 0) | levels.newest_of(runs)


def may_look(slug: str, *, actor: Actor) -> None:
    """Raise unless the actor may see runs of this workspace."""
    get_workspace(slug, actor=actor, action="run.read")


def _distinct(asked: Sequence[str], most: int, what: str) -> list[str]:
    found = list(dict.fromkeys(one.replace("\0", "") for one in asked))
    if len(found) > most:
        raise Invalid(f"At most {most} {what} are read at once, and {len(found)} were asked for.")
    return found


def _told(run: Run, seq: int, origin: int) -> dict[str, Any]:
    return {"seq": seq, "origin": origin, "running": run.status not in FINAL_STATES}


def _window(axis: Axis, origin: int, first: int | None, last: int | None) -> tuple[int | None, int | None]:
    shift = origin if axis == "relative" else 0
    return tuple(None if end is None else min(max(end + shift, _LIMITS.min), _LIMITS.max) for end in (first, last))  # type: ignore[return-value]


def _read(
    windows: Sequence[tuple[str, int | None, int | None]], keys: Sequence[str], *, points: int, time: bool
) -> dict[tuple[str, str], _Series]:
    for _ in range(TRIES):
        found: dict[tuple[str, str], _Series] = {}
        for chunk in levels.chunks_of(windows, keys, time=time):
            found.setdefault((chunk.run, chunk.key), _Series()).chunks.append(chunk)
        if _fill(found, {run: (low, high) for run, low, high in windows}, points=points, time=time):
            return found
    raise Unavailable("The points of these runs are being moved.", hint="Ask again in a moment.")


def _fill(
    found: Mapping[tuple[str, str], _Series],
    windows: Mapping[str, tuple[int | None, int | None]],
    *,
    points: int,
    time: bool,
) -> bool:
    """Read what each series needs; False when a merge has moved it since its chunks were listed."""
    total = sum(chunk.count for one in found.values() for chunk in one.chunks)
    owners: dict[int, tuple[_Series, Chunk, bool]] = {}
    allowed = MOST_READ
    for one in found.values():
        wanted = _levels(one, windows[one.chunks[0].run], points=points, time=time, few=total <= FEW)
        raw = sum(chunk.count for chunk, level in wanted if level == "points" and chunk.summed)
        spare = raw <= allowed
        allowed -= raw if spare else 0
        if tops := [chunk for chunk, level in wanted if level == "one"]:
            one.atoms.append(_as_atoms(tops))
            one.exact = False
        for chunk, level in wanted:
            if level != "one":
                owners[chunk.id] = (one, chunk, not chunk.summed or (level == "points" and spare))
    read = 0
    for id_, count, data in levels.pieces_of([(id_, raw) for id_, (_, _, raw) in sorted(owners.items())]):
        one, chunk, raw = owners[id_]
        if count != chunk.count or data is None:
            return False
        read += 1
        _add(one, chunk, data, raw, windows[chunk.run], time=time, points=points, much=total > MOST_READ)
    return read == len(owners)


def _add(
    one: _Series,
    chunk: Chunk,
    data: bytes | memoryview,
    raw: bool,
    window: tuple[int | None, int | None],
    *,
    time: bool,
    points: int,
    much: bool,
) -> None:
    if not raw:
        atoms = pyramid.unpack(data)
    else:
        whole = columns.unpack(data, chunk.count)
        # What nobody has summed up yet is summed up here when there is much of it, so that it is never held as a whole.
        sums = much and not chunk.summed and chunk.count > 4 * pyramid.SIZE
        atoms = pyramid.summed(whole) if sums else pyramid.of_points(whole)
        raw = not sums
    one.exact = one.exact and raw
    one.atoms.append(_cut(atoms, window, time=time))


def _cut(atoms: Atoms, window: tuple[int | None, int | None], *, time: bool) -> Atoms:
    low, high = window
    if low is None and high is None:
        return atoms
    return pyramid.within(
        atoms, int(_LIMITS.min) if low is None else low, int(_LIMITS.max) if high is None else high, time=time
    )


def _levels(
    one: _Series, window: tuple[int | None, int | None], *, points: int, time: bool, few: bool
) -> list[tuple[Chunk, str]]:
    """Each chunk with the level that is fine enough for `points` buckets: "points", "fine" or "one"."""
    if few:
        return [(chunk, "points") for chunk in one.chunks]
    inside = [(chunk, *_share(chunk, window, time=time)) for chunk in one.chunks]
    per = max(sum(chunk.count * share for chunk, share, _ in inside) / points, 1)
    spans = sum(span for _, share, span in inside)
    whole = _extent(one.chunks, time=time)
    # Series that were logged in another order than that of the axis have chunks that lie across each other: one atom
    # for all of a chunk would then be drawn nowhere near its points.
    crossed = spans > 2 * whole + 2
    found: list[tuple[Chunk, str]] = []
    for chunk, share, _ in inside:
        if not chunk.summed:
            found.append((chunk, "points"))
        elif chunk.count <= 2 * per and share >= 1 and not crossed:
            found.append((chunk, "one"))
        else:
            found.append((chunk, "fine" if 2 * per >= pyramid.SIZE else "points"))
    return found


def _ends(chunk: Chunk, *, time: bool) -> tuple[int, int] | None:
    if not time:
        return chunk.first_step, chunk.last_step
    return None if chunk.first_time is None or chunk.last_time is None else (chunk.first_time, chunk.last_time)


def _share(chunk: Chunk, window: tuple[int | None, int | None], *, time: bool) -> tuple[float, int]:
    """About how much of a chunk lies in the window, and how much of the axis it covers."""
    ends = _ends(chunk, time=time)
    if ends is None:
        return 1.0, 0
    first, last = ends
    low = first if window[0] is None else max(first, window[0])
    high = last if window[1] is None else min(last, window[1])
    return (max(high - low, 0) + 1) / (last - first + 1), last - first


def _extent(chunks: Sequence[Chunk], *, time: bool) -> int:
    ends = [found for chunk in chunks if (found := _ends(chunk, time=time))]
    return max(last for _, last in ends) - min(first for first, _ in ends) if ends else 0


def _as_atoms(chunks: Sequence[Chunk]) -> Atoms:
    def whole(name: str) -> columns.Ints:
        return np.array([getattr(one, name) for one in chunks], np.int64)

    def real(name: str) -> columns.Floats:
        return np.array([getattr(one, name) for one in chunks], np.float64)

    return Atoms(
        whole("first_step"),
        whole("last_step"),
        whole("first_time"),
        whole("last_time"),
        whole("count"),
        whole("odd"),
        real("low"),
        real("high"),
        real("total"),
    )


def _line(one: _Series, points: int, axis: Axis, origin: int, low: int | None, high: int | None) -> dict[str, Any]:
    time = axis != "step"
    atoms = pyramid.joined(one.atoms)
    exact = one.exact and len(atoms) <= points
    atoms = pyramid.buckets(atoms, points, time=time)
    x = pyramid.places(atoms, time=time)
    # A sum that reaches over the edge of the window is drawn at the edge.
    x = x if low is None else np.maximum(x, low)
    x = x if high is None else np.minimum(x, high)
    line = {
        "x": (x - origin if axis == "relative" else x).tolist(),
        "value": columns.plain_list(pyramid.means(atoms)),
        "count": int(atoms.count.sum()),
        "odd": int(atoms.odd.sum()),
    }
    if not exact:
        line["low"] = columns.plain_list(atoms.low)
        line["high"] = columns.plain_list(atoms.high)
    return line
