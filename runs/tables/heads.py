"""The heads of a table of runs: what a click on one asks for, the menu below it, and the filter that it writes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from runs.tables import finding, forms, narrowing
from runs.tables.columns import Column, Sort, parse_columns
from runs.tables.facets import facet
from runs.tables.forms import Asked
from runs.tables.narrowing import Choice
from runs.tables.words import label
from studio.kernel.errors import Invalid
from studio.kernel.web import SignedInRequest, signed_in

#: Every row begins with it.
NAME = Column("attribute", "name")


def query_of(asked: Asked, view: Any = None) -> str:
    """The query string of a table's address; `view`: the saved view that it began with, or its number."""
    number = getattr(view, "pk", view)
    words = {**asked.words, **({"view": number} if number else {})}
    return "?" + urlencode(words or {"view": ""})


def heads(asked: Asked, columns: Sequence[Column], view: Any, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The heads of columns: what a click on one asks for, and in which order the table is by it."""
    narrowed = narrowing.fields_of(asked.filter, columns)
    found = []
    for at, one in enumerate(columns):
        told = next((row["cells"][at].kind for row in rows if row["cells"][at].text), "text")
        now = asked.sort if asked.sort and asked.sort.column == one else None
        first = one.numeric or (one.kind == "attribute" and one.key in ("created", "started", "ended", "duration"))
        if now is None:
            then: Sort | None = Sort(one, first)
        else:
            then = Sort(one, not first) if now.descending == first else None
        found.append(
            {
                "label": label(one),
                "number": one.numeric or told in ("number", "duration"),
                "order": None if now is None else "descending" if now.descending else "ascending",
                "query": query_of(replace(asked, sort=then), view) if one.sorts else "",
                "column": one.text,
                "width": asked.widths.get(one, ""),
                "narrowed": one in narrowed,
            }
        )
    return found


def name_head(asked: Asked) -> dict[str, Any]:
    """The head of the first column, which every table has."""
    narrowed = bool(narrowing.fields_of(asked.filter, [NAME]))
    return {"column": NAME.text, "width": asked.widths.get(NAME, ""), "narrowed": narrowed}


def _column(text: str) -> Column:
    columns = parse_columns(text)
    if len(columns) != 1:
        raise Invalid(_("Say which column."), field="column")
    return columns[0]


@signed_in
def menu(request: SignedInRequest, ws: str) -> HttpResponse:
    """What stands below the head of one `column` of a table: order, filter, width."""
    words = request.GET
    place = finding.open_place(ws, words.get("experiment") or None, actor=request.actor)
    asked, column = forms.read(words), _column(words.get("column", ""))
    view, way = words.get("view", ""), narrowing.way_of(column)
    sorts = [
        (descending, query_of(replace(asked, sort=Sort(column, descending)), view)) for descending in (False, True)
    ]
    shown_now = asked.columns or parse_columns(words.get("shown", ""))
    left = tuple(one for one in shown_now if one != column)
    shown = {
        "column": column,
        "label": label(column),
        "way": way,
        "facet": facet(place, asked, column, actor=request.actor) if way else None,
        "kept": {**asked.words, "experiment": words.get("experiment", ""), "view": view},
        "sorts": sorts if column.sorts else [],
        "sorted": asked.sort.descending if asked.sort and asked.sort.column == column else None,
        "hidden": query_of(replace(asked, columns=left), view) if left and len(left) < len(shown_now) else "",
    }
    return render(request, "runs/head.html", shown)


@signed_in
def narrow(request: SignedInRequest, ws: str) -> HttpResponse:
    """Write what the menu of a head says into the filter, and go to the table with it."""
    words = request.GET
    place = finding.open_place(ws, words.get("experiment") or None, actor=request.actor)
    asked, column = forms.read(words), _column(words.get("column", ""))
    values = [None if one == "none" else one.removeprefix("=") for one in words.getlist("only")]
    low, high, part = (words.get(name, "").replace("\0", "").strip() for name in ("low", "high", "part"))
    text = narrowing.narrowed(asked.filter, column, Choice(tuple(values), low, high, part))
    if len(text) > finding.MOST_FILTER:
        raise Invalid(_("The filter became too long. Choose fewer values."), field="filter")
    there = reverse("experiment", args=[ws, place.experiment.name]) if place.experiment else reverse("runs", args=[ws])
    return redirect(there + query_of(replace(asked, filter=text), words.get("view", "")))
