"""Times in filters: `-7d`, `yesterday`, `2026-11-01`, `2026-11-01T10:00+09:00`, and milliseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta

from runs.filters.tree import Length, Span

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LENGTH = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)([smhdw])")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,6})?\s*(Z|[+-]\d\d:?\d\d)?)?", re.IGNORECASE)
#: A hundred years: further away nothing lies, and the database's clock ends somewhere.
_FARTHEST = 100 * 366 * 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORDS = ("now", "today", "yesterday")


def length(text: str) -> Length | None:
    """The length that `90s`, `1.5h` or `-7d` says, None when it says none."""
    found = _LENGTH.fullmatch(text)
    if found is None or len(text) > 30:
        return None
    seconds = min(float(found[2]) * UNITS[found[3]], _FARTHEST)
    return Length(-seconds if found[1] == "-" else seconds)


def span(text: str) -> Span | Length | None:
    """The moment, day, minute or second that a text names (UTC where it names no zone), None when it is none."""
    word = text.strip().lower()
    if word == "now":
        return Length(0.0)
    if word in WORDS:
        day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return _of(day - timedelta(days=word == "yesterday"), timedelta(days=1))
    found = _DATE.fullmatch(text.strip()) if text.isascii() else None
    if found is None:
        return length(word)
    day_, minute, second, part, zone = found.groups()
    width = timedelta(milliseconds=1) if part else timedelta(seconds=1) if second else timedelta(minutes=1)
    clock = f"{minute or '00:00'}{second or ':00'}{part.ljust(7, '0') if part else ''}"
    try:
        begin = datetime.fromisoformat(f"{day_}T{clock}{'+00:00' if zone is None or zone in 'zZ' else zone}")
        return _of(begin, width if minute else timedelta(days=1))
    except (ValueError, OverflowError):
        return None


def _of(begin: datetime, width: timedelta) -> Span:
    first = (begin - _EPOCH) / timedelta(milliseconds=1)
    return Span(first, first + width / timedelta(milliseconds=1))
