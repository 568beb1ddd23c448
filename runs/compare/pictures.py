"""Pictures of several runs by what they are called, and by step. No database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from runs.compare.rows import natural
from studio.kernel.downloads import PICTURES

#: Files that are pictures.
PATTERN = rf"\.({'|'.join(sorted({kind[1:] for kind in PICTURES}))})$"
_STEP = re.compile(r"(?:^|[/._-])(?:step|epoch|iter|iteration)?[_=-]?([0-9]{1,12})(?=\.[A-Za-z]+$)", re.IGNORECASE)


@dataclass
class Shelf:
    """One row: pictures of one name. `held` is {run: {step: path}}; a picture without a step has step None."""

    name: str
    held: dict[str, dict[int | None, str]] = field(default_factory=dict)

    @property
    def steps(self) -> list[int]:
        return sorted({step for one in self.held.values() for step in one if step is not None})

    def at(self, run: str, step: int | None) -> tuple[int | None, str] | None:
        """The (step, path) of a run that is shown for a step: that one, else the last one before, else the first."""
        own = self.held.get(run)
        if not own:
            return None
        known = sorted(one for one in own if one is not None)
        if not known:
            return None, own[None]
        before = [one for one in known if step is None or one <= step]
        chosen = before[-1] if before else known[0]
        return chosen, own[chosen]


def shelves(files: Iterable[tuple[str, str]], logged: Iterable[tuple[str, str, int | None, str]]) -> list[Shelf]:
    """Rows of pictures: `files` are (run, path), `logged` are (run, key, step, path) in the order of logging."""
    found: dict[str, Shelf] = {}
    told: set[tuple[str, str]] = set()
    there = set(files := list(files))
    counts: dict[tuple[str, str], int] = {}
    for run, key, step, path in logged:
        if (run, path) not in there:
            continue
        told.add((run, path))
        at = counts[run, key] = counts.get((run, key), -1) + 1
        found.setdefault(key, Shelf(key)).held.setdefault(run, {})[at if step is None else step] = path
    for run, path in files:
        if (run, path) in told:
            continue
        match = _STEP.search(path)
        name = path[: match.start(1)] + "#" + path[match.end(1) :] if match else path
        found.setdefault(name, Shelf(name)).held.setdefault(run, {})[int(match[1]) if match else None] = path
    return sorted(found.values(), key=lambda one: natural(one.name))
