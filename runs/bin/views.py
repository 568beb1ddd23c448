"""Pages of the recycle bin, and the question before something goes into it or out of it for good."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from runs import services
from runs.bin import queries
from runs.queries import list_by_id
from runs.tables import forms
from runs.tables.mistakes import marked
from studio.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from studio.kernel.posting import post
from studio.kernel.sizes import size_text
from studio.kernel.web import SignedInRequest, signed_in

#: From so many bytes on the size has to be typed before they go for good.
BIG = 100_000_000
#: Names that the question tells; of more it says how many.
NAMED = 8


@signed_in
def listing(request: SignedInRequest, ws: str) -> HttpResponse:
    word = request.GET.get("page", "1")
    page = int(word) if word.isascii() and word.isdigit() and len(word) < 7 else 1
    asked = forms.read({"filter": request.GET.get("filter", "")})
    shown: dict[str, Any] = {"asked": asked, "all": queries.count_bin(ws, actor=request.actor)}
    try:
        count = queries.count_bin(ws, actor=request.actor, filter=asked.filter) if asked.filter else shown["all"]
        entries = queries.list_bin(ws, actor=request.actor, page=page, filter=asked.filter)
    except Invalid as error:
        return render(request, "runs/bin.html", shown | {"wrong": marked(error, asked.filter)}, status=422)
    page = max(1, page)
    shown |= {"entries": entries, "count": count, "page": page, "more": count > page * queries.PAGE}
    return render(request, "runs/bin.html", shown)


@signed_in
def delete(request: SignedInRequest, ws: str) -> HttpResponse:
    """Of `run=…` once or several times: the question with what it frees, or with POST the deed."""
    asked = (request.POST if request.method == "POST" else request.GET).getlist("run")[: services.MOST_IN_BIN]
    if request.method == "POST":
        return _delete(request, ws, asked)
    found = list_by_id(ws, asked, actor=request.actor)
    if not found:
        raise NotFound(_("None of these runs is there any more."))
    shown = {
        "runs": found,
        "named": found[:NAMED],
        "more": max(0, len(found) - NAMED),
        "going": [run for run in found if not run.is_final],
        "freed": queries.freed(ws, [run.pk for run in found], actor=request.actor),
        "keeps": _days(),
        "next": ours(request, request.GET.get("next", "")),
    }
    return render(request, "runs/delete.html", shown)


def _delete(request: SignedInRequest, ws: str, asked: list[str]) -> HttpResponse:
    runs_page = reverse("runs", args=[ws])
    if len(asked) == 1:
        back = reverse("run", args=[ws, asked[0]])
        try:
            services.delete_run(ws, asked[0], actor=request.actor)
        except (Conflict, Invalid) as refused:
            messages.error(request, " ".join(filter(None, [refused.message, refused.hint])))
            return redirect(back)
        done = 1
    else:
        result = services.delete_runs(ws, asked, actor=request.actor)
        done = len(result.runs)
        for one in result.refused[:5]:
            messages.error(request, f"{one.name or one.id}: {one.error.message} {one.error.hint or ''}".strip())
    if done:
        days = _days()
        said = ngettext(
            "%(n)d run is in the recycle bin, and can be restored for %(days)d days.",
            "%(n)d runs are in the recycle bin, and can be restored for %(days)d days.",
            done,
        )
        messages.success(request, said % {"n": done, "days": days}, extra_tags=reverse("bin", args=[ws]))
    return redirect(ours(request, request.POST.get("next", "")) or runs_page)


@require_POST
@signed_in
def restore(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    return post(
        request,
        lambda: services.restore_run(ws, run, actor=request.actor),
        said=_("The run is back."),
        to=reverse("run", args=[ws, run]),
        back=reverse("bin", args=[ws]),
    )


@signed_in
def purge(request: SignedInRequest, ws: str, run: str) -> HttpResponse:
    """The question before a run of the bin goes for good, or with POST the deed."""
    entry = queries.get_binned(ws, run, actor=request.actor)
    if entry is None:
        return redirect(reverse("run", args=[ws, run]))
    if not entry.mine:
        raise Forbidden(_("Only owners of the workspace delete what others have submitted."))
    size = size_text(entry.freed.size)
    typed = size if entry.freed.size >= BIG else ""
    if request.method != "POST":
        return render(request, "runs/purge.html", {"entry": entry, "typed": typed})

    def work() -> None:
        if typed and request.POST.get("typed", "").strip() != typed:
            raise Invalid(_("It frees %(size)s, which was not typed; nothing was deleted.") % {"size": size})
        services.purge_run(ws, run, actor=request.actor)

    return post(request, work, said=_("The run is gone for good."), to=reverse("bin", args=[ws]))


def ours(request: HttpRequest, wanted: str) -> str:
    """The address that a form goes on with when it is one of this studio, else nothing."""
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if wanted.startswith("/") and safe else ""


def _days() -> int:
    return max(1, round(settings.BIN_SECONDS / 86400))
