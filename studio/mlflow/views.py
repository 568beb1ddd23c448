"""The page behind the links that MLflow's client prints: <prefix>/#/experiments/<id>/runs/<run id>."""

from django.http import HttpResponse
from django.shortcuts import redirect, render

from runs.queries import get_experiment_by_id
from studio.kernel.errors import NotFound
from studio.kernel.web import SignedInRequest, signed_in
from workspace.queries import read_settings


@signed_in
def link(request: SignedInRequest, ws: str) -> HttpResponse:
    """The browser alone knows the part after #: the page's element goes on to our page of the run.

    With ?experiment=<id> the answer is the way to the page of that experiment.
    """
    number = request.GET.get("experiment", "")
    if number:
        if not (number.isascii() and number.isdigit() and len(number) <= 18):
            raise NotFound(f"There is no experiment {number[:40]!r} in {ws}.")
        return redirect("experiment", ws, get_experiment_by_id(ws, int(number), actor=request.actor).name)
    read_settings(ws, actor=request.actor)
    return render(request, "mlflow/link.html", {"ws": ws})
