"""What scripts log, as the wire takes it: numbers of any library, keys, steps."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, Mapping, Union

from zaffre.errors import UserErrorException
from zaffre.protocol import MAX_CELL, MAX_COLUMN_NAME, MAX_COLUMNS, MAX_METRIC_KEY

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_UNSAFE = re.compile(r"[^\w.-]+")


def as_number(value: Any) -> float:
    """A number of Python, NumPy, PyTorch and their like as a float; of an array, its only element.

    Raises UserErrorException for anything else.
    """
    try:
        if isinstance(value, (bool, int, float)):
            return float(value)
        item = getattr(value, "item", None)
        if callable(item):  # numpy and torch, which need not be imported for this
            return float(item())
        if hasattr(value, "__float__"):  # Decimal, Fraction
            return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise UserErrorException(f"{_shown(value)} cannot be logged as a number: {error}.") from None
    hint = "Use log_list for several values." if hasattr(value, "__iter__") else None
    raise UserErrorException(f"{_shown(value)} is no number.", hint=hint)


def wire_value(value: float) -> Union[float, str]:
    """JSON has no NaN and no infinity: they go by name."""
    if value - value == 0:
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def from_wire(value: Any) -> float:
    """The opposite of `wire_value`."""
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else float(value)


def check_key(key: Any) -> str:
    """The name of a metric or tag. Raises UserErrorException for one that cannot be kept."""
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_METRIC_KEY or _CONTROL.search(key):
        raise UserErrorException(
            f"{_shown(key)} cannot be a name here.", hint=f"It has 1 to {MAX_METRIC_KEY} visible characters."
        )
    return key


def as_step(step: Any) -> int:
    """A step as an integer of 64 bits. Raises UserErrorException."""
    found = as_number(step)
    if found != found or abs(found) >= 2**63 or found != int(found):
        raise UserErrorException(f"The step {_shown(step)} is no whole number.")
    return int(step) if isinstance(step, int) else int(found)


def as_cell(value: Any, column: str) -> Any:
    """A cell of a table as the wire takes it: a number, a text, true, false or null; of other things their text.

    Raises UserErrorException for lists and for a text that is too long.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and type(value) in (int, float):
        return wire_value(value) if isinstance(value, float) else value
    if not isinstance(value, str):
        item = getattr(value, "item", None)
        if callable(item):  # numpy and torch
            try:
                found = item()
            except (TypeError, ValueError, RuntimeError) as error:
                raise UserErrorException(f"The cell of {column!r} is {_shown(value)}: {error}.") from None
            return wire_value(as_number(found)) if type(found) is type(value) else as_cell(found, column)
        if hasattr(value, "__float__"):
            return wire_value(as_number(value))
        if hasattr(value, "__iter__"):
            raise UserErrorException(f"The cell of {column!r} is {_shown(value)}; log_table takes lists.")
        value = str(value)  # a date, a path
    if len(value) > MAX_CELL:
        raise UserErrorException(f"The cell of {column!r} has {len(value)} characters, and {MAX_CELL} are kept.")
    return str(value).replace("\0", "\ufffd")


def as_columns(columns: Mapping[str, List[Any]]) -> Dict[str, List[Any]]:
    """Columns of one length as the wire takes them. Raises UserErrorException that names the column."""
    if not columns:
        raise UserErrorException("A table has at least one column.")
    if len(columns) > MAX_COLUMNS:
        raise UserErrorException(f"{len(columns)} columns, and a table has at most {MAX_COLUMNS}.")
    lengths = {column: len(cells) for column, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise UserErrorException(f"The columns of a table have one length, not {lengths}.")
    for name in columns:
        if not 1 <= len(name) <= MAX_COLUMN_NAME or _CONTROL.search(name):
            hint = f"It has 1 to {MAX_COLUMN_NAME} visible characters."
            raise UserErrorException(f"{_shown(name)} cannot be the name of a column.", hint=hint)
    return {name: [as_cell(cell, name) for cell in cells] for name, cells in columns.items()}


def cells_from_wire(cells: List[Any]) -> List[Any]:
    """The opposite of `as_cell` for a column: in one of numbers, NaN and infinities by name are numbers again."""
    texts = {cell for cell in cells if isinstance(cell, str)}
    if not texts or not texts <= {"NaN", "Infinity", "-Infinity"}:
        return cells
    return [from_wire(cell) if isinstance(cell, str) else cell for cell in cells]


def plain(value: Any) -> Any:
    """A value for a JSON file: numbers of any library become Python's, what cannot be said becomes text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return plain(tolist())
    return wire_value(float(value)) if isinstance(value, float) else str(value)


def file_name(name: str) -> str:
    """A name as one part of a path."""
    return _UNSAFE.sub("_", name).strip("._") or "unnamed"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
