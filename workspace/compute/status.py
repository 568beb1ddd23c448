"""What a target does now, in our words and in those of the Azure ML SDK v1. Values in, values out."""

from collections.abc import Sequence
from typing import Any

from workspace.compute import kinds, lifecycle, words
from workspace.compute.models import ComputeTarget, Node

#: Our word for a node's state, and the name of its count in the status object.
_COUNTS = {
    "preparing": "preparingNodeCount",
    "idle": "idleNodeCount",
    "running": "runningNodeCount",
    "leaving": "leavingNodeCount",
    "unusable": "unusableNodeCount",
    "preempted": "preemptedNodeCount",
}
GROWS_OR_SHRINKS = ("growing", "coming", "below_min", "above_max", "shrinking")


def word_of(target: ComputeTarget) -> str:
    """The state of a target in one word: of an instance what it does, of a cluster whether its size changes."""
    if target.kind == kinds.INSTANCE:
        return lifecycle.word_of(target.state, busy=bool(getattr(target, "running", 0)))
    if target.kind == kinds.CLUSTER:
        return "Resizing" if target.reason_code in GROWS_OR_SHRINKS else "Steady"
    return "Succeeded"


def status_of(target: ComputeTarget, nodes: Sequence[Node]) -> dict[str, Any] | None:
    """The status object of a cluster; None for the other kinds. `nodes` as `queries.list_nodes` returns them."""
    if target.kind != kinds.CLUSTER:
        return None
    counts = dict.fromkeys(_COUNTS.values(), 0)
    for node in nodes:
        if name := _COUNTS.get(node.shown_state):
            counts[name] += 1
    there = [node for node in nodes if node.ended is None]
    wanted = [node for node in there if node.state in (Node.State.PREPARING, Node.State.READY)]
    failed = [node for node in nodes if node.state == Node.State.UNUSABLE]
    told = target.settings
    return {
        "allocationState": word_of(target),
        "allocationStateTransitionTime": target.since or target.created,
        "creationTime": target.created,
        "currentNodeCount": len(there),
        "errors": [{"error": {"code": "NodeUnusable", "message": words.note_of(node)[:2000]}} for node in failed]
        or None,
        "modifiedTime": target.updated or target.created,
        "nodeStateCounts": counts,
        "provisioningState": "Succeeded",
        "provisioningStateTransitionTime": target.created,
        "scaleSettings": {
            "minNodeCount": told["min_nodes"],
            "maxNodeCount": told["max_nodes"],
            "nodeIdleTimeBeforeScaleDown": f"PT{told['idle_seconds_before_scaledown']}S",
        },
        "targetNodeCount": len(wanted),
        "vmPriority": {"dedicated": "Dedicated", "lowpriority": "LowPriority"}[told["priority"]],
        "vmSize": told.get("vm_size", ""),
    }


def warnings_of(target: ComputeTarget) -> list[str]:
    """What to tell who made or changed a target: words that are kept, and that mean nothing here."""
    if target.settings.get("priority") != "lowpriority":
        return []
    return ["lowpriority has no effect: no machine of this studio is cheaper, or taken away before its time."]
