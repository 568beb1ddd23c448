"""Series as columns: packing, merging, summing up and thinning. Pure functions over numpy arrays."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST = float(np.finfo(np.float64).max)


@dataclass
class Series:
    """Points in the order in which they were logged, or sorted by step when a query says so."""

    step: Ints
    time: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.step)

    def take(self, chosen: Any) -> "Series":
        return Series(self.step[chosen], self.time[chosen], self.value[chosen])


EMPTY = Series(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def pack(series: Series) -> bytes:
    """The stored form: little-endian columns step int64, time int64, value float64."""
    return b"".join(
        (series.step.astype("<i8").tobytes(), series.time.astype("<i8").tobytes(), series.value.astype("<f8").tobytes())
    )


def unpack(data: bytes | memoryview, count: int) -> Series:
    """The columns of a stored chunk, without copying them."""
    return Series(
        np.frombuffer(data, "<i8", count),
        np.frombuffer(data, "<i8", count, 8 * count),
        np.frombuffer(data, "<f8", count, 16 * count),
    )


def pack_parts(parts: Sequence[tuple[int, int]]) -> bytes:
    """Which chunk ids a merged chunk holds and how many points of each, in their order."""
    return np.array([*(id_ for id_, _ in parts), *(count for _, count in parts)], "<i8").tobytes()


def unpack_parts(data: bytes | memoryview) -> list[tuple[int, int]]:
    both = np.frombuffer(data, "<i8")
    half = len(both) // 2
    return list(zip(both[:half].tolist(), both[half:].tolist(), strict=True))


def known_points(parts: Sequence[tuple[int, int]], since: int) -> int:
    """How many points at the front of a merged chunk a watcher already has who has seen `since`."""
    return sum(count for id_, count in parts if id_ <= since)


def join(pieces: Iterable[Series]) -> Series:
    """One series out of its pieces, in their order."""
    all_pieces = list(pieces)
    if not all_pieces:
        return EMPTY
    return Series(
        np.concatenate([piece.step for piece in all_pieces]),
        np.concatenate([piece.time for piece in all_pieces]),
        np.concatenate([piece.value for piece in all_pieces]),
    )


def by_step(series: Series) -> Series:
    """Sorted by step; points of one step stay in the order in which they were logged."""
    if len(series) < 2 or bool(np.all(series.step[1:] >= series.step[:-1])):
        return series
    return series.take(np.argsort(series.step, kind="stable"))


def thin(series: Series, points: int) -> Series:
    """At most about `points` points that look the same: extremes stay, and so do the places of NaN.

    MinMaxLTTB chooses; the lowest and the highest value of all are added in case it did not. A
    NaN draws a gap, so the first point of each stretch of NaN is kept too (a tenth of `points` at most).
    """
    if len(series) <= points:
        return series
    missing = np.isnan(series.value)
    present = np.flatnonzero(~missing)
    chosen = present
    if len(present) > points:
        # Infinities would make every triangle infinite; drawn as the largest number they stay extremes.
        value = np.clip(series.value[present], -_LARGEST / 4, _LARGEST / 4)
        position = np.arange(len(present), dtype=np.int64)
        picked = MinMaxLTTBDownsampler().downsample(position, np.ascontiguousarray(value), n_out=max(points, 4))
        extremes = np.array([0, len(present) - 1, int(np.argmin(value)), int(np.argmax(value))])
        chosen = present[np.union1d(picked.astype(np.int64), extremes)]
    gaps = np.flatnonzero(missing & ~np.concatenate(([False], missing[:-1])))
    most = max(points // 10, 1)
    if len(gaps) > most:
        gaps = gaps[np.linspace(0, len(gaps) - 1, most).astype(np.int64)]
    return series.take(np.union1d(chosen, gaps))


def plain(value: float) -> float | str:
    """A number as JSON can say it: NaN and infinities by name."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def plain_list(values: Floats) -> list[float | str]:
    """A column as JSON can say it."""
    if bool(np.isfinite(values).all()):
        return values.tolist()
    return [plain(value) for value in values.tolist()]


def number(value: float | str) -> float:
    """The opposite of `plain`. Raises KeyError for a word that is not one of the three."""
    return _NAMES[value] if isinstance(value, str) else float(value)


def summed_up(before: dict[str, Any] | None, new: Series) -> dict[str, Any]:
    """The summary {kind, last, last_step, latest, min, max, count} after `new` points were logged.

    `last` is the point logged last, whatever its step; `latest` is [step, time, value] of the highest step, which
    is another one where points come out of order. NaN counts as a point, but is neither least nor most.
    """
    present = new.value[~np.isnan(new.value)]
    lows = [float(present.min())] if len(present) else []
    highs = [float(present.max())] if len(present) else []
    count = len(new)
    if before:
        count += before["count"]
        lows += [number(before["min"])] if before["min"] is not None else []
        highs += [number(before["max"])] if before["max"] is not None else []
    return {
        "kind": "scalar" if count == 1 else "list",
        "last": plain(float(new.value[-1])),
        "last_step": int(new.step[-1]),
        "latest": _latest(before, new),
        "min": plain(min(lows)) if lows else None,
        "max": plain(max(highs)) if highs else None,
        "count": count,
    }


def _latest(before: dict[str, Any] | None, new: Series) -> list[Any]:
    """Of the points with the highest step those of the latest time, of these the highest value."""
    at = int(np.lexsort((new.value, new.time, new.step))[-1]) if len(new) > 1 else 0
    step, time, value = int(new.step[at]), int(new.time[at]), float(new.value[at])
    held = before.get("latest") if before else None
    if held and (held[0], held[1], number(held[2])) > (step, time, value):
        return list(held)
    return [step, time, plain(value)]
