"""Founding a workspace: the bare tenant, furnished with what its people need to run something.

Above the rooms, because it brings them together; every door that makes a workspace comes here.
"""

from django.db import transaction

from studio.kernel.actors import Actor
from workspace.compute.services import create_target
from workspace.environments.services import install_curated
from workspace.models import Workspace
from workspace.services import create_workspace

#: The compute target that every workspace begins with; a run that names none goes there.
LOCAL = "local"


@transaction.atomic
def found_workspace(*, actor: Actor, slug: str, name: str, description: str = "") -> Workspace:
    """Make a workspace owned by the actor, with the curated environments and the compute target `local`.

    Raises as `workspace.services.create_workspace` does; then nothing at all was made.
    """
    workspace = create_workspace(actor=actor, slug=slug, name=name, description=description)
    install_curated(workspace)
    create_target(workspace, actor=actor, name=LOCAL)
    return workspace
