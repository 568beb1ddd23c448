"""Reading endpoints, and which bytes a replica may fetch."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from registry.endpoints.models import Deployment, Endpoint, Replica
from registry.models import ModelVersion
from runs.snapshots.models import Snapshot
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound
from workspace.access import can, get_workspace

READ = "endpoint.read"
#: Deployments of an endpoint that are shown, the newest first.
SHOWN = 50
#: A request to try an endpoint with is small, and a few are enough.
SAMPLE_BYTES = 64 * 1024
SAMPLES = 5


def list_endpoints(slug: str, *, actor: Actor) -> QuerySet[Endpoint]:
    """Return the endpoints of the workspace by name."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    rows = workspace.endpoints.select_related("workspace", "created_by")
    return rows.prefetch_related(Prefetch("deployments", Deployment.objects.order_by("-number"))).order_by("name")


def get_endpoint(slug: str, name: str, *, actor: Actor) -> Endpoint:
    """Return one endpoint. Raises NotFound when there is none of this name."""
    endpoint = list_endpoints(slug, actor=actor).filter(name=name.replace("\0", "")).first()
    if endpoint is None:
        raise NotFound(_("There is no endpoint %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": slug})
    return endpoint


def list_deployments(slug: str, name: str, *, actor: Actor) -> list[Deployment]:
    """Return the deployments of an endpoint, the newest first, with all that `deployment_out` shows."""
    endpoint = get_endpoint(slug, name, actor=actor)
    rows = Deployment.objects.filter(endpoint=endpoint).select_related(
        "model_version__model", "environment_version__environment", "target", "created_by"
    )
    replicas = Prefetch("replicas", Replica.objects.select_related("node").order_by("pk"))
    return list(rows.defer("model_version__files").prefetch_related(replicas).order_by("-number")[:SHOWN])


def samples(deployment: Deployment, *, actor: Actor) -> list[str]:
    """Return paths of small JSON files in a deployment's code, to try it with; none for who may not read code."""
    if not can(deployment.endpoint.workspace, actor=actor, action="snapshot.read"):
        return []
    files = deployment.code.files
    fit = (one["path"] for one in files if one["path"].endswith(".json") and one["size"] <= SAMPLE_BYTES)
    return list(islice(fit, SAMPLES))


def endpoint_out(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as doors show it. Its state is that of the deployment that answers, else of the newest one."""
    deployments = list(endpoint.deployments.all())
    serving = next((one for one in deployments if one.traffic > 0), deployments[0] if deployments else None)
    slug = endpoint.workspace.slug
    return {
        "name": endpoint.name,
        "description": endpoint.description,
        "state": serving.state if serving else "empty",
        "score_url": f"{settings.PUBLIC_URL}/score/{slug}/{endpoint.name}",
        "created": endpoint.created,
        "created_by": endpoint.created_by.username if endpoint.created_by else None,
    }


def deployment_out(deployment: Deployment) -> dict[str, Any]:
    """The deployment as doors show it."""
    version, environment = deployment.model_version, deployment.environment_version
    return {
        "number": deployment.number,
        "state": deployment.state,
        "reason": deployment.reason,
        "model": f"{version.model.name}:{version.version}",
        "environment": f"{environment.environment.name}:{environment.version}",
        "snapshot": deployment.code_id,
        "entry_script": deployment.entry_script,
        "target": deployment.target.name,
        "traffic": deployment.traffic,
        "replicas_wanted": deployment.replicas_wanted,
        "replicas": [
            {
                "id": one.pk,
                "state": one.state,
                "wanted": one.wanted,
                "node": one.node.name if one.node else None,
                "reason": one.reason,
                "log_tail": one.log_tail,
            }
            for one in deployment.replicas.all()
        ],
        "created": deployment.created,
        "created_by": deployment.created_by.username if deployment.created_by else None,
    }


def blob_size(replica_id: str, sha256: str, *, actor: Actor) -> int:
    """Return the size in bytes of a file of the replica's model or code.

    Raises NotFound for a replica of another node, and for a hash that belongs to neither, even if the workspace
    holds it.
    """
    return blob_sizes(replica_id, [sha256], actor=actor)[sha256][1]


def blob_sizes(replica_id: str, sha256s: Sequence[str], *, actor: Actor) -> dict[str, tuple[str, int]]:
    """(hash, size in bytes) of several such files, by hash. Raises as `blob_size`."""
    if actor.kind != "node":
        raise Forbidden(_("This address takes the token of a node."))
    rows = Replica.objects.filter(pk=replica_id, node_id=actor.node_id, wanted=True)
    found = rows.values_list("deployment__model_version_id", "deployment__code_id").first()
    if found is None:
        raise NotFound(_("This node has no such replica."))
    lists = _version_sizes(found[0]), _snapshot_sizes(found[1])
    sizes = {sha256: one[sha256] for one in lists for sha256 in sha256s if sha256 in one}
    if len(sizes) < len(set(sha256s)):
        raise NotFound(_("This file belongs neither to the replica's model nor to its code."))
    return {sha256: (sha256, size) for sha256, size in sizes.items()}


# A node fetches thousands of files one after another; both tables are immutable, so a few lists are kept.
@lru_cache(maxsize=16)
def _version_sizes(version_id: int) -> dict[str, int]:
    files = ModelVersion.objects.filter(pk=version_id).values_list("files", flat=True).first()
    return {entry["sha256"]: entry["size"] for entry in files or []}


@lru_cache(maxsize=16)
def _snapshot_sizes(snapshot_id: str) -> dict[str, int]:
    files = Snapshot.objects.filter(pk=snapshot_id).values_list("files", flat=True).first()
    return {entry["sha256"]: entry["size"] for entry in files or []}
