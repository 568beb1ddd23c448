"""What scripts log, as the wire takes it: numbers of any library, keys, steps."""

from __future__ import annotations

import math
import re
from typing import Any, Union

from zaffre.errors import UserErrorException
from zaffre.protocol import MAX_METRIC_KEY

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


def is_number(value: Any) -> bool:
    """True for what `as_number` takes."""
    try:
        as_number(value)
    except UserErrorException:
        return False
    return True


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
