"""Reading environments."""

from typing import Any

from django.db.models import QuerySet

from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound, Unauthenticated
from workspace.access import authorize, get_workspace
from workspace.environments.models import Environment, EnvironmentLock, EnvironmentVersion
from workspace.environments.recipe import SYSTEM as SYSTEM_KIND
from workspace.models import Workspace
from workspace.references import find_version

READ = "environment.read"


def list_environments(slug: str, *, actor: Actor) -> QuerySet[Environment]:
    """Return the environments of the workspace, curated ones first, then by name."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    return workspace.environments.select_related("created_by").order_by("-curated", "name")


def get_environment(slug: str, name: str, *, actor: Actor) -> Environment:
    """Return one environment. Raises NotFound when there is none of this name."""
    environment = list_environments(slug, actor=actor).filter(name=name).first()
    if environment is None:
        raise NotFound(f"There is no environment {name[:64]!r} in {slug}.")
    return environment


def list_versions(slug: str, name: str, *, actor: Actor) -> QuerySet[EnvironmentVersion]:
    """Return the versions of an environment, newest first."""
    environment = get_environment(slug, name, actor=actor)
    return environment.versions.select_related("created_by", "environment").order_by("-version")


def get_version(slug: str, name: str, version: int | None = None, *, actor: Actor) -> EnvironmentVersion:
    """Return one version, the newest one for None. Raises NotFound."""
    versions = list_versions(slug, name, actor=actor)
    found = (versions if version is None else versions.filter(version=version)).first()
    if found is None:
        raise NotFound(f"The environment {name} has no version {version}.")
    return found


def version_for_node(version_id: int, *, actor: Actor) -> EnvironmentVersion:
    """Return a version of the node's own workspace. Raises NotFound for any other, Forbidden for who is no node."""
    if actor.kind == "anonymous":
        raise Unauthenticated("Send a node token in the Authorization header.")
    if actor.kind != "node":
        raise Forbidden("This address takes the token of a node.")
    rows = EnvironmentVersion.objects.select_related("environment__workspace").filter(pk=version_id)
    version = rows.filter(environment__workspace=actor.workspace_id or 0).first()
    if version is None:
        raise NotFound("There is no such version of an environment.")
    authorize(version.environment.workspace, actor=actor, action="environment.make")
    return version


def lock_for_node(version_id: int, sha256: str, *, actor: Actor) -> EnvironmentLock:
    """Return a lock of a version by its hash. Raises as `version_for_node`."""
    lock = version_for_node(version_id, actor=actor).locks.filter(sha256=sha256[:64]).first()
    if lock is None:
        raise NotFound("This version has no such lock.")
    return lock


def as_spec(version: EnvironmentVersion) -> dict[str, Any]:
    """What a node needs of a version that the caller has opened: id, name, version, spec, and which locks it has.

    The locks themselves are fetched by the nodes that lack them.
    """
    locks = version.locks.order_by("pk").values("python", "platform", "sha256")
    return {
        "id": version.pk,
        "name": version.environment.name,
        "version": version.version,
        "spec": version.spec,
        "lock": [] if version.spec["kind"] == SYSTEM_KIND else list(locks),
    }


def resolve(workspace: Workspace, reference: str) -> EnvironmentVersion:
    """Return the version that `name` or `name:version` means, in a workspace that the caller has opened.

    Raises Invalid that names the nearest environment when there is no such one.
    """
    versions = EnvironmentVersion.objects.filter(environment__workspace=workspace)
    return find_version(
        versions,
        reference,
        noun="environment",
        latest=workspace.environments.all(),
        place=workspace.slug,
        field="environment",
    )
