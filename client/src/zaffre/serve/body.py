"""Answers of run() as JSON: plain values, numpy and pandas ones, and nothing that other programs cannot read."""

from __future__ import annotations

import json
from typing import Any


class NotJson(Exception):
    """run() returned something that has no JSON form."""


def encode(value: Any) -> bytes:
    """`value` as UTF-8 JSON. Raises NotJson with a sentence for the script's author."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False).encode(
            "utf-8", "backslashreplace"
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(f"run() returned a value that cannot be written as JSON: {error}") from None


def _plain(value: Any) -> Any:
    """Arrays and numbers of numpy, frames and series of pandas: whatever knows how to become plain."""
    for method in ("tolist", "to_dict", "isoformat", "item"):
        make = getattr(value, method, None)
        if callable(make):
            return make()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not known to JSON")
