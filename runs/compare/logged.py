"""Tables that runs logged under one name, as one table in which each row says whose it is. No database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runs.compare.rows import natural

#: Rows of one merged table, and its columns.
MOST_ROWS, MOST_COLUMNS = 400, 40
#: Characters of a cell.
LONGEST = 400


@dataclass(frozen=True)
class Line:
    run: str
    step: int | None
    #: In the order of the table's columns; None where the run's table has no such column.
    cells: list[str | None]


@dataclass
class Merged:
    name: str
    columns: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    #: Rows and columns that are not shown.
    cut: int = 0
    narrowed: bool = False

    @property
    def steps(self) -> list[int]:
        return sorted({line.step for line in self.lines if line.step is not None})


def merged(items: Iterable[tuple[str, str, int | None, Any]]) -> list[Merged]:
    """Tables by name: `items` are (run, name, step, {column: [cell]}) in the order in which rows shall stand.

    A value that is no such thing is left out.
    """
    found: dict[str, Merged] = {}
    for run, name, step, value in items:
        if not isinstance(value, dict) or not all(isinstance(cells, list) for cells in value.values()):
            continue
        table = found.setdefault(name, Merged(name))
        new = [column for column in value if column not in table.columns]
        table.narrowed = table.narrowed or len(table.columns) + len(new) > MOST_COLUMNS
        table.columns += new[: MOST_COLUMNS - len(table.columns)]
        for at in range(max(map(len, value.values()), default=0)):
            if len(table.lines) >= MOST_ROWS:
                table.cut += 1
                continue
            table.lines.append(Line(run, step, [_cell(value.get(column), at) for column in table.columns]))
    for table in found.values():
        # Rows that came before a column did.
        for line in table.lines:
            line.cells.extend([None] * (len(table.columns) - len(line.cells)))
    return sorted(found.values(), key=lambda one: natural(one.name))


def _cell(cells: Sequence[Any] | None, at: int) -> str | None:
    if cells is None or at >= len(cells) or cells[at] is None:
        return None
    value = cells[at]
    return (f"{value:.6g}" if isinstance(value, float) else str(value))[:LONGEST]
