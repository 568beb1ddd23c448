"""A table of runs as a file: CSV, JSON or Parquet, piece by piece, however many runs there are."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from runs.tables import finding
from runs.tables.best import best_values
from runs.tables.cells import plain
from runs.tables.columns import Column
from runs.tables.finding import MOST_AT_ONCE, MOST_EXPORTED, PAGE, Place
from runs.tables.forms import Asked
from runs.tables.parquet import Parquet
from studio.kernel.actors import Actor
from studio.kernel.downloads import Stream
from studio.kernel.errors import Invalid

#: Runs that are read and written together.
PIECE = 1000
KINDS = {"csv": "text/csv; charset=utf-8", "json": "application/json", "parquet": "application/vnd.apache.parquet"}
#: What a spreadsheet takes for a formula when a text begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def answer(
    place: Place, asked: Asked, *, actor: Actor, form: str, everything: bool, runs: Sequence[str] | None = None
) -> StreamingHttpResponse:
    """The file, with the table's columns, filter and order: of all runs that fit, of the page, or of those named.

    Raises Invalid for a kind of file that there is not, for a filter, and for more than MOST_EXPORTED runs.
    """
    if form not in KINDS:
        raise Invalid(
            _("A table is written as %(kinds)s, not as %(form)s.")
            % {"kinds": ", ".join(KINDS), "form": repr(form[:40])},
            field="format",
        )
    first = finding.find(place, replace(asked, groups=()), actor=actor, limit=PAGE)
    columns = first.columns
    if runs is not None:
        ids = [one for one in dict.fromkeys(runs) if "\0" not in one][:MOST_AT_ONCE]
    elif everything:
        # All ids at once: whatever changes while the file is written, each run is in it once and in its place.
        ids = finding.matching(place, asked, actor=actor, most=MOST_EXPORTED)
    else:
        ids = [row["id"] for row in first.rows]
    pieces = _written(form, columns, _values(place, ids, columns, actor=actor))
    name = "".join(char if char.isalnum() or char in "-_." else "-" for char in _name(place))[:80]
    when = timezone.now().strftime("%Y%m%d-%H%M")
    return Stream(pieces, name=f"{name}-{when}.{form}", kind=KINDS[form])


def _name(place: Place) -> str:
    return place.experiment.name if place.experiment else f"{place.workspace.slug}-runs"


def _values(place: Place, ids: Sequence[str], columns: Sequence[Column], *, actor: Actor) -> Iterator[list[list[Any]]]:
    """The cells of the runs, some hundred at a time."""
    for at in range(0, len(ids), PIECE):
        rows = finding.rows_of(place, ids[at : at + PIECE], columns, actor=actor)
        best = best_values(rows, columns)
        yield [[row["id"], row["name"], *(plain(row, one, best) for one in columns)] for row in rows]


def _written(form: str, columns: Sequence[Column], pieces: Iterator[list[list[Any]]]) -> Iterator[bytes]:
    names = ["run_id", "name", *(one.text for one in columns)]
    if form == "csv":
        return _csv(names, pieces)
    if form == "json":
        return _json(names, pieces)
    return _parquet(names, columns, pieces)


def _csv(names: list[str], pieces: Iterator[list[list[Any]]]) -> Iterator[bytes]:
    yield _lines([[safe(name) for name in names]])
    for rows in pieces:
        yield _lines([[safe(value) for value in row] for row in rows])


def safe(value: Any) -> Any:
    """A value that no spreadsheet runs: a text that it would take for a formula gets an apostrophe before it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _number(text) else text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text[:1] not in "\t\r"


def _lines(rows: list[list[Any]]) -> bytes:
    held = io.StringIO(newline="")
    csv.writer(held, lineterminator="\r\n").writerows(rows)
    return held.getvalue().encode("utf-8", "replace")


def _json(names: list[str], pieces: Iterator[list[list[Any]]]) -> Iterator[bytes]:
    yield b"["
    between = ""
    for rows in pieces:
        said = []
        for row in rows:
            said.append(between + json.dumps(dict(zip(names, map(_told, row), strict=True)), ensure_ascii=False))
            between = ",\n"
        yield "".join(said).encode("utf-8", "replace")
    yield b"]\n"


def _told(value: Any) -> Any:
    """As JSON says it: moments as texts, and what is no number by its name."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _parquet(names: list[str], columns: Sequence[Column], pieces: Iterator[list[list[Any]]]) -> Iterator[bytes]:
    numbers = [False, False, *(one.numeric or one.key == "duration" for one in columns)]
    file = Parquet(names, numbers)
    yield file.begin()
    for rows in pieces:
        if rows:
            yield file.group([_column([row[at] for row in rows], number) for at, number in enumerate(numbers)])
    yield file.end()


def _column(values: list[Any], number: bool) -> list[Any]:
    if number:
        return [None if one is None else float(_NAMES.get(one, one) if isinstance(one, str) else one) for one in values]
    return [None if one is None else one.isoformat() if isinstance(one, datetime) else str(one) for one in values]
