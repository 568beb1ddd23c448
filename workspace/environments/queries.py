"""Reading environments."""

from django.db.models import QuerySet

from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from workspace.access import get_workspace
from workspace.environments.models import Environment, EnvironmentVersion
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
