"""What the frame of a target's page shows, for every room that has a tab in it."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from studio.kernel.actors import Actor
from workspace.access import can
from workspace.compute import kinds, queries, schedules
from workspace.compute.models import ComputeTarget, Node, Sample


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
    return {
        "stops_at": queries.stops_at(target, nodes),
        "starts_next": schedules.next_after(schedule.get("start", ""), zone, now),
        "stops_next": schedules.next_after(schedule.get("stop", ""), zone, now),
    }


#: What is drawn of a node's load, and the size of the drawing.
LOADS = ("cpu", "memory", "disk", "gpu")
WIDTH, HEIGHT = 360, 60
#: Seconds between two samples, after which the node is taken to have been silent: it sends one every 20 s.
SILENCE = 90.0


def charts_of(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """A line for each part of the machine: {key, begun, last, most, pieces}, the points of each as SVG has them.

    It is broken where nothing was heard of the node. The whole height is 1, or the most that was seen if that is more.
    """
    found = []
    for key in LOADS:
        seen = [(one.at.timestamp(), float(one.load[key])) for one in samples if key in one.load]
        if len(seen) < 2:
            continue
        begun, span = seen[0][0], max(1.0, seen[-1][0] - seen[0][0])
        most = max(value for _, value in seen)
        top = max(1.0, most)
        pieces: list[list[str]] = []
        before = -math.inf
        for at, value in seen:
            if at - before > SILENCE:
                pieces.append([])
            pieces[-1].append(f"{WIDTH * (at - begun) / span:.1f},{HEIGHT - (HEIGHT - 2) * value / top - 1:.1f}")
            before = at
        lines = [" ".join(piece) for piece in pieces]
        found.append({"key": key, "begun": samples[0].at, "last": seen[-1][1], "most": most, "pieces": lines})
    return found


def shelf_of(node: Node, *, actor: Actor) -> dict[str, Any]:
    """What the node said it keeps of environments, each with the `versions` of the workspace that it is for; empty
    before it said so. The caller has authorised the actor."""
    told = node.shelf
    if not told:
        return {}
    digests = [one["digest"] for one in told["kept"] if one["digest"]]
    names = queries.built_of(node.target.workspace, digests)
    kept = [
        {
            **one,
            "versions": names.get(one["digest"], []),
            "used": datetime.fromisoformat(one["used"]),
            "leaving": one["digest"] in node.evicting,
        }
        for one in told["kept"]
    ]
    return {**told, "kept": kept, "at": datetime.fromisoformat(told["at"])}
