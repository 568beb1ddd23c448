"""The history of a workspace, for its owners."""

from django.http import HttpResponse
from django.shortcuts import render

from studio.kernel.web import SignedInRequest, signed_in
from workspace.audit import queries

PAGE = 100


@signed_in
def activity(request: SignedInRequest, ws: str) -> HttpResponse:
    before = request.GET.get("before", "")
    entries = queries.list_entries(
        ws, actor=request.actor, limit=PAGE, before=int(before) if before.isdecimal() and len(before) < 18 else None
    )
    older = entries[-1].pk if len(entries) == PAGE else None
    return render(request, "audit/activity.html", {"entries": entries, "older": older})
