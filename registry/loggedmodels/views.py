"""The page of a logged model."""

from django.http import HttpResponse
from django.shortcuts import render

from registry.loggedmodels import queries
from studio.kernel.web import SignedInRequest, signed_in


@signed_in
def logged_model(request: SignedInRequest, ws: str, model: str) -> HttpResponse:
    """What a run logged as its model: files, parameters, what was measured of it, and the dialog that registers it."""
    found = queries.get_logged_model(ws, model, actor=request.actor)
    files = list(queries.list_files(ws, model, actor=request.actor))
    shown = {"logged": found, "files": files, "size": sum(one.size for one in files)}
    return render(request, "registry/logged.html", shown)
