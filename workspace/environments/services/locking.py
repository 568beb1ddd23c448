"""Keeping what a version was resolved to: the first answer counts, for everybody and for ever."""

from django.db import transaction

from studio.kernel.actors import Actor
from workspace.audit.services import record
from workspace.environments import locks, queries
from workspace.environments.models import EnvironmentLock
from workspace.environments.services.telling import tell


@transaction.atomic
def keep_lock(version_id: int, *, actor: Actor, python: str, platform: str, requirements: str) -> EnvironmentLock:
    """Keep the lock that a node reports for a version; return the one that counts, which may be an earlier one.

    A lock that counts everywhere ends the question for its Python: one for a single platform comes too late.
    Raises Invalid for what is no lock or lacks what the version asks for, NotFound, Forbidden.
    """
    version = queries.version_for_node(version_id, actor=actor)
    locks.check_place(python, platform)
    packages = locks.parse_lock(requirements)
    locks.check_meets(version.spec.get("requirements") or [], packages)
    # The row of the version is the lock: of two reports at once the second sees the first.
    type(version).objects.select_for_update(no_key=True).get(pk=version.pk)
    first = version.locks.filter(python=python, platform__in=[locks.ANY, platform]).order_by("pk").first()
    if first is not None:
        return first
    kept = version.locks.create(
        python=python,
        platform=platform,
        requirements=requirements,
        sha256=locks.sha256(requirements),
        packages=len(packages),
        node_name=actor.name,
    )
    name = f"{version.environment.name}:{version.version}"
    record(
        actor=actor,
        workspace=version.environment.workspace,
        action="environment.lock",
        target=name,
        fields={"python": python, "platform": platform, "sha256": kept.sha256},
    )
    tell(version)
    return kept
