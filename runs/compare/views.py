"""The page that shows runs beside each other. What is compared, and how, is in its address."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.compare import choice as choices
from runs.compare import code, queries, rows, shown
from runs.compare.choice import Choice
from runs.compare.queries import Comparison
from runs.origins.known import patches
from runs.queries import list_runs
from runs.tensorboards.queries import can_show
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from studio.kernel.web import SignedInRequest, signed_in

TAB_LABELS: dict[str, str | Promise] = {
    "charts": gettext_lazy("Charts"),
    "details": gettext_lazy("Details"),
    "metrics": gettext_lazy("Metrics"),
    "parallel": gettext_lazy("Parallel coordinates"),
    "scatter": gettext_lazy("Scatter"),
    "box": gettext_lazy("Box"),
    "code": gettext_lazy("Code"),
    "packages": gettext_lazy("Packages"),
    "images": gettext_lazy("Images"),
    "tables": gettext_lazy("Tables"),
}
#: Files whose differences are in the page at once, and their bytes; the others come when they are opened.
OPEN_FILES, OPEN_BYTES = 12, 200_000
#: What of the runs that go on makes a tab read itself anew: their numbers, logged tables and pictures, or facts. A new
#: state does everywhere, and drawings read by themselves.
RINGS = {"charts": "points", "metrics": "points", "details": "run", "images": "items", "tables": "items"}
#: Rows of pictures of one page.
SHELVES = 30
#: Runs that are named when a word fits several.
NAMED = 5


@signed_in
def compare(request: SignedInRequest, ws: str) -> HttpResponse:
    """Two to MOST runs beside each other, in one of the tabs; with less it says how to choose them."""
    choice = choices.parse(dict(request.GET.lists()))
    if request.GET.get("drop") or request.GET.get("add", "").strip():
        return redirect(f"{reverse('compare', args=[ws])}?{_edited(request, ws, choice)}")
    comparison = queries.compared(ws, choice.runs, actor=request.actor, base=choice.word("base"))
    context = frame_of(ws, choice, comparison)
    if comparison.missing or len(comparison.runs) < 2:
        return render(request, "compare/few.html", context, status=404 if comparison.missing else 200)
    context |= tab_of(ws, choice, comparison, actor=request.actor)
    context["boards"] = comparison.ids if can_show(comparison.ids) else []
    return render(request, f"compare/{context['template']}.html", context)


def frame_of(ws: str, choice: Choice, comparison: Comparison) -> dict[str, Any]:
    """What every tab shows: the runs, which is the baseline, where the other tabs are."""
    start = choice.word("from")
    at = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 0
    window = shown.columns(comparison.runs, comparison.base, at)
    present = comparison.ids
    return {
        "choice": choice,
        "comparison": comparison,
        "columns": window,
        "tab": choice.tab,
        "tabs": [
            {"name": name, "label": TAB_LABELS[name], "query": choice.query(runs=present, tab=name, **{"from": None})}
            for name in choices.TABS
        ],
        "rings": RINGS.get(choice.tab, ""),
        "hidden": [(name, value) for name, values in choice.words.items() for value in values],
        "present": choice.query(runs=present),
        "more": _more(choice, len(present), at),
        "api": f"{reverse('api:compare', args=[ws])}?{choice.query(runs=present)}",
    }


def _more(choice: Choice, count: int, at: int) -> dict[str, Any] | None:
    """Where the columns before and after the shown ones are; None where all are shown."""
    if count <= rows.WINDOW:
        return None
    first, last = at + 1, min(at + rows.WINDOW, count)
    return {
        "first": first,
        "last": last,
        "count": count,
        "before": choice.query(**{"from": str(max(0, at - rows.WINDOW))}) if at else "",
        "after": choice.query(**{"from": str(at + rows.WINDOW)}) if last < count else "",
    }


def tab_of(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    """What the chosen tab shows, and its `template`."""
    if choice.tab in choices.DRAWN:
        return {"template": "plot", "only": False}
    work: dict[str, Callable[..., dict[str, Any]]] = {
        "charts": _charts,
        "details": _details,
        "metrics": _metrics,
        "code": _code,
        "packages": _packages,
        "images": _images,
        "tables": _tables,
    }
    found = work[choice.tab](ws, choice, comparison, actor=actor)
    return {"template": choice.tab, "only": choice.word("only") == "1", **found}


def _places(choice: Choice, comparison: Comparison) -> list[int]:
    start = choice.word("from")
    at = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 0
    return rows.window(len(comparison.runs), comparison.base, at)


def _charts(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    found = rows.metric_rows(comparison.runs, base=None, stats=("last",))
    told = [
        {"id": run.id, "name": run.name, "colour": run.colour, "going": not run.final, "base": at == comparison.base}
        for at, run in enumerate(comparison.runs)
    ]
    experiments = {run.experiment for run in comparison.runs}
    # Of runs of one experiment the order of charts is the one that its reader is used to.
    kept = experiments.pop() if len(experiments) == 1 else ""
    return {"keys": json.dumps([row.key for row in found]), "told": json.dumps(told), "kept": kept}


def _details(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    places = _places(choice, comparison)
    return {"sections": shown.sections(rows.details(comparison.runs), places, comparison.base)}


def _metrics(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    stat = choice.word("stat", "last")
    chosen = rows.STATS if stat == "all" else (stat if stat in rows.STATS else "last",)
    found = rows.metric_rows(comparison.runs, base=comparison.base, stats=chosen)
    offered = [*shown.STATS.items(), ("all", gettext_lazy("all three"))]
    return {
        "groups": shown.metric_table(found, _places(choice, comparison)),
        "stat": stat if stat == "all" else chosen[0],
        "stats": [{"name": name, "label": label, "query": choice.query(stat=name)} for name, label in offered],
    }


def _packages(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    found = queries.packages_of(ws, comparison, actor=actor)
    labels = {"asked": _("Asked for by the environment"), "recorded": _("Installed, as the run wrote it down")}
    told = shown.sections(found, _places(choice, comparison), comparison.base)
    return {"sections": [{**one, "label": labels[one["name"]]} for one in told]}


def _images(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    found, more = queries.pictures_of(ws, comparison, actor=actor)
    name = choice.word("name").casefold()
    fitting = [shelf for shelf in found if name in shelf.name.casefold()]
    places = _places(choice, comparison)
    told = []
    for shelf in fitting[:SHELVES]:
        steps = shelf.steps
        cells = []
        for at in places:
            run = comparison.runs[at]
            own = shelf.held.get(run.id, {})
            cells.append(
                {
                    "run": run,
                    "now": shelf.at(run.id, None),
                    "all": json.dumps(sorted(own.items(), key=lambda one: one[0] or 0)),
                }
            )
        told.append({"name": shelf.name, "steps": steps, "cells": cells})
    return {"shelves": told, "count": len(fitting), "all_shelves": len(found), "cut": more}


def _tables(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    found, more = queries.tables_of(ws, comparison, actor=actor)
    name = choice.word("name").casefold()
    fitting = [one for one in found if name in one.name.casefold()]
    runs = {run.id: run for run in comparison.runs}
    told = [
        {"table": one, "lines": [(runs[line.run], line) for line in one.lines], "steps": one.steps}
        for one in fitting[:SHELVES]
    ]
    return {"tables": told, "count": len(fitting), "all_tables": len(found), "cut": more}


def _code(ws: str, choice: Choice, comparison: Comparison, *, actor: Actor) -> dict[str, Any]:
    one, other = two_of(choice, comparison)
    view = "unified" if choice.word("view") == "unified" else "split"
    told: dict[str, Any] = {
        "one": one,
        "other": other,
        "view": view,
        "git": _git(one, other),
        "patches": patches([one, other]),
    }
    told["views"] = [(name, choice.query(view=name)) for name in ("split", "unified")]
    told["swap"] = choice.query(a=other.id, b=one.id)
    if not (one.snapshot and other.snapshot):
        return {**told, "without": [run for run in (one, other) if not run.snapshot]}
    found, same = queries.code_between(ws, one, other, actor=actor)
    files, opened, size = [], 0, 0
    for at, change in enumerate(found):
        weight = sum(entry["size"] for entry in (change.old, change.new) if entry)
        now = opened < OPEN_FILES and size + weight <= OPEN_BYTES and change.state != "moved"
        if now:
            opened, size = opened + 1, size + weight
        diff = queries.file_between(change, actor=actor) if now else None
        files.append({"at": at, "change": change, "diff": diff, "big": code.is_big(change)})
    counts = {
        state: sum(change.state == state for change in found) for state in ("changed", "added", "removed", "moved")
    }
    return {**told, "files": files, "same": same, "counts": counts}


def two_of(choice: Choice, comparison: Comparison) -> tuple[rows.Facts, rows.Facts]:
    """The two runs whose code is compared: the baseline and the first of the others, when nobody chose."""
    places = [comparison.place(choice.word(name)) for name in ("a", "b")]
    first = places[0] if places[0] is not None else comparison.base or 0
    second = places[1]
    if second is None:
        second = next(at for at in range(len(comparison.runs)) if at != first)
    return comparison.runs[first], comparison.runs[second]


def _git(one: rows.Facts, other: rows.Facts) -> list[dict[str, Any]]:
    """What is known of the commits of two runs, and the uncommitted changes where a client stored them."""
    labels = {
        "branch": _("Branch"),
        "commit": _("Commit"),
        "remote": _("Remote"),
        "dirty": _("Changed since the commit"),
    }
    told = []
    for key, label in labels.items():
        values = [run.git.get(key) for run in (one, other)]
        if any(value is not None for value in values):
            words = [(_("yes") if value else _("no")) if isinstance(value, bool) else value for value in values]
            told.append({"label": label, "values": words, "differs": values[0] != values[1]})
    return told


@signed_in
def file(request: SignedInRequest, ws: str) -> HttpResponse:
    """The difference of one file, for a page that opens it."""
    choice = choices.parse(dict(request.GET.lists()))
    comparison = queries.require(ws, choice.runs, actor=request.actor)
    one, other = two_of(choice, comparison)
    path = request.GET.get("path", "")
    found, _same = queries.code_between(ws, one, other, actor=request.actor)
    change = next((change for change in found if change.path == path), None)
    if change is None:
        raise NotFound(_("The file %(path)s is the same in both, or in neither.") % {"path": repr(path[:200])})
    view = "unified" if choice.word("view") == "unified" else "split"
    told = {"change": change, "diff": queries.file_between(change, actor=request.actor), "view": view}
    return render(request, "compare/difference.html", told)


def _edited(request: SignedInRequest, ws: str, choice: Choice) -> str:
    """The query string after a run was taken out or put in."""
    gone, text = request.GET.get("drop", ""), request.GET.get("add", "").strip()
    if gone:
        return choice.without(gone)
    found = _found(ws, text, actor=request.actor)
    new = [run_id for run_id, _name in found if run_id not in choice.runs]
    if len(found) == 1:
        return choice.query(runs=[*choice.runs, *new])
    if not found:
        messages.error(request, _("No run is called %(text)s.") % {"text": text[:80]})
    else:
        names = ", ".join(name for _id, name in found[:NAMED])
        messages.error(request, _("Several runs are called so: %(names)s. Choose one of the list.") % {"names": names})
    return choice.query()


def _found(ws: str, text: str, *, actor: Actor) -> Sequence[tuple[str, str]]:
    """(id, name) of the runs that a word means: one id, else names that contain it."""
    if len(text) == 26 and text.isalnum():
        known = queries.compared(ws, [text], actor=actor).runs
        if known:
            return [(known[0].id, known[0].name)]
    return [(run.pk, run.name) for run in list_runs(ws, actor=actor, text=text[:200], limit=NAMED + 1)]
