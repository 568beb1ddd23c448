"""The table of runs, of an experiment or of the workspace, and its saved views."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from runs.filters.cursor import pieces
from runs.models import COLOURS, Status
from runs.tables import export, finding, forms, grouped, queries, services
from runs.tables.best import best_values
from runs.tables.cells import cells, plain, version
from runs.tables.columns import Column
from runs.tables.drawn import Drawing
from runs.tables.finding import Found, Place
from runs.tables.forms import Asked
from runs.tables.heads import heads, name_head, query_of
from runs.tables.mistakes import marked
from runs.tables.words import aggregates, label, picked, words
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid
from studio.kernel.latepages import render_late
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in

#: Charts above the table.
DRAWN = 3
#: Runs that an address keeps as selected.
MOST_SELECTED = 50


@signed_in
def runs(request: SignedInRequest, ws: str, experiment: str | None = None) -> HttpResponseBase:
    """The table of runs, of all or of one experiment; what it shows is in the address."""
    actor = request.actor
    place = finding.open_place(ws, experiment, actor=actor)
    views = queries.list_views(place, actor=actor)
    if experiment is not None and not request.GET:
        default = next((one for one in views if one.is_default), None)
        if default is not None:
            return redirect(f"{request.path}?view={default.pk}&{default.query}")
    asked = forms.read(request.GET)
    shown: dict[str, Any] = {
        "asked": asked,
        "kept": asked.words,
        "statuses": Status.values,
        "experiment": place.experiment,
        "views": views,
        "view": next((one for one in views if str(one.pk) == request.GET.get("view")), None),
        "days": forms.SINCE,
        "aggregates": aggregates(),
        "aggregate_word": aggregates()[asked.aggregate],
        "forms": export.KINDS,
        "colours": range(COLOURS),
        "table_words": words(),
        "selected": request.GET.get("selected", "").split(",")[:MOST_SELECTED],
    }

    def late() -> dict[str, Any]:
        try:
            find = _groups if asked.groups else _rows
            return find(place, asked, shown, actor=actor) | {"chips": _chips(asked, shown["view"])}
        except Invalid as error:
            # What only the database finds wrong, such as a regular expression.
            return {"wrong": marked(error, asked.filter)}

    try:
        finding.chosen(place, asked, actor=actor)
    except Invalid as error:
        return render(request, "runs/runs.html", shown | {"wrong": marked(error, asked.filter)}, status=422)
    return render_late(request, "runs/runs.html", shown, late)


def _rows(place: Place, asked: Asked, shown: dict[str, Any], *, actor: Actor) -> dict[str, Any]:
    found = finding.find(place, asked, actor=actor)
    best = _best(found)
    held = [plain(found.baseline, one, best) for one in found.columns] if found.baseline else []
    rows, drawing = [], Drawing(place.workspace.slug)
    for row in found.rows:
        made = cells(row, found.columns, best, held)
        drawn = drawing.row(row, made, version(row, made), selected=row["id"] in shown["selected"])
        rows.append({"drawn": drawn, "cells": made})
    whole = found.newer is None and found.older is None
    counted = len(rows) if whole else None
    if not whole and not asked.narrowed:
        counted = finding.count(place, asked, actor=actor)
    many = counted is not None and counted > finding.MOST_COUNTED
    return {
        "rows": rows,
        # Whether the filter is the reason that there is nothing.
        "without": finding.count(place, Asked(), actor=actor) if asked.narrowed and not rows else 0,
        "most": finding.MOST_COUNTED,
        "heads": heads(asked, found.columns, shown["view"], rows),
        "name_head": name_head(asked),
        **_columns(place, asked, found.columns),
        **_strip(found.columns),
        "newer": found.newer,
        "older": found.older,
        "count": min(counted, finding.MOST_COUNTED) if counted is not None else len(rows),
        "at_least": many or counted is None,
        "held": found.baseline,
    }


def _strip(columns: Sequence[Column]) -> dict[str, str]:
    """The metrics that the charts above the table draw, the first that it shows, and those that may be chosen."""
    shown = list(dict.fromkeys(one.key for one in columns if one.kind == "metric"))
    return {"strip": json.dumps(shown[:DRAWN]) if shown else "", "strip_metrics": json.dumps(shown)}


def _best(found: Found) -> dict[tuple[str, Column], tuple[int, float]]:
    rows = found.rows
    if found.baseline and all(row["id"] != found.baseline["id"] for row in rows):
        rows = [*rows, found.baseline]
    return best_values(rows, found.columns)


def _groups(place: Place, asked: Asked, shown: dict[str, Any], *, actor: Actor) -> dict[str, Any]:
    columns = asked.columns or finding.find(place, replace(asked, groups=(), sort=None), actor=actor).columns
    # One level at a time: what is inside a group is asked for when it is opened.
    level = replace(asked, groups=asked.groups[:1])
    found, more = finding.groups(place, level, columns, actor=actor)
    numbers = [one for one in columns if found and one in found[0].numbers]
    return {
        "grouped": True,
        "levels": [label(one) for one in asked.groups],
        "rows": [
            {
                "labels": [(label(column), value) for column, value in zip(level.groups, one.values, strict=True)],
                "count": one.count,
                "dot": at % COLOURS if at < grouped.MOST_GROUPS_DRAWN else None,
                "numbers": [(one.numbers.get(column), column.key == "duration") for column in numbers],
                "query": _inside(asked, one, columns),
                "runs_query": query_of(replace(asked, filter=one.filter, groups=())) if one.filter else "",
            }
            for at, one in enumerate(found)
        ],
        "heads": heads(asked, numbers, shown["view"], []),
        **_columns(place, asked, columns),
        **_strip(columns),
        "count": len(found),
        "at_least": more,
    }


def _inside(asked: Asked, group: finding.Group, columns: Sequence[Column]) -> str:
    """Where what is in a group is: the groups of the next level, else its runs."""
    if group.filter is None:
        return ""
    return query_of(replace(asked, filter=group.filter, groups=asked.groups[1:], columns=tuple(columns)))


def _columns(place: Place, asked: Asked, columns: Sequence[Column]) -> dict[str, Any]:
    """What the dialogs choose from, and the address of the same table as a file."""
    said = replace(asked, columns=tuple(columns)).words | {
        "experiment": place.experiment.name if place.experiment else ""
    }
    return {
        "columns": said["columns"],
        "picked": picked(columns, asked.groups),
        "export": f"{reverse('runs_export', args=[place.workspace.slug])}?{urlencode(said)}",
    }


def _chips(asked: Asked, view: Any) -> list[tuple[str, str]]:
    """The parts of the filter, each with the address of the table without it."""
    parts = pieces(asked.filter)
    without = [" and ".join([*parts[:at], *parts[at + 1 :]]) for at in range(len(parts))]
    return [(part, query_of(replace(asked, filter=rest), view)) for part, rest in zip(parts, without, strict=True)]


@signed_in
def download(request: SignedInRequest, ws: str) -> StreamingHttpResponse:
    """What a table shows as a file (`format` csv, json or parquet): `scope` page or all, or the `runs` named."""
    words = request.POST if request.method == "POST" else request.GET
    place = finding.open_place(ws, words.get("experiment") or None, actor=request.actor)
    return export.answer(
        place,
        forms.read(words),
        actor=request.actor,
        form=words.get("format", "csv"),
        everything=words.get("scope") != "page",
        runs=words.get("runs", "").split(",") if words.get("runs") else None,
    )


def _table(ws: str, experiment: str | None) -> str:
    return reverse("experiment", args=[ws, experiment]) if experiment else reverse("runs", args=[ws])


def _at(ws: str, view: Any) -> str:
    there = _table(ws, view.experiment.name if view.experiment else None)
    return f"{there}?view={view.pk}&{view.query}".rstrip("&")


def _came_from(ws: str, words: Any) -> str:
    """The table that a form was on, as it was."""
    there = _table(ws, words.get("experiment") or None)
    known = {*forms.KEPT, "view"}
    kept = [(word, value) for word, value in parse_qsl(words.get("query", "")[: forms.MOST_QUERY]) if word in known]
    return f"{there}?{urlencode(kept)}" if kept else there


@require_POST
@signed_in
def save_view(request: SignedInRequest, ws: str) -> HttpResponse:
    said = request.POST
    return post(
        request,
        lambda: services.save_view(
            ws,
            actor=request.actor,
            name=said.get("name", ""),
            query=said.get("query", ""),
            experiment=said.get("experiment") or None,
            default=said.get("default") == "1",
        ),
        said=_("The view was saved. Everybody in the workspace finds it in the list of views."),
        to=lambda made: _at(ws, made),
        back=_came_from(ws, said),
    )


@require_POST
@signed_in
def change_view(request: SignedInRequest, ws: str, view: int) -> HttpResponse:
    """Rename it, let it show what the table shows now, or make it what its experiment begins with."""
    said = request.POST
    return post(
        request,
        lambda: services.change_view(
            ws,
            view,
            actor=request.actor,
            name=said.get("name"),
            query=said.get("query") if said.get("update") == "1" else None,
            default={"1": True, "0": False}.get(said.get("default", "")),
        ),
        said=_("The view was changed."),
        to=lambda made: _at(ws, made),
        back=_came_from(ws, said),
    )


@require_POST
@signed_in
def delete_view(request: SignedInRequest, ws: str, view: int) -> HttpResponse:
    return post(
        request,
        lambda: services.delete_view(ws, view, actor=request.actor),
        said=_("The view was deleted. The runs that it showed stay."),
        to=lambda gone: _table(ws, gone.experiment.name if gone.experiment else None) + "?view=",
        back=_came_from(ws, request.POST),
    )
