"""What the frame of a target's page shows, for every room that has a tab in it."""

from typing import Any

from studio.kernel.actors import Actor
from workspace.access import can
from workspace.compute import kinds, queries
from workspace.compute.models import ComputeTarget


def frame_of(ws: str, name: str, tab: str, *, actor: Actor) -> dict[str, Any]:
    """The target, and what the actor may do with it. Raises NotFound."""
    target = queries.get_target(ws, name, actor=actor)
    return {"target": target, "tab": tab, "may_change": may_change(target, actor=actor), "managed": is_managed(target)}


def may_change(target: ComputeTarget, *, actor: Actor) -> bool:
    """Whether the actor may change, start or delete it: an instance is its person's, the rest the owners'."""
    own = target.kind == kinds.INSTANCE and target.owner_id == actor.user_id
    return can(target.workspace, actor=actor, action="instance.use" if own else "compute.change")


def is_managed(target: ComputeTarget) -> bool:
    """Whether the studio starts and stops its nodes, so that no machine joins by a command."""
    return target.kind in kinds.MANAGED
