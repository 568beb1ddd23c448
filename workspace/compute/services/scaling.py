"""The nodes of a cluster: what there are, and doing what placement decided about them.

The decision is `workspace/compute/placement.py`'s; who knows the waiting runs calls it (`runs/services/scaling.py`).
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from studio.kernel.actors import Actor
from workspace.access import authorize
from workspace.compute import kinds, placement, words
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.placement import Capacity, Decision, NodeView, Used
from workspace.compute.queries import is_online
from workspace.compute.services.happenings import happened
from workspace.compute.services.pool import add_node

#: Within what time so many failures end the growing.
FAILED_LATELY, MOST_FAILED = timedelta(minutes=10), 3


def lock_cluster(target_id: int, *, actor: Actor) -> ComputeTarget | None:
    """The cluster, whose nodes nobody else changes in this transaction; None when somebody does, or it is gone."""
    rows = ComputeTarget.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
    target = rows.select_related("workspace").filter(pk=target_id, kind=kinds.CLUSTER, deleted__isnull=True).first()
    if target is not None:
        authorize(target.workspace, actor=actor, action="compute.change")
    return target


def views_of(target: ComputeTarget, nodes: list[Node], used: Mapping[str, Used]) -> list[NodeView]:
    """The nodes as placement sees them."""
    moment, size = timezone.now(), node_capacity(target)
    found = []
    for node in nodes:
        state = placement.LOST
        if node.state == Node.State.PREPARING:
            state = placement.PREPARING
        elif node.draining is not None or node.state == Node.State.LEAVING:
            state = placement.LEAVING
        elif node.state == Node.State.READY and is_online(node, moment):
            state = placement.READY
        elif node.state == Node.State.READY and moment - node.last_seen < timedelta(seconds=settings.NODE_SECONDS):
            # Its agent or the studio was started anew: it comes back, and needs no other in its place.
            state = placement.PREPARING
        found.append(
            NodeView(
                id=node.pk,
                state=state,
                busy=bool(node.busy),  # type: ignore[attr-defined]
                idle_since=node.idle_since.timestamp() if node.idle_since else None,
                capacity=placement.capacity_of(node.facts, node.slots) if node.facts else size,
                used=used.get(node.pk),
            )
        )
    return found


def node_capacity(target: ComputeTarget) -> Capacity:
    """What a new node of the cluster will have: what was chosen, and for what was not, what its machines had before."""
    size: Mapping[str, Any] = target.settings["node"]
    known = target.nodes.exclude(facts={}).order_by("-pk").values_list("facts", flat=True).first() or {}
    facts = {
        **known,
        "cpu": size["cpus"] or known.get("cpu") or os.cpu_count() or 1,
        "memory_gb": size["memory_gb"] or known.get("memory_gb") or _memory_gb(),
    }
    return placement.capacity_of(facts, size["slots"])


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def apply(target: ComputeTarget, nodes: list[NodeView], decision: Decision) -> None:
    """Make the rows what was decided, of a cluster that is locked: new ones first, then those that are to go."""
    usable = sum(node.state in (placement.PREPARING, placement.READY) for node in nodes)
    wanted = decision.target - (usable - len(decision.release))
    why = dict(decision.why)
    failed = target.nodes.filter(state=Node.State.UNUSABLE, since__gt=Now() - FAILED_LATELY).count()
    if wanted > 0 and failed >= MOST_FAILED:
        wanted = 0
        why = {"code": words.FAILING, "failed": failed, "minutes": int(FAILED_LATELY.total_seconds() / 60)}
    for _ in range(min(wanted, target.settings["max_nodes"] - len(nodes))):
        add_node(target)
    for key in decision.release:
        _release(target, key)
    _tell(target, why)


def _release(target: ComputeTarget, key: str) -> None:
    rows = Node.objects.filter(pk=key, wanted=True, removed__isnull=True).exclude(state=Node.State.UNUSABLE)
    # A claim locks the node's row: it came first, or it finds the node draining.
    if rows.update(state=Node.State.LEAVING, draining=Now(), since=Now()):
        happened(target, "node_leaves", node=Node.objects.get(pk=key).name)


def _tell(target: ComputeTarget, why: dict[str, Any]) -> None:
    rows = ComputeTarget.objects.filter(pk=target.pk).exclude(why=why, reason="")
    if rows.update(reason_code=why["code"], why=why, reason="", since=Now()) and target.reason_code != why["code"]:
        happened(target, why["code"], why=why)
