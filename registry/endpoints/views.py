"""Pages of endpoints."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from registry.endpoints import queries, services
from studio.kernel.errors import Invalid
from studio.kernel.posting import post
from studio.kernel.web import SignedInRequest, signed_in


@signed_in
def endpoints(request: SignedInRequest, ws: str) -> HttpResponse:
    found = queries.list_endpoints(ws, actor=request.actor)
    shown = [(one, queries.endpoint_out(one)["state"]) for one in found]
    return render(request, "endpoints/list.html", {"endpoints": shown})


@signed_in
def endpoint(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    """One endpoint: what serves it, a form to try it, how to call it."""
    found = queries.get_endpoint(ws, name, actor=request.actor)
    rows = found.deployments.select_related("model_version__model", "environment_version__environment", "target")
    deployments = list(rows.prefetch_related("replicas__node").order_by("-number")[:20])
    newest = deployments[0] if deployments else None
    serving = next((one for one in deployments if one.traffic > 0), newest)
    shown = {
        "endpoint": found,
        "deployments": deployments,
        "newest": newest,
        "serving": serving,
        "samples": queries.samples(serving, actor=request.actor) if serving else [],
    }
    return render(request, "endpoints/endpoint.html", shown)


@require_POST
@signed_in
def deploy(request: SignedInRequest, ws: str) -> HttpResponse:
    """Deploy a model version behind an endpoint, which is made when there is none of this name."""
    form, actor = request.POST, request.actor
    name = form.get("endpoint", "").strip()

    back = reverse("model", args=[ws, form.get("model", "").partition(":")[0] or "-"])
    there = reverse("endpoint", args=[ws, name or "-"])
    return post(
        request,
        lambda: services.make_and_deploy(
            ws,
            name,
            actor=actor,
            model=form.get("model", ""),
            snapshot=form.get("snapshot", ""),
            entry_script=form.get("entry_script", ""),
            environment=form.get("environment", ""),
        ),
        said=_("The deployment was made. Its replica is starting."),
        to=there,
        back=back,
    )


@require_POST
@signed_in
def regenerate(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    return post(
        request,
        lambda: services.regenerate_key(ws, name, actor=request.actor, which=request.POST.get("which", "")),
        said=_("The key was made anew. The old one stops working within a second."),
        to=reverse("endpoint", args=[ws, name]),
    )


@require_POST
@signed_in
def delete(request: SignedInRequest, ws: str, name: str) -> HttpResponse:
    def work() -> None:
        if request.POST.get("typed") != name:
            raise Invalid(_("The name was not typed as it is; nothing was deleted."))
        services.delete_endpoint(ws, name, actor=request.actor)

    here = reverse("endpoint", args=[ws, name])
    return post(request, work, said=_("The endpoint was deleted."), to=reverse("endpoints", args=[ws]), back=here)
