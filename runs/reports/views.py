"""Pages of reports: the list, one to read, one to write."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from runs.compare import choice as choices
from runs.compare import views as comparing
from runs.compare.queries import compared
from runs.reports import blocks as parts
from runs.reports import queries, services
from runs.reports.models import Report
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from studio.kernel.markdown import render as markdown
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in


@signed_in
def reports(request: SignedInRequest, ws: str) -> HttpResponse:
    found = list(queries.list_reports(ws, actor=request.actor)[: services.MOST])
    text = request.GET.get("q", "").strip()
    fitting = [one for one in found if text.casefold() in one.title.casefold()]
    return render(request, "reports/list.html", {"reports": fitting, "text": text, "all": len(found)})


@signed_in
def report(request: SignedInRequest, ws: str, report: str) -> HttpResponse:
    found = queries.get_report(ws, report, actor=request.actor)
    shown = {"report": found, "blocks": told(ws, found.blocks, actor=request.actor)}
    return render(request, "reports/report.html", shown)


def told(ws: str, blocks: list[dict[str, Any]], *, actor: Actor) -> list[dict[str, Any]]:
    """The blocks as a page shows them: text as HTML, comparisons with what their tab shows now."""
    return [
        {"kind": parts.TEXT, "html": markdown(block["text"])}
        if block["kind"] == parts.TEXT
        else {**_comparison(ws, block, actor=actor), "place": f"{at}-"}
        for at, block in enumerate(blocks)
    ]


def _comparison(ws: str, block: dict[str, Any], *, actor: Actor) -> dict[str, Any]:
    choice = choices.parse_address(block["query"])
    comparison = compared(ws, choice.runs, actor=actor, base=choice.word("base"))
    names = block.get("names", {})
    gone = [{"id": one.id, "name": one.name or names.get(one.id, "")} for one in comparison.missing]
    shown: dict[str, Any] = {"kind": parts.COMPARISON, "query": block["query"], "gone": gone}
    if len(comparison.runs) < 2:
        return {**shown, "template": "", "comparison": comparison}
    present = choices.Choice(tuple(comparison.ids), choice.words)
    frame = comparing.frame_of(ws, present, comparison)
    return {**shown, **frame, **comparing.tab_of(ws, present, comparison, actor=actor)}


@signed_in
def create(request: SignedInRequest, ws: str) -> HttpResponse:
    """A new report: an empty form, or one that a comparison or this page sent."""
    if request.method != "POST":
        queries.list_reports(ws, actor=request.actor)
        shown = {"report": None, "title": "", "blocks": [{"kind": parts.TEXT, "text": ""}], "version": 0}
        return render(request, "reports/edit.html", shown)
    return _written(request, ws, None)


@signed_in
def edit(request: SignedInRequest, ws: str, report: str) -> HttpResponse:
    found = queries.get_report(ws, report, actor=request.actor, action="report.edit")
    if request.method != "POST":
        shown = {"report": found, "title": found.title, "blocks": found.blocks, "version": found.version}
        return render(request, "reports/edit.html", shown)
    return _written(request, ws, found)


def _written(request: SignedInRequest, ws: str, before: Report | None) -> HttpResponse:
    """Keep, or preview, what the form sent; what cannot be kept comes back with everything that was written."""
    form, actor = request.POST, request.actor
    title = form.get("title", "")
    number = form.get("version", "")
    version = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    shown: dict[str, Any] = {"report": before, "title": title, "version": version}
    status = 200
    try:
        shown["blocks"] = given = parts.from_form(form.getlist("kind"), form.getlist("block"))
        if "preview" in form:
            shown["preview"] = told(ws, parts.clean(given), actor=actor)
        elif before is None:
            made = services.create_report(ws, actor=actor, title=title, blocks=given)
            messages.success(request, _("The report was saved."))
            return redirect("report", ws, made.pk)
        else:
            services.change_report(ws, before.pk, actor=actor, version=version, title=title, blocks=given)
            messages.success(request, _("The report was saved."))
            return redirect("report", ws, before.pk)
    except Conflict as refused:
        status = 409
        shown["wrong"] = refused
        if before is not None and refused.code == "changed":
            theirs = queries.get_report(ws, before.pk, actor=actor)
            shown |= {"theirs": theirs, "version": theirs.version}
    except Invalid as refused:
        # Scripts put in a preview only when it was answered well; the page says what is wrong either way.
        status = 200 if "preview" in form else 422
        shown |= {"wrong": refused, "blocks": shown.get("blocks", [])}
    return render(request, "reports/edit.html", shown, status=status)


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, report: str) -> HttpResponse:
    return post(
        request,
        lambda: services.delete_report(ws, report, actor=request.actor),
        said=_("The report was deleted."),
        to=reverse("reports", args=[ws]),
    )
