"""What people and nodes say of environments, made safe to keep: known words, bounded."""

import math
from collections.abc import Mapping
from typing import Any

from studio.kernel.errors import Invalid
from workspace.environments import states

#: Characters of a build's log. Its beginning says what is built, its end why it failed: the middle goes.
MOST_LOG = 200_000
MAX_REASON, MAX_PACKAGE, MAX_LINE = 1000, 120, 500
_MOST = 2**53


def clean_report(told: object) -> dict[str, Any]:
    """The columns of a build that a node reports: status, and where they are said seconds, size and the like.

    Raises Invalid for what is no object; a strange value in it is left out.
    """
    if not isinstance(told, Mapping):
        raise Invalid("A report of a build is an object.")
    kept: dict[str, Any] = {"status": line(told.get("status"), 10)}
    if kept["status"] not in states.REPORTED:
        kept["status"] = ""
    if (seconds := _number(told.get("seconds"))) is not None:
        kept["seconds"] = round(float(seconds), 3)
    for key in ("size", "packages"):
        if (number := _number(told.get(key))) is not None:
            kept[key] = int(min(number, 2**31 - 1 if key == "packages" else _MOST))
    for key, most in (
        ("python", 20),
        ("digest", 64),
        ("reason", MAX_REASON),
        ("package", MAX_PACKAGE),
        ("line", MAX_LINE),
    ):
        kept[key] = line(told.get(key), most)
    return kept


def line(value: object, most: int) -> str:
    """Plain text on one line."""
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in value[: most * 2]).strip()[:most]


def log(value: object) -> str:
    """What an installer said, as it may be stored and shown."""
    if not isinstance(value, str):
        return ""
    text = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if len(text) <= MOST_LOG:
        return text
    half = MOST_LOG // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        return None
    return value if math.isfinite(value) else None
