"""A long series in fewer numbers: atoms, each the sum of some points, and buckets made of atoms. Pure, over numpy.

An atom says of its points the first and the last step and time, the lowest, the highest and the sum of the values that
are finite, how many points there are and how many of them are not finite. So whatever is added up later, no spike is
lost. Of a chunk of 10 000 points there are three levels: one atom, `SIZE` points an atom, and its points.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from runs.metrics import columns
from runs.metrics.columns import Floats, Ints, Series

#: Points of one atom of the middle level.
SIZE = 64
_WHOLE, _REAL = "<i8", "<f8"


@dataclass
class Atoms:
    """Columns of atoms. `low` and `high` of an atom without a finite value are what never wins: +inf and -inf."""

    first_step: Ints
    last_step: Ints
    first_time: Ints
    last_time: Ints
    count: Ints
    odd: Ints
    low: Floats
    high: Floats
    total: Floats

    def __len__(self) -> int:
        return len(self.count)

    def span(self, *, time: bool) -> tuple[Ints, Ints]:
        """First and last of the axis."""
        return (self.first_time, self.last_time) if time else (self.first_step, self.last_step)

    def take(self, chosen: object) -> "Atoms":
        return Atoms(*(getattr(self, one.name)[chosen] for one in fields(self)))


_REALS = ("low", "high", "total")


def of_points(series: Series) -> Atoms:
    """One atom a point, in the order of the series."""
    fit = np.isfinite(series.value)
    value = np.where(fit, series.value, 0.0)
    one = np.ones(len(series), np.int64)
    low, high = np.where(fit, value, np.inf), np.where(fit, value, -np.inf)
    return Atoms(series.step, series.step, series.time, series.time, one, (~fit).astype(np.int64), low, high, value)


def joined(pieces: Iterable[Atoms]) -> Atoms:
    found = list(pieces) or [of_points(columns.EMPTY)]
    return Atoms(*(np.concatenate([getattr(piece, one.name) for piece in found]) for one in fields(Atoms)))


def grouped(atoms: Atoms, starts: Ints) -> Atoms:
    """One atom for each stretch that begins at `starts` (growing, the first is 0)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return Atoms(
            np.minimum.reduceat(atoms.first_step, starts),
            np.maximum.reduceat(atoms.last_step, starts),
            np.minimum.reduceat(atoms.first_time, starts),
            np.maximum.reduceat(atoms.last_time, starts),
            np.add.reduceat(atoms.count, starts),
            np.add.reduceat(atoms.odd, starts),
            np.minimum.reduceat(atoms.low, starts),
            np.maximum.reduceat(atoms.high, starts),
            np.add.reduceat(atoms.total, starts),
        )


def summed(series: Series) -> Atoms:
    """The middle level of a chunk: sorted by step, SIZE points an atom."""
    atoms = of_points(columns.by_step(series))
    return grouped(atoms, np.arange(0, len(atoms), SIZE)) if len(atoms) else atoms


def whole(atoms: Atoms) -> Atoms:
    """The top level: all in one atom."""
    return grouped(atoms, np.zeros(1, np.int64))


def pack(atoms: Atoms) -> bytes:
    """The stored form: nine little-endian columns, whole numbers as int64 and the others as float64."""
    kinds = ((one.name, _REAL if one.name in _REALS else _WHOLE) for one in fields(Atoms))
    return b"".join(getattr(atoms, name).astype(kind).tobytes() for name, kind in kinds)


def unpack(data: bytes | memoryview) -> Atoms:
    names = [one.name for one in fields(Atoms)]
    count = len(data) // (8 * len(names))
    kinds = (_REAL if name in _REALS else _WHOLE for name in names)
    return Atoms(*(np.frombuffer(data, kind, count, 8 * count * at) for at, kind in enumerate(kinds)))


def within(atoms: Atoms, low: int, high: int, *, time: bool) -> Atoms:
    """Those that touch [low, high] of the axis."""
    first, last = atoms.span(time=time)
    inside = (last >= low) & (first <= high)
    return atoms if bool(inside.all()) else atoms.take(inside)


def buckets(atoms: Atoms, most: int, *, time: bool) -> Atoms:
    """At most `most` atoms in the order of the axis, of about as many points each.

    As many points and not as much of the axis: a single step far away must not push all others into one bucket.
    """
    first, last = atoms.span(time=time)
    # Not (first + last) / 2, which overflows at the ends of 64 bits.
    middle = first + (last // 2 - first // 2)
    if len(atoms) > 1 and not bool(np.all(middle[1:] >= middle[:-1])):
        atoms = atoms.take(np.argsort(middle, kind="stable"))
    if len(atoms) <= most:
        return atoms
    end = np.cumsum(atoms.count)
    group = ((end - 1) * most) // max(int(end[-1]), 1)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return grouped(atoms, starts)


def places(atoms: Atoms, *, time: bool) -> Ints:
    """Where each bucket is drawn: its middle, and the two ends of the series at their own places."""
    first, last = atoms.span(time=time)
    found = first + (last // 2 - first // 2)
    if len(found):
        found[0], found[-1] = first[0], last[-1]
    return found


def means(atoms: Atoms) -> Floats:
    """The mean of the finite values; NaN where there is none."""
    fit = atoms.count - atoms.odd
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.where(fit > 0, atoms.total / np.maximum(fit, 1), np.nan)
