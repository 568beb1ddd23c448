"""Pages of data. New versions come through the JSON door: the browser sends the files there."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from studio.kernel.errors import Invalid
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.datasets import queries, services


@signed_in
def datasets(request: SignedInRequest, ws: str) -> HttpResponse:
    rows = queries.list_datasets(ws, actor=request.actor)
    text = request.GET.get("q", "").replace("\0", "")
    return render(request, "datasets/list.html", {"datasets": rows.filter(name__icontains=text), "q": text})


@signed_in
def dataset(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    asked = request.GET.get("version", "")
    number = int(asked) if asked.isdecimal() and len(asked) < 10 else None
    version = queries.get_version(ws, name, number, actor=request.actor)
    shown = {
        "dataset": queries.get_dataset(ws, name, actor=request.actor),
        "versions": queries.list_versions(ws, name, actor=request.actor),
        "version": version,
        "preview": queries.preview(ws, name, version.version, request.GET.get("file") or None, actor=request.actor),
        "files": version.files[:500],
    }
    return render(request, "datasets/dataset.html", shown)


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    def work() -> None:
        if request.POST.get("typed") != name:
            raise Invalid(_("The name was not typed as it is; nothing was deleted."))
        services.delete_dataset(ws, name, actor=request.actor)

    here = reverse("dataset", args=[ws, name])
    return post(request, work, said=_("The dataset was deleted."), to=reverse("datasets", args=[ws]), back=here)
