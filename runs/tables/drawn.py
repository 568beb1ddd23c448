"""The rows of a table as HTML: a template takes longer for a thousand cells than for all the rest of the page.

Every value goes through `_escaped`; once for a row, because each call costs more than its values.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import Any
from urllib.parse import quote

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from runs.tables.cells import Cell, middle
from zaffre.protocol import FINAL_STATES

#: Characters of a run's name.
NAME = 32
_BEGIN = (
    '<tr id="r-{}" data-v="{}"{}>'
    '<td class="pick"><input type="checkbox" value="{}" aria-label="{}"{}>'
    '<button class="eye" type="button" data-eye aria-pressed="false" aria-label="{}"></button></td>'
    '<td class="first dot-{}">{}<a class="name" href="{}/{}" title="{}">{}</a>{}</td>'
)
_FOLD = '<button class="fold" type="button" aria-expanded="false" data-below aria-label="{}"></button>'


class Drawing:
    """Rows of one workspace; what they share is looked up and drawn once."""

    def __init__(self, slug: str) -> None:
        self._runs = reverse("runs", args=[slug])
        self._experiments = cache(lambda name: reverse("experiment", args=[slug, name]))
        self._pill = cache(lambda state: render_to_string("runs/state.html", {"state": state}))
        self._marks = cache(_marks)
        self._eye = _("Show {name} in charts")
        self._below = _("Runs below {name}")

    def row(self, row: Mapping[str, Any], cells: Sequence[Cell], version: str, *, selected: bool) -> SafeString:
        """The row of a run; `version` is the word that changes with what is seen of it."""
        name = row["name"]
        goes = row["status"] not in FINAL_STATES
        attributes, marks = self._marks(goes, row["pinned"], row["baseline"])
        parts: list[Any] = [
            *(row["id"], version, attributes, row["id"], name, _CHECKED if selected else ""),
            *(self._eye.format(name=name), row["colour"]),
            format_html(_FOLD, self._below.format(name=name)) if row["children"] else "",
            *(self._runs, row["id"], name, middle(name, NAME), marks),
        ]
        text = _BEGIN
        for one in cells:
            pattern, values = self._cell(row, one)
            text += pattern
            parts += values
        return SafeString((text + "</tr>").format(*map(_escaped, parts)))

    def _cell(self, row: Mapping[str, Any], cell: Cell) -> tuple[str, tuple[Any, ...]]:
        """A cell as a pattern and what stands in it."""
        if cell.kind == "number" and cell.delta:
            return '<td class="n" title="{}">{}<small>{}</small></td>', (cell.title, cell.text, cell.delta)
        if cell.kind == "number" and cell.title:
            return '<td class="n" title="{}">{}</td>', (cell.title, cell.text)
        if cell.kind == "number":
            return '<td class="n">{}</td>', (cell.text,)
        if cell.kind == "text" and cell.title:
            return '<td title="{}">{}</td>', (cell.title, cell.text)
        if cell.kind == "status":
            return "<td>{}</td>", (self._pill("not_responding" if row["reachable"] is False else cell.text),)
        if not cell.text or cell.kind == "text":
            return "<td>{}</td>", (cell.text,)
        if cell.kind == "time":
            return '<td><time-ago at="{}">{}</time-ago></td>', (cell.text, cell.text)
        if cell.kind == "duration":
            ended = row["ended"].isoformat() if row["ended"] else ""
            return '<td class="n"><for-time since="{}" until="{}"></for-time></td>', (row["started"].isoformat(), ended)
        if cell.kind == "experiment":
            return '<td><a href="{}">{}</a></td>', (self._experiments(cell.text), middle(cell.text, NAME))
        return '<td><a class="mono" href="{}/{}">{}</a></td>', (self._runs, quote(cell.text), cell.text)


def _escaped(value: Any) -> SafeString:
    """A value as `format_html` writes it, which asks each text first whether it is a lazy one: that took longer."""
    return value if isinstance(value, SafeString) else SafeString(escape(str(value)))


_CHECKED = format_html(" {}", "checked")


def _marks(goes: bool, pinned: bool, baseline: bool) -> tuple[SafeString, SafeString]:
    """What scripts and styles know of a row, and what people read of it."""
    said = (("data-goes", goes), ("data-pin", pinned), ("data-baseline", baseline))
    read = ((_("pinned"), pinned), (_("baseline"), baseline))
    return (
        format_html_join("", " {}", ((word,) for word, on in said if on)),
        format_html_join("", "<em>{}</em>", ((word,) for word, on in read if on)),
    )
