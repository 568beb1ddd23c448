"""Reading environments."""

from difflib import get_close_matches

from django.db.models import QuerySet

from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from workspace.access import get_workspace
from workspace.environments.models import Environment, EnvironmentVersion
from workspace.forms import split_reference
from workspace.models import Workspace

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
    name, version = split_reference(reference, noun="an environment")
    versions = EnvironmentVersion.objects.filter(environment__workspace=workspace, environment__name=name)
    if version is not None:
        versions = versions.filter(version=version)
    found = versions.select_related("environment").order_by("-version").first()
    if found is not None:
        return found
    latest = dict(workspace.environments.values_list("name", "latest"))
    if name in latest:
        raise Invalid(
            f"The environment {name} has no version {version}: its newest is {latest[name]}.",
            code="no_such_version",
            field="environment",
        )
    near = get_close_matches(name, latest, n=1, cutoff=0.5)
    raise Invalid(
        f"There is no environment {name!r} in {workspace.slug}." + (f" Did you mean {near[0]!r}?" if near else ""),
        code="no_such_environment",
        hint=f"There are: {', '.join(sorted(latest)[:10])}." if latest else "Register one first.",
        field="environment",
        nearest=near[0] if near else None,
    )
