"""The cells of a table's rows as HTML: a template takes longer for a thousand cells than for all the rest of the page.

Every value goes through `format_html`, which escapes it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from runs.tables.cells import Cell, middle
from zaffre.protocol import FINAL_STATES

#: Characters of a run's name.
NAME = 32


class Drawing:
    """Rows of one workspace; the addresses that they lead to are looked up once."""

    def __init__(self, slug: str) -> None:
        self._runs = reverse("runs", args=[slug])
        self._experiments = cache(lambda name: reverse("experiment", args=[slug, name]))
        self._eye = _("Show {name} in charts")
        self._below = _("Runs below {name}")
        self._marks = {"pinned": _("pinned"), "baseline": _("baseline")}

    def row(self, row: Mapping[str, Any], cells: Sequence[Cell], *, selected: bool) -> dict[str, Any]:
        """{begin, end, state, marks}: what stands before and after the cell of the state, which the template writes."""
        at = next((at for at, one in enumerate(cells) if one.kind == "status"), len(cells))
        drawn = [self._cell(row, one) for one in cells]
        return {
            "begin": format_html("{}{}", self._head(row, selected), _joined(drawn[:at])),
            "end": _joined(drawn[at + 1 :]),
            "state": cells[at].text if at < len(cells) else "",
            "marks": format_html_join("", " {}", ((word,) for word, on in _attributes(row) if on)),
        }

    def _head(self, row: Mapping[str, Any], selected: bool) -> SafeString:
        name = row["name"]
        fold = format_html(
            '<button class="fold" type="button" aria-expanded="false" data-below aria-label="{}"></button>',
            self._below.format(name=name),
        )
        marks = format_html_join("", "<em>{}</em>", ((said,) for mark, said in self._marks.items() if row[mark]))
        return format_html(
            '<td class="pick"><input type="checkbox" value="{}" aria-label="{}"{}>'
            '<button class="eye" type="button" data-eye aria-pressed="false" aria-label="{}"></button></td>'
            '<td class="first dot-{}">{}<a class="name" href="{}/{}" title="{}">{}</a>{}</td>',
            row["id"],
            name,
            format_html(" {}", "checked") if selected else "",
            self._eye.format(name=name),
            row["colour"],
            fold if row["children"] else "",
            self._runs,
            row["id"],
            name,
            middle(name, NAME),
            marks,
        )

    def _cell(self, row: Mapping[str, Any], cell: Cell) -> SafeString:
        if cell.kind == "number" and cell.delta:
            return format_html('<td class="n" title="{}">{}<small>{}</small></td>', cell.title, cell.text, cell.delta)
        if cell.kind == "number" and cell.title:
            return format_html('<td class="n" title="{}">{}</td>', cell.title, cell.text)
        if cell.kind == "number":
            return format_html('<td class="n">{}</td>', cell.text)
        if cell.kind == "text" and cell.title:
            return format_html('<td title="{}">{}</td>', cell.title, cell.text)
        if not cell.text or cell.kind == "text":
            return format_html("<td>{}</td>", cell.text)
        if cell.kind == "time":
            return format_html('<td><time-ago at="{}">{}</time-ago></td>', cell.text, cell.text)
        if cell.kind == "duration":
            ended = row["ended"].isoformat() if row["ended"] else ""
            times = (row["started"].isoformat(), ended)
            return format_html('<td class="n"><for-time since="{}" until="{}"></for-time></td>', *times)
        if cell.kind == "experiment":
            return format_html('<td><a href="{}">{}</a></td>', self._experiments(cell.text), middle(cell.text, NAME))
        return format_html('<td><a class="mono" href="{}/{}">{}</a></td>', self._runs, quote(cell.text), cell.text)


def _attributes(row: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    """What scripts and styles know of a row: whether it goes on, and its marks."""
    goes = row["status"] not in FINAL_STATES
    return ("data-goes", goes), ("data-pin", row["pinned"]), ("data-baseline", row["baseline"])


def _joined(drawn: Sequence[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((one,) for one in drawn))
