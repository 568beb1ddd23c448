"""Deploying a model version behind an endpoint: everything that can be wrong is refused here."""

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from registry import queries as models
from registry.endpoints.models import Deployment, Replica
from registry.endpoints.services.making import create_endpoint, locked
from registry.endpoints.services.placing import add_replicas, place
from registry.endpoints.services.telling import hint_nodes, reroute, tell
from registry.forms import nearest
from registry.models import Model
from runs.snapshots import queries as snapshots
from runs.snapshots.models import Snapshot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.compute import queries as compute
from workspace.environments import queries as environments
from workspace.references import did_you_mean

MAX_REPLICAS = 16
MAX_SCRIPT = 300


@transaction.atomic
def deploy(
    slug: str,
    name: str,
    *,
    actor: Actor,
    model: str,
    snapshot: str,
    entry_script: str,
    environment: str,
    target: str = "local",
    replicas: int = 1,
) -> Deployment:
    """Make the next deployment of an endpoint; requests go to it once all its replicas are ready.

    Until then, and when it fails, the present one answers. One that was not ready yet is replaced at once. Raises
    NotFound for the endpoint, Invalid that names the nearest model, script, environment or target.
    """
    workspace = get_workspace(slug, actor=actor, action="endpoint.create")
    version = models.resolve(workspace, model)
    code = snapshots.resolve(workspace, snapshot)
    script = _script(entry_script, code)
    packages = environments.resolve(workspace, environment)
    place_of = compute.resolve(workspace, target)
    if not 1 <= replicas <= MAX_REPLICAS:
        raise Invalid(
            _("A deployment has 1 to %(most)s replicas, not %(replicas)s.")
            % {"most": MAX_REPLICAS, "replicas": replicas},
            field="replicas",
        )
    # The deletion of a model holds this row: it comes wholly before or wholly after.
    if not Model.objects.select_for_update(no_key=True).filter(pk=version.model_id).exists():
        raise Invalid(
            _("The model %(model)s was deleted just now.") % {"model": model}, code="no_such_model", field="model"
        )
    endpoint = locked(workspace, name)
    number = 1 + (endpoint.deployments.aggregate(newest=Max("number"))["newest"] or 0)
    deployment = Deployment.objects.create(
        endpoint=endpoint,
        number=number,
        model_version=version,
        code=code,
        entry_script=script,
        environment_version=packages,
        target=place_of,
        replicas_wanted=replicas,
        created_by_id=actor.user_id,
    )
    _replace_unfinished(deployment)
    add_replicas(deployment, replicas)
    place(deployment)
    told = {"deployment": number, "model": f"{version.model.name}:{version.version}", "target": place_of.name}
    record(actor=actor, workspace=workspace, action="endpoint.deploy", target=name, fields=told)
    tell(slug, name)
    reroute()
    return deployment


@transaction.atomic
def make_and_deploy(
    slug: str, name: str, *, actor: Actor, model: str, snapshot: str, entry_script: str, environment: str
) -> Deployment:
    """`deploy`, to an endpoint that is made when there is none of this name; a refused one leaves none behind."""
    try:
        create_endpoint(slug, actor=actor, name=name)
    except Conflict as known:
        if known.code != "taken":
            raise
    return deploy(
        slug,
        name,
        actor=actor,
        model=model,
        snapshot=snapshot,
        entry_script=entry_script,
        environment=environment,
    )


def _script(entry_script: str, code: Snapshot) -> str:
    script = entry_script.strip().removeprefix("./")
    known = [entry["path"] for entry in code.files]
    if script in known and len(script) <= MAX_SCRIPT:
        return script
    near = nearest(script, known)
    raise Invalid(
        _("The script %(script)s is not among the files of the snapshot (%(count)s).")
        % {"script": repr(script[:MAX_SCRIPT]), "count": len(known)}
        + did_you_mean(near),
        code="no_such_script",
        hint=_("Give its path relative to the folder of the scoring code."),
        field="entry_script",
        nearest=near,
    )


def _replace_unfinished(deployment: Deployment) -> None:
    older = Deployment.objects.filter(endpoint=deployment.endpoint, state=Deployment.State.TRANSITIONING)
    for one in older.exclude(pk=deployment.pk):
        Replica.objects.filter(deployment=one, wanted=True).update(wanted=False)
        why = f"Deployment {deployment.number} replaced it before it was ready."
        older.filter(pk=one.pk).update(state=Deployment.State.RETIRED, reason=why, traffic=0)
        hint_nodes(one.target_id)
