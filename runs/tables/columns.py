"""Columns of a table of runs as an address names them. Pure thinking, no database.

    status,metrics.loss,min(metrics.loss),at_max(metrics.loss, metrics.accuracy),params.`learning rate`,tags.team

`at_max(a, b)` is the value of a at the step at which b was highest, `at_min` at which it was lowest. Keys with odd
characters stand in backticks or double quotes, as in filters.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from runs.filters.cursor import quoted_key
from runs.filters.words import ALIASES, KINDS, PLURALS, RUN_ATTRIBUTES, nearest
from studio.kernel.errors import Invalid
from workspace.references import did_you_mean
from zaffre.protocol import SYSTEM_PREFIX

MOST_METRICS = 4
MOST_PARAMS = 3
#: Columns that one address asks for.
MOST_COLUMNS = 60
MOST_TEXT = 8000
MOST_KEY = 250
#: Which value of a metric's series is shown, besides the latest one.
PARTS = ("min", "max", "count")
BEST = ("at_min", "at_max")
#: Shown before and after what was logged, where an address names no columns.
FIRST, LAST = ("status",), ("target", "duration", "created")
#: One name for each attribute: the shorter words of MLflow stand for the same.
SAME = {
    "run_id": "id",
    "run_name": "name",
    "user_id": "user",
    "start_time": "started",
    "end_time": "ended",
}
#: Columns that cannot be chosen: a row has its name anyway, and these say nothing that a person reads.
_NOT_SHOWN = {"name", "lifecycle_stage", "artifact_uri"}
ATTRIBUTES = tuple(name for name in RUN_ATTRIBUTES if name not in _NOT_SHOWN and name not in SAME)
#: What many runs have in common, so that they can be grouped by it.
GROUPED = ("status", "experiment", "user", "target", "environment", "kind", "parent")
_KEY = r"(?:`(?P<{0}tick>[^`]*)`|\"(?P<{0}quote>[^\"]*)\"|(?P<{0}plain>[^\s,()`\"]+))"
_FIELD = r"(?:(?P<{0}kind>[A-Za-z]+)\.)?" + _KEY
_COLUMN = re.compile(
    rf"\s*(?:(?P<call>[a-z_]+)\(\s*{_FIELD.format('a')}\s*(?:,\s*{_FIELD.format('b')}\s*)?\)|{_FIELD.format('c')})\s*"
)


_WIDTH = re.compile(r"([0-9]{1,5}):")
#: Pixels of the narrowest and the widest column.
WIDTHS = (48, 1200)


@dataclass(frozen=True)
class Column:
    """`kind`: metric, param, tag, property or attribute; `part` of a metric: last, min, max, count, at_min, at_max."""

    kind: str
    key: str
    part: str = "last"
    #: The metric whose best step is meant, for at_min and at_max.
    of: str = ""

    @property
    def text(self) -> str:
        """As an address names it."""
        if self.kind == "attribute":
            return self.key
        plain = f"{PLURALS[self.kind]}.{quoted_key(self.key)}"
        if self.part in BEST:
            return f"{self.part}({plain}, metrics.{quoted_key(self.of)})"
        return plain if self.part == "last" else f"{self.part}({plain})"

    @property
    def label(self) -> str:
        """What its head says; attributes are named by the page."""
        if self.part in BEST:
            return f"{self.key} @ {self.part.removeprefix('at_')} {self.of}"
        return self.key if self.part == "last" else f"{self.part} {self.key}"

    @property
    def numeric(self) -> bool:
        return self.kind == "metric" or RUN_ATTRIBUTES.get(self.key if self.kind == "attribute" else "") == "number"

    @property
    def sorts(self) -> bool:
        """Whether the table can be in its order: the step of a best value is in no row of the database."""
        return self.part not in BEST


@dataclass(frozen=True)
class Sort:
    column: Column
    descending: bool

    @property
    def text(self) -> str:
        return f"{self.column.text} {'desc' if self.descending else 'asc'}"


def parse_columns(text: str) -> tuple[Column, ...]:
    """The columns that an address names, each once. Raises Invalid `bad_columns`."""
    if len(text) > MOST_TEXT:
        raise _bad(_("The columns have at most %(most)s characters.") % {"most": MOST_TEXT})
    found, at = [], 0
    while at < len(text):
        match = _COLUMN.match(text, at)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise _bad(_("The columns cannot be read from %(text)s on.") % {"text": repr(text[at : at + 40])})
        found.append(_column(match))
        at = match.end() + 1
    if len(found) > MOST_COLUMNS:
        raise _bad(
            _("A table has at most %(most)s columns, and %(found)s were asked for.")
            % {"most": MOST_COLUMNS, "found": len(found)}
        )
    return tuple(dict.fromkeys(found))


def parse_widths(text: str) -> dict[Column, int]:
    """{column: pixels} of what `240:name,90:metrics.loss` says. Raises Invalid `bad_columns`."""
    found: dict[Column, int] = {}
    at = 0
    while at < len(text):
        width = _WIDTH.match(text, at)
        match = _COLUMN.match(text, width.end()) if width else None
        if width is None or match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise _bad(_("The widths cannot be read from %(text)s on.") % {"text": repr(text[at : at + 40])})
        found[_column(match)] = min(max(int(width[1]), WIDTHS[0]), WIDTHS[1])
        at = match.end() + 1
    if len(found) > MOST_COLUMNS or len(text) > MOST_TEXT:
        raise _bad(_("At most %(most)s columns have a width.") % {"most": MOST_COLUMNS})
    return found


def parse_sort(text: str) -> Sort | None:
    """What `metrics.loss desc` says; None when it says nothing. Raises Invalid `bad_columns`."""
    words = text.strip()
    ending = re.search(r"\s(asc|desc)$", words, re.IGNORECASE)
    columns = parse_columns(words[: ending.start()] if ending else words)
    if not columns:
        return None
    if len(columns) > 1:
        raise _bad(_("A table is in the order of one column."))
    if not columns[0].sorts:
        raise _bad(_("A table cannot be in the order of a value at the best step of another metric."))
    return Sort(columns[0], ending is not None and ending[1].lower() == "desc")


def parse_groups(text: str, *, most: int = 4) -> tuple[Column, ...]:
    """What runs are grouped by. Raises Invalid `bad_columns` for what few runs have in common."""
    columns = parse_columns(text)
    for one in columns:
        if one.kind == "metric" or (one.kind == "attribute" and one.key not in GROUPED):
            raise _bad(
                _("Runs are not grouped by %(label)s; by parameters, tags and %(grouped)s.")
                % {"label": repr(one.label[:60]), "grouped": ", ".join(GROUPED)}
            )
    if len(columns) > most:
        raise _bad(_("Runs are grouped by at most %(most)s columns.") % {"most": most})
    return columns


def _column(match: re.Match[str]) -> Column:
    call = match["call"]
    if call is None:
        return _field(match, "c")
    first = _field(match, "a")
    second = _field(match, "b") if _key(match, "b") is not None else None
    if first.kind != "metric" or (second is not None and second.kind != "metric"):
        raise _bad(_("%(call)s() is of metrics.") % {"call": call})
    if call in PARTS and second is None:
        return Column("metric", first.key, call)
    if call in BEST and second is not None:
        return Column("metric", first.key, call, second.key)
    raise _bad(
        _("A column is metrics.a, min(), max(), count() of one metric, or at_min() or at_max() of two: %(call)s.")
        % {"call": repr(call)}
    )


def _key(match: re.Match[str], name: str) -> str | None:
    return next(
        (match[f"{name}{way}"] for way in ("tick", "quote", "plain") if match[f"{name}{way}"] is not None), None
    )


def _field(match: re.Match[str], name: str) -> Column:
    key, word = _key(match, name) or "", (match[f"{name}kind"] or "").lower()
    if not 1 <= len(key) <= MOST_KEY or not key.isprintable():
        raise _bad(_("A column has a name of 1 to %(most)s visible characters.") % {"most": MOST_KEY})
    kind = KINDS.get(word)
    if word and (kind is None or kind == "dataset"):
        raise _bad(
            _("There are no columns of %(word)s.") % {"word": repr(word[:40])}, meant=nearest(word, PLURALS.values())
        )
    if kind is None or kind == "attribute":
        key = SAME.get(ALIASES.get(key, key), ALIASES.get(key, key))
        if key not in RUN_ATTRIBUTES or key in ("lifecycle_stage", "artifact_uri"):
            raise _bad(
                _("There is no column %(key)s; there are %(attributes)s.")
                % {"key": repr(key[:40]), "attributes": ", ".join(ATTRIBUTES)},
                nearest(key, ATTRIBUTES),
            )
        return Column("attribute", key)
    return Column(kind, key)


def _bad(message: str, meant: str | None = None) -> Invalid:
    hint = _("Such as: columns=status,metrics.loss,min(metrics.loss),params.lr")
    return Invalid(message + did_you_mean(meant), code="bad_columns", hint=hint)


def fits(said: Any) -> bool:
    """Whether a param, a tag or the summary of a metric can stand in a cell: pictures, tables and texts cannot."""
    return not isinstance(said, dict) or said.get("kind", "list") in ("scalar", "list")


def columns(rows: Iterable[Mapping[str, Any]], field: str, *, most: int) -> list[str]:
    """The keys of `field` (metrics or params) that the most rows use, by name; ties go to the shorter name."""
    # What was sampled of the machine would crowd out what was said of the model.
    used = Counter(
        key
        for row in rows
        for key, said in (row.get(field) or {}).items()
        if not key.startswith(SYSTEM_PREFIX) and fits(said)
    )
    best = sorted(used, key=lambda key: (-used[key], len(key), key))[:most]
    return sorted(best)


def usual(rows: Sequence[Mapping[str, Any]], *, of_all: bool) -> tuple[Column, ...]:
    """The columns of a table whose address names none: those that say most about its rows."""
    # Runs of notebooks and other machines have no compute target.
    last = [key for key in LAST if key != "target" or any(row.get("target") for row in rows)]
    named = (*FIRST, *(("experiment",) if of_all else ()))
    return (
        *(Column("attribute", key) for key in named),
        *(Column("metric", key) for key in columns(rows, "metrics", most=MOST_METRICS)),
        *(Column("param", key) for key in columns(rows, "params", most=MOST_PARAMS)),
        *(Column("attribute", key) for key in last),
    )
