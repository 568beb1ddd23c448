"""Pages of models."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from registry import queries, services
from studio.kernel.errors import Invalid
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in
from workspace.environments.queries import list_environments


@signed_in
def models(request: SignedInRequest, ws: str) -> HttpResponse:
    return render(request, "registry/list.html", {"models": queries.list_models(ws, actor=request.actor)})


@signed_in
def model(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """One model with its versions, and the dialog that deploys one of them."""
    found = queries.get_model(ws, name, actor=request.actor)
    shown = {
        "model": found,
        "versions": found.versions.select_related("run__snapshot", "created_by").order_by("-version"),
        "environments": list_environments(ws, actor=request.actor),
    }
    return render(request, "registry/model.html", shown)


@require_POST
@signed_in
def register(request: SignedInRequest, ws: str) -> HttpResponse:
    """Register files of a run's outputs; the dialog stands on the run's page."""
    form = request.POST
    return post(
        request,
        lambda: services.register_model(
            ws,
            actor=request.actor,
            name=form.get("name", ""),
            run_id=form.get("run", ""),
            path=form.get("path", ""),
            description=form.get("description", ""),
        ),
        said=_("The model was registered."),
        to=lambda made: reverse("model", args=[ws, made.model.name]),
        back=reverse("run", args=[ws, form.get("run") or "-"]),
    )


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    def work() -> None:
        if request.POST.get("typed") != name:
            raise Invalid(_("The name was not typed as it is; nothing was deleted."))
        services.delete_model(ws, name, actor=request.actor)

    here = reverse("model", args=[ws, name])
    return post(request, work, said=_("The model was deleted."), to=reverse("models", args=[ws]), back=here)
