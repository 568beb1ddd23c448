"""Pages of models."""

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from registry import queries, services
from registry.models import ModelVersion
from studio.kernel.actors import Actor
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
        "versions": queries.list_versions(ws, name, actor=request.actor).select_related("run__snapshot"),
        "environments": list_environments(ws, actor=request.actor),
    }
    return render(request, "registry/model.html", shown)


@require_POST
@signed_in
def register(request: SignedInRequest, ws: str) -> HttpResponse:
    """Register files of a run's outputs, or a logged model; the dialog stands on the page of either."""
    form = request.POST
    logged, run = form.get("logged", ""), form.get("run") or "-"
    return post(
        request,
        lambda: _register(ws, form, actor=request.actor),
        said=_("The model was registered."),
        to=lambda made: reverse("model", args=[ws, made.model.name]),
        back=reverse("logged_model", args=[ws, logged]) if logged else reverse("run", args=[ws, run]),
    )


def _register(ws: str, form: QueryDict, *, actor: Actor) -> ModelVersion:
    name, description, logged = (form.get(key, "") for key in ("name", "description", "logged"))
    if logged:
        return services.register_logged_model(ws, logged, actor=actor, name=name, description=description)
    run, path = form.get("run", ""), form.get("path", "")
    return services.register_model(ws, actor=actor, name=name, run_id=run, path=path, description=description)


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    def work() -> None:
        if request.POST.get("typed") != name:
            raise Invalid(_("The name was not typed as it is; nothing was deleted."))
        services.delete_model(ws, name, actor=request.actor)

    here = reverse("model", args=[ws, name])
    return post(request, work, said=_("The model was deleted."), to=reverse("models", args=[ws]), back=here)


@require_POST
@signed_in
def alias(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """Let an alias mean a version, or nothing when `remove` is asked for."""
    form = request.POST
    gone, word, number = form.get("remove", ""), form.get("alias", "").strip(), form.get("version", "")

    def work() -> None:
        if gone:
            services.delete_alias(ws, name, gone, actor=request.actor)
            return
        version = int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else 0
        services.set_alias(ws, name, word, version, actor=request.actor)

    here = reverse("model", args=[ws, name])
    said = _("The alias was removed.") if gone else _("The alias was set.")
    return post(request, work, said=said, to=here, back=here)
