"""How two texts differ, line by line. Pure thinking, bounded in time whatever the texts are.

Myers' algorithm, as git's; difflib is quadratic and worse for what somebody wrote to be so.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: Lines added and removed, together, up to which lines are matched. Beyond, the middle counts as replaced.
MOST_EDITS = 1200
#: Equal lines that are shown around a change.
AROUND = 3
#: Characters of a line that are shown.
MOST_LINE = 1000

Part = tuple[str, str, str]


@dataclass
class Side:
    """A line of one of the texts: its number from 1 and its text as (before, what differs, after)."""

    number: int
    parts: Part
    kind: str  # "=", "-" or "+"


@dataclass
class Pair:
    """What stands beside each other; None where the other text has nothing."""

    old: Side | None
    new: Side | None


@dataclass
class Hunk:
    """Changes near each other with the lines around them, as `pairs` for two columns and `lines` for one."""

    old_start: int
    new_start: int
    pairs: list[Pair] = field(default_factory=list)

    @property
    def lines(self) -> Iterator[tuple[Side | None, Side | None, Side]]:
        """(old, new, the one that is shown) of each line, what was removed before what was added."""
        removed: list[Side] = []
        added: list[Side] = []
        for pair in self.pairs:
            if pair.old and pair.new and pair.old.kind == "=":
                yield from _flushed(removed, added)
                yield pair.old, pair.new, pair.new
            else:
                removed += [pair.old] if pair.old else []
                added += [pair.new] if pair.new else []
        yield from _flushed(removed, added)


def _flushed(removed: list[Side], added: list[Side]) -> Iterator[tuple[Side | None, Side | None, Side]]:
    for side in removed:
        yield side, None, side
    for side in added:
        yield None, side, side
    removed.clear()
    added.clear()


@dataclass
class TextDiff:
    hunks: list[Hunk]
    added: int
    removed: int
    #: False: too much differs, and the middle is shown as replaced.
    matched: bool = True


def diff(old: Sequence[str], new: Sequence[str], *, around: int = AROUND) -> TextDiff:
    """The hunks between two lists of lines."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    found = _equal(inner_old, inner_new)
    matched = found is not None
    blocks = [(0, 0, head), *((one + head, other + head, size) for one, other, size in _runs(found or []))]
    blocks += [(len(old) - tail, len(new) - tail, tail), (len(old), len(new), 0)]
    changes = list(_changes(blocks))
    return TextDiff(
        _hunks(old, new, changes, around),
        added=sum(to - since for _, _, since, to in changes),
        removed=sum(to - since for since, to, _, _ in changes),
        matched=matched,
    )


def _equal(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]] | None:
    """The places of equal lines in both, ascending; None when more than MOST_EDITS lines differ."""
    if not old or not new:
        return []
    known: dict[str, int] = {}
    a = [known.setdefault(line, len(known)) for line in old]
    b = [known.setdefault(line, len(known)) for line in new]
    trace = _search(a, b)
    if trace is None:
        return None
    x, y = len(a), len(b)
    found: list[tuple[int, int]] = []
    for edits in range(len(trace) - 1, -1, -1):
        before, k = trace[edits], x - y
        if edits:
            down = k == -edits or (k != edits and before[k + edits] < before[k + edits + 2])
            came = k + 1 if down else k - 1
            start_x = before[came + edits + 1]
            start_y = start_x - came
        else:
            start_x = start_y = 0
        while x > start_x and y > start_y:
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = start_x, start_y
    return found[::-1]


def _search(a: Sequence[int], b: Sequence[int]) -> list["array[int]"] | None:
    """For each number of edits how far each diagonal reached before it, from -edits-1 to edits+1."""
    most = min(len(a) + len(b), MOST_EDITS)
    middle = most + 1
    reach = array("i", [0]) * (2 * most + 3)
    trace: list[array[int]] = []
    for edits in range(most + 1):
        trace.append(reach[middle - edits - 1 : middle + edits + 2])
        for k in range(-edits, edits + 1, 2):
            left, right = reach[middle + k - 1], reach[middle + k + 1]
            x = right if k == -edits or (k != edits and left < right) else left + 1
            y = x - k
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            reach[middle + k] = x
            if x >= len(a) and y >= len(b):
                return trace
    return None


def _runs(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Places that follow each other as (old, new, how many)."""
    at = 0
    while at < len(places):
        size = 1
        while at + size < len(places) and places[at + size] == (places[at][0] + size, places[at][1] + size):
            size += 1
        yield (*places[at], size)
        at += size


def _changes(blocks: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """(old from, old to, new from, new to) of what lies between blocks of equal lines."""
    x = y = 0
    for old, new, size in blocks:
        if old > x or new > y:
            yield x, old, y, new
        x, y = old + size, new + size


def _hunks(
    old: Sequence[str], new: Sequence[str], changes: Sequence[tuple[int, int, int, int]], around: int
) -> list[Hunk]:
    found: list[Hunk] = []
    x = y = 0  # what the last hunk has shown already
    for at, (old_from, old_to, new_from, new_to) in enumerate(changes):
        lead = min(around, old_from - x, new_from - y)
        if not found or old_from - x > around:
            found.append(Hunk(old_from - lead + 1, new_from - lead + 1))
        else:
            lead = old_from - x
        hunk = found[-1]
        hunk.pairs += [_same(old, old_from - step, new_from - step) for step in range(lead, 0, -1)]
        hunk.pairs += _changed(old, new, (old_from, old_to, new_from, new_to))
        rest = (changes[at + 1][0] if at + 1 < len(changes) else len(old)) - old_to
        follow = min(rest, around)
        hunk.pairs += [_same(old, old_to + step, new_to + step) for step in range(follow)]
        x, y = old_to + follow, new_to + follow
    return found


def _same(old: Sequence[str], at: int, to: int) -> Pair:
    parts = (old[at][:MOST_LINE], "", "")
    return Pair(Side(at + 1, parts, "="), Side(to + 1, parts, "="))


def _changed(old: Sequence[str], new: Sequence[str], places: tuple[int, int, int, int]) -> Iterator[Pair]:
    old_from, old_to, new_from, new_to = places
    for step in range(max(old_to - old_from, new_to - new_from)):
        one = old[old_from + step] if old_from + step < old_to else None
        other = new[new_from + step] if new_from + step < new_to else None
        before, after = _inside(one, other)
        yield Pair(
            Side(old_from + step + 1, before, "-") if one is not None else None,
            Side(new_from + step + 1, after, "+") if other is not None else None,
        )


def _inside(one: str | None, other: str | None) -> tuple[Part, Part]:
    """Two lines with what differs in them marked; nothing is, when they have little in common."""
    old, new = (one or "")[:MOST_LINE], (other or "")[:MOST_LINE]
    whole = (old, "", ""), (new, "", "")
    if one is None or other is None:
        return whole
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if (head + tail) * 3 < max(len(old), len(new)):
        return whole
    return _cut(old, head, tail), _cut(new, head, tail)


def _cut(text: str, head: int, tail: int) -> Part:
    end = len(text) - tail
    return text[:head], text[head:end], text[end:]
