"""What the frame of a target's page shows, for every room that has a tab in it."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from studio.kernel.actors import Actor
from workspace.access import can
from workspace.compute import kinds, queries, schedules
from workspace.compute.models import ComputeTarget, Node


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


def overview_of(target: ComputeTarget, nodes: Sequence[Node]) -> dict[str, Any]:
    """The counts of a cluster's nodes, or when an instance stops and what its schedule does next."""
    if target.kind == kinds.CLUSTER:
        counts: dict[str, int] = {}
        for node in nodes:
            counts[node.shown_state] = counts.get(node.shown_state, 0) + 1
        return {"counts": counts, "there": sum(node.ended is None for node in nodes)}
    if target.kind != kinds.INSTANCE:
        return {}
    schedule, now = target.settings.get("schedule") or {}, timezone.now()
    zone = schedule.get("time_zone", "UTC")
    found = next((node for node in nodes if node.provider), None)
    return {
        "stops_at": queries.stops_at(target, found),
        "starts_next": schedules.next_after(schedule.get("start", ""), zone, now),
        "stops_next": schedules.next_after(schedule.get("stop", ""), zone, now),
    }
