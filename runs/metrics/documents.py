"""What is logged besides numbers: the shape of each kind, and errors that say what is wrong with it. Pure functions.

Values come from JSON or msgpack. What is returned can be said in JSON: NaN and infinities are names.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from studio.kernel import paths
from studio.kernel.errors import Invalid
from zaffre import protocol
from zaffre.protocol import MAX_CELL, MAX_COLUMN_NAME, MAX_COLUMNS, MAX_ROWS_PER_BATCH, MAX_TEXT_VALUE

#: Numbers that JSON says by name.
SPECIAL = ("NaN", "Infinity", "-Infinity")
#: Kinds that may share a key: rows are added to tables.
TABULAR = (protocol.ROW, protocol.TABLE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
#: What no text of PostgreSQL, or no UTF-8, holds.
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_LABELS = 10_000


class Wrong(ValueError):
    """A value that its kind does not allow; the message continues "items[3] ('key'): "."""


def checked(kind: str, value: Any) -> tuple[Any, int]:
    """The value as it is stored, and how many rows of a table it holds (1 for every other kind). Raises Wrong."""
    check = _CHECKS.get(kind)
    if check is None:
        hint = "numbers go into points" if kind in ("scalar", "list") else "it is none"
        raise Wrong(f"the kind is one of {', '.join(_CHECKS)}, and {kind[:40]!r} is not: {hint}")
    return check(value)


def family(kind: str) -> str:
    """Kinds of one family may be logged under one key."""
    return protocol.TABLE if kind in TABULAR else kind


def _text(value: Any) -> tuple[Any, int]:
    if not isinstance(value, str):
        raise Wrong(f"a text is expected, not {_shown(value)}")
    if len(value) > MAX_TEXT_VALUE:
        raise Wrong(f"the text has {len(value)} characters, and {MAX_TEXT_VALUE} are kept")
    if UNSTORABLE.search(value):
        raise Wrong("the text holds a character that cannot be stored")
    return value, 1


def _table(value: Any) -> tuple[Any, int]:
    """Columns of equal length; a row may give its cells without lists."""
    if not isinstance(value, Mapping) or not value:
        raise Wrong(f"a table is an object of columns, not {_shown(value)}")
    if len(value) > MAX_COLUMNS:
        raise Wrong(f"it has {len(value)} columns, and {MAX_COLUMNS} are allowed")
    columns: dict[str, list[Any]] = {}
    for name, cells in value.items():
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_COLUMN_NAME or _CONTROL.search(name):
            raise Wrong(f"the name of a column has 1 to {MAX_COLUMN_NAME} visible characters, not {_shown(name)}")
        columns[name] = [_cell(cell, name, at) for at, cell in enumerate(cells if isinstance(cells, list) else [cells])]
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name[:40]!r} {count}" for name, count in lengths.items())
        raise Wrong(f"the columns have unequal lengths: {shown}")
    count = next(iter(lengths.values()))
    if count > MAX_ROWS_PER_BATCH:
        raise Wrong(f"it has {count} rows, and a batch takes {MAX_ROWS_PER_BATCH}: send the rest in further ones")
    return columns, count


def _cell(cell: Any, column: str, at: int) -> Any:
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, str):
        if len(cell) > MAX_CELL or UNSTORABLE.search(cell):
            raise Wrong(f"{column[:40]!r}[{at}] has more than {MAX_CELL} characters, or one that cannot be stored")
        return cell
    if isinstance(cell, int | float):
        return _plain(cell)
    raise Wrong(f"{column[:40]!r}[{at}] is a number, a text, true, false or null, not {_shown(cell)}")


def _image(value: Any) -> tuple[Any, int]:
    path = value.get("path") if isinstance(value, Mapping) else value
    if not isinstance(path, str):
        raise Wrong(f'an image is {{"path": the path of a file of the run}}, not {_shown(value)}')
    try:
        return {"path": paths.clean(path)}, 1
    except Invalid as error:
        raise Wrong(error.message) from None


def _document(kind: str, check: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[[Any], tuple[Any, int]]:
    def checked_document(value: Any) -> tuple[Any, int]:
        if isinstance(value, str):
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError) as error:
                raise Wrong(f"Invalid JSON provided: {error}") from None
        if not isinstance(value, Mapping):
            raise Wrong(f"Invalid JSON provided: a {kind} is an object, not {_shown(value)}")
        if isinstance(value.get("path"), str) and "data" not in value:
            return _image(value)  # too large for a batch: it was uploaded as a file
        if value.get("schema_type", kind) != kind:
            raise Wrong(f"Invalid JSON provided: schema_type is {kind!r} here, not {_shown(value['schema_type'])}")
        data = value.get("data")
        if not isinstance(data, Mapping):
            raise Wrong(f'Invalid JSON provided: it looks like {{"schema_type": "{kind}", "data": {{…}}}}')
        version = value.get("schema_version", "v1")
        if not isinstance(version, str) or len(version) > 20:
            raise Wrong(f"schema_version is a short text such as 'v1', not {_shown(version)}")
        return {"schema_type": kind, "schema_version": version, "data": check(data)}, 1

    return checked_document


def _confusion_matrix(data: Mapping[str, Any]) -> dict[str, Any]:
    labels = _labels(data)
    matrix = _rows(data, "matrix", len(labels))
    return {"class_labels": labels, "matrix": [_numbers(row, f"matrix[{at}]", len(labels)) for at, row in matrix]}


def _accuracy_table(data: Mapping[str, Any]) -> dict[str, Any]:
    labels = _labels(data)
    found: dict[str, Any] = {"class_labels": labels}
    for kind in ("probability", "percentile"):
        name = f"{kind}_thresholds"
        thresholds = _numbers(_needed(data, name), name)
        if any(isinstance(one, str) for one in thresholds) or thresholds != sorted(thresholds):
            raise Wrong(f"{name} are numbers that rise")
        name = f"{kind}_tables"
        found[f"{kind}_thresholds"] = thresholds
        found[name] = [
            [
                _numbers(counts, f"{name}[{at}][{row}]", 4)
                for row, counts in _listed(table, f"{name}[{at}]", len(thresholds))
            ]
            for at, table in _rows(data, name, len(labels))
        ]
    return found


def _residuals(data: Mapping[str, Any]) -> dict[str, Any]:
    counts = _numbers(_needed(data, "bin_counts"), "bin_counts")
    edges = _numbers(_needed(data, "bin_edges"), "bin_edges", len(counts) + 1)
    return {"bin_edges": edges, "bin_counts": counts}


def _predictions(data: Mapping[str, Any]) -> dict[str, Any]:
    found = _residuals(data)
    for name in ("bin_averages", "bin_errors"):
        found[name] = _numbers(_needed(data, name), name, len(found["bin_counts"]))
    return found


def _needed(data: Mapping[str, Any], name: str) -> Any:
    if name not in data:
        raise Wrong(f"Invalid JSON provided: the data lacks {name}")
    return data[name]


def _labels(data: Mapping[str, Any]) -> list[str]:
    labels = _needed(data, "class_labels")
    if not isinstance(labels, list) or not 1 <= len(labels) <= _LABELS:
        raise Wrong(f"class_labels is a list of 1 to {_LABELS} labels, not {_shown(labels)}")
    if not all(isinstance(one, str | int | float) for one in labels):
        raise Wrong("class_labels are texts")
    texts = [str(one) for one in labels]
    if any(len(one) > MAX_CELL or UNSTORABLE.search(one) for one in texts):
        raise Wrong(f"class_labels have at most {MAX_CELL} characters, all of which can be stored")
    return texts


def _rows(data: Mapping[str, Any], name: str, count: int) -> list[tuple[int, Any]]:
    return _listed(_needed(data, name), name, count)


def _listed(value: Any, name: str, count: int) -> list[tuple[int, Any]]:
    if not isinstance(value, list) or len(value) != count:
        held = f"{len(value)} of them" if isinstance(value, list) else _shown(value)
        raise Wrong(f"{name} is a list of {count} lists, not {held}")
    return list(enumerate(value))


def _numbers(value: Any, name: str, count: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        held = f"{len(value)} of them" if isinstance(value, list) else _shown(value)
        raise Wrong(f"{name} is a list of {'' if count is None else f'{count} '}numbers, not {held}")
    for at, one in enumerate(value):
        if isinstance(one, bool) or not (isinstance(one, int | float) or one in SPECIAL):
            raise Wrong(f"{name}[{at}] is not a number: {_shown(one)}")
    return [_plain(one) for one in value]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


_CHECKS: dict[str, Callable[[Any], tuple[Any, int]]] = {
    protocol.TEXT: _text,
    protocol.ROW: _table,
    protocol.TABLE: _table,
    protocol.IMAGE: _image,
    protocol.CONFUSION_MATRIX: _document(protocol.CONFUSION_MATRIX, _confusion_matrix),
    protocol.ACCURACY_TABLE: _document(protocol.ACCURACY_TABLE, _accuracy_table),
    protocol.RESIDUALS: _document(protocol.RESIDUALS, _residuals),
    protocol.PREDICTIONS: _document(protocol.PREDICTIONS, _predictions),
}
