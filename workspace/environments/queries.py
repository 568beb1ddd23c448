"""Reading environments."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext

from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound, Unauthenticated
from studio.kernel.rows import Rows
from workspace.access import authorize, get_workspace
from workspace.environments import recipe
from workspace.environments.locks import differences, parse_lock
from workspace.environments.models import Environment, EnvironmentBuild, EnvironmentLock, EnvironmentVersion
from workspace.forms import split_reference
from workspace.models import Workspace
from workspace.references import find_version

READ = "environment.read"


def list_environments(slug: str, *, actor: Actor) -> QuerySet[Environment]:
    """Return the environments of the workspace with the state of their `last_build`, curated ones first, by name."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    newest = EnvironmentBuild.objects.filter(version=OuterRef("newest")).order_by("-id").values("status")[:1]
    version = EnvironmentVersion.objects.filter(environment=OuterRef("pk")).order_by("-version").values("pk")[:1]
    rows = workspace.environments.annotate(newest=Subquery(version)).annotate(last_build=Subquery(newest))
    return rows.select_related("created_by").order_by("-curated", "name")


def get_environment(slug: str, name: str, *, actor: Actor) -> Environment:
    """Return one environment. Raises NotFound when there is none of this name."""
    environment = list_environments(slug, actor=actor).filter(name=name).first()
    if environment is None:
        raise NotFound(
            gettext("There is no environment %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": slug}
        )
    return environment


def list_versions(slug: str, name: str, *, actor: Actor) -> QuerySet[EnvironmentVersion]:
    """Return the versions of an environment, newest first."""
    environment = get_environment(slug, name, actor=actor)
    return environment.versions.select_related("created_by", "environment__workspace").order_by("-version")


def get_version(slug: str, name: str, version: int | None = None, *, actor: Actor) -> EnvironmentVersion:
    """Return one version, the newest one for None. Raises NotFound."""
    versions = list_versions(slug, name, actor=actor)
    found = (versions if version is None else versions.filter(version=version)).first()
    if found is None:
        raise NotFound(
            gettext("The environment %(name)s has no version %(version)s.") % {"name": name, "version": version}
        )
    return found


def list_builds(slug: str, name: str, *, actor: Actor, version: int | None = None) -> QuerySet[EnvironmentBuild]:
    """Return the builds of an environment, or of one version, newest first, without their logs. Raises NotFound."""
    environment = get_environment(slug, name, actor=actor)
    rows = EnvironmentBuild.objects.filter(version__environment=environment)
    rows = rows if version is None else rows.filter(version__version=version)
    return rows.select_related("version", "target", "created_by").defer("log").order_by("-id")


def get_build(slug: str, build_id: str, *, actor: Actor) -> EnvironmentBuild:
    """Return one build with its log. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    rows = EnvironmentBuild.objects.select_related("version__environment__workspace", "target", "created_by")
    build = rows.filter(version__environment__workspace=workspace, pk=build_id.replace("\0", "")).first()
    if build is None:
        raise NotFound(
            gettext("There is no build %(build_id)s in %(slug)s.") % {"build_id": repr(build_id[:40]), "slug": slug}
        )
    return build


def packages_of(version: EnvironmentVersion) -> tuple[EnvironmentLock | None, list[dict[str, Any]]]:
    """The first lock of a version that the caller has opened, and its packages; (None, []) without one."""
    lock = version.locks.order_by("pk").first()
    return lock, parse_lock(lock.requirements) if lock else []


def compare(slug: str, name: str, old: int, new: int, *, actor: Actor) -> dict[str, Any]:
    """Two versions beside each other: {old, new, asked, installed, unresolved}.

    `unresolved` are the numbers of those without a lock; `installed` is None while there are any.

    `asked` are {line, old, new}, `installed` {name, old, new} of what differs. Raises NotFound.
    """
    before, after = (get_version(slug, name, one, actor=actor) for one in (old, new))
    lines = [recipe.lines(one.spec) for one in (before, after)]
    asked = [
        {"line": line, "old": line in lines[0], "new": line in lines[1]}
        for line in dict.fromkeys(sorted({*lines[0], *lines[1]}))
        if (line in lines[0]) != (line in lines[1])
    ]
    locks = [packages_of(one) for one in (before, after)]
    unresolved = [one.version for one, (lock, _) in zip((before, after), locks, strict=True) if lock is None]
    return {
        "old": before,
        "new": after,
        "asked": asked,
        "installed": differences(locks[0][1], locks[1][1]) if not unresolved else None,
        "unresolved": unresolved,
    }


def used_by(version: EnvironmentVersion, *, most: int = 50) -> dict[str, Any]:
    """Runs and deployments of a version that the caller has opened: how many, and the newest of them.

    By the relations and not by their classes: runs and endpoints are built on environments, not the other way round.
    """
    runs = version.runs.filter(deleted__isnull=True)
    short = runs.select_related("experiment").only("name", "status", "created", "experiment__name")
    deployments = version.deployments.select_related("endpoint").order_by("-pk")
    return {
        "run_count": runs.count(),
        "runs": short.order_by("-id")[:most],
        "deployments": deployments[:most],
    }


def version_for_node(version_id: int, *, actor: Actor) -> EnvironmentVersion:
    """Return a version of the node's own workspace. Raises NotFound for any other, Forbidden for who is no node."""
    if actor.kind == "anonymous":
        raise Unauthenticated(gettext("Send a node token in the Authorization header."))
    if actor.kind != "node":
        raise Forbidden(gettext("This address takes the token of a node."))
    rows = EnvironmentVersion.objects.select_related("environment__workspace").filter(pk=version_id)
    version = rows.filter(environment__workspace=actor.workspace_id or 0).first()
    if version is None:
        raise NotFound(gettext("There is no such version of an environment."))
    authorize(version.environment.workspace, actor=actor, action="environment.make")
    return version


def lock_for_node(version_id: int, sha256: str, *, actor: Actor) -> EnvironmentLock:
    """Return a lock of a version by its hash. Raises as `version_for_node`."""
    lock = version_for_node(version_id, actor=actor).locks.filter(sha256=sha256[:64]).first()
    if lock is None:
        raise NotFound(gettext("This version has no such lock."))
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
        "spec": recipe.for_node(version.spec),
        "lock": list(locks) if recipe.is_resolved(version.spec) else [],
    }


def resolve(workspace: Workspace, reference: str) -> EnvironmentVersion:
    """Return the version that `name` or `name:version` means, in a workspace that the caller has opened.

    Raises Invalid that names the nearest environment when there is no such one.
    """
    name, number = split_reference(reference, noun="an environment")
    for version, environment in _NAMED.ask(workspace=workspace.pk, name=name, number=number):
        found: EnvironmentVersion = version
        found.environment = environment
        return found
    return find_version(
        EnvironmentVersion.objects.filter(environment__workspace=workspace),
        reference,
        noun="environment",
        parents=workspace.environments.all(),
        place=workspace.slug,
        field="environment",
    )


# Asked by each submission; what is wrong with a reference is looked for when nothing was found.
_NAMED = Rows(
    """
    SELECT {columns} FROM environments_environment environment
    JOIN environments_environmentversion version ON version.environment_id = environment.id
    WHERE environment.workspace_id = %(workspace)s AND environment.name = %(name)s
        AND (%(number)s::int IS NULL OR version.version = %(number)s::int)
    ORDER BY version.version DESC LIMIT 1
    """,
    {"version": (EnvironmentVersion, ()), "environment": (Environment, ())},
)
