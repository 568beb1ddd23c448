"""Founding a workspace: the bare tenant, furnished with what its people need to run something.

Above the rooms, because it brings them together; every door that makes a workspace comes here.
"""

from django.db import transaction

from studio.kernel.actors import Actor
from workspace.environments.services import install_curated
from workspace.models import Workspace
from workspace.services import create_workspace


@transaction.atomic
def found_workspace(*, actor: Actor, slug: str, name: str, description: str = "") -> Workspace:
    """Make a workspace owned by the actor, with the curated environments.

    Raises as `workspace.services.create_workspace` does; then nothing at all was made.
    """
    workspace = create_workspace(actor=actor, slug=slug, name=name, description=description)
    install_curated(workspace)
    return workspace
