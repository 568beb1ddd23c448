"""Registering environments."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Conflict
from workspace import forms
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.environments import recipe
from workspace.environments.curated import CURATED
from workspace.environments.models import Environment, EnvironmentVersion
from workspace.environments.services.telling import tell
from workspace.models import Workspace
from zaffre.protocol import EnvironmentSpec


@transaction.atomic
def register_environment(
    slug: str, *, actor: Actor, name: str, spec: Mapping[str, Any], description: str = ""
) -> EnvironmentVersion:
    """Add a version of an environment; the newest one is returned (`.unchanged`) when it is the same already.

    `spec` as `recipe.parse_spec` takes it. Raises Invalid that names each
    line that is no requirement, Conflict `curated` for the studio's own environments.
    """
    workspace = get_workspace(slug, actor=actor, action="environment.create")
    name, checked = forms.clean_name(name, noun="an environment"), recipe.parse_spec(spec)
    description = forms.clean_description(description)
    if workspace.environments.filter(name=name, curated=True).exists():
        raise Conflict(
            _("The studio keeps the environment %(name)s itself.") % {"name": name},
            code="curated",
            hint=_("Register yours under another name."),
        )
    return _add_version(workspace, actor=actor, name=name, spec=checked, description=description, curated=False)


def require_create(slug: str, *, actor: Actor) -> None:
    """Raise what `register_environment` would raise for who may not, before a form is filled in."""
    get_workspace(slug, actor=actor, action="environment.create")


@transaction.atomic
def install_curated(workspace: Workspace, *, actor: Actor = SYSTEM) -> list[EnvironmentVersion]:
    """Give a workspace the studio's own environments, in their present versions. Repeating it is harmless.

    The caller has decided that the workspace may have them: it has just been made, or the studio was upgraded.
    """
    return [
        _add_version(
            workspace,
            actor=actor,
            name=item.name,
            spec=recipe.parse_spec(item.spec),
            description=item.description,
            curated=True,
        )
        for item in CURATED
    ]


def _add_version(
    workspace: Workspace, *, actor: Actor, name: str, spec: EnvironmentSpec, description: str, curated: bool
) -> EnvironmentVersion:
    made_by = {"created_by_id": actor.user_id}
    Environment.objects.get_or_create(workspace=workspace, name=name, defaults={"curated": curated, **made_by})
    # The row is the lock: two registrations at once get two numbers.
    environment = Environment.objects.select_for_update(no_key=True).get(workspace=workspace, name=name)
    digest = recipe.digest(spec)
    newest = environment.versions.filter(version=environment.latest).first()
    if newest is not None and newest.digest == digest:
        newest.unchanged = True
        return newest
    environment.latest += 1
    environment.description = description or environment.description
    environment.curated = curated
    environment.save(update_fields=["latest", "description", "curated"])
    version = EnvironmentVersion.objects.create(
        environment=environment, version=environment.latest, spec=spec, digest=digest, **made_by
    )
    record(
        actor=actor,
        workspace=workspace,
        action="environment.create",
        target=f"{name}:{version.version}",
        fields={"digest": digest},
    )
    tell(version)
    return version
