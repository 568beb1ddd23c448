"""The rows of nodes that the studio starts itself: making them, giving them up, letting them go."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from studio.kernel.ids import ulid
from workspace.compute import words
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.services.happenings import happened

#: How long a node that failed is shown.
FAILED_SHOWN = timedelta(hours=1)
#: A node that worked and is silent for so long has lost its machine.
SILENT = timedelta(minutes=10)


def present(target: ComputeTarget) -> list[Node]:
    """The nodes that have a machine, or wait for one, each with `.busy`: whether it does anything."""
    rows = target.nodes.filter(removed__isnull=True, ended__isnull=True).exclude(provider="")
    return list(rows.annotate(busy=is_busy()).order_by("pk"))


def is_busy() -> Q:
    """A condition on nodes: runs, replicas or boards are there. By the relations: all three are built on compute."""
    mine = Node.objects.filter(pk=OuterRef("pk"))
    return Q(
        Exists(mine.filter(attempts__isnull=False, attempts__ended__isnull=True))
        | Exists(mine.filter(replicas__wanted=True))
        | Exists(mine.filter(boards__state__in=("waiting", "starting", "ready")))
    )


def tidy(target: ComputeTarget, nodes: list[Node]) -> list[Node]:
    """Give up nodes that did not come or fell silent, and let those go that have nothing left to end.

    Returns the nodes as they are then.
    """
    moment = timezone.now()
    for node in nodes:
        age = moment - (node.since or node.registered)
        if node.state == Node.State.PREPARING and age > timedelta(seconds=settings.NODE_SECONDS):
            _give_up(target, node, {"code": words.LATE, "seconds": settings.NODE_SECONDS, "then": node.why})
        elif node.state == Node.State.READY and moment - node.last_seen > SILENT:
            _give_up(target, node, {"code": words.SILENT, "minutes": int(SILENT.total_seconds() / 60)})
        elif node.state == Node.State.LEAVING and node.wanted and not node.busy:  # type: ignore[attr-defined]
            node.wanted = not Node.objects.filter(pk=node.pk, state=node.state, wanted=True).update(wanted=False)
        elif node.state == Node.State.READY:
            _note_idle(node)
    failed = target.nodes.filter(state__in=(Node.State.UNUSABLE, Node.State.PREEMPTED), removed__isnull=True)
    failed.filter(ended__lt=Now() - FAILED_SHOWN).update(removed=Now())
    return nodes


def _give_up(target: ComputeTarget, node: Node, why: dict[str, Any]) -> None:
    rows = Node.objects.filter(pk=node.pk, state=node.state, wanted=True)
    if rows.update(state=Node.State.UNUSABLE, wanted=False, draining=Now(), why=why, note="", since=Now()):
        node.state, node.wanted, node.why, node.note = Node.State.UNUSABLE, False, why, ""
        happened(target, "unusable", node=node.name, why=why)


def _note_idle(node: Node) -> None:
    busy = bool(node.busy)  # type: ignore[attr-defined]
    if busy and node.idle_since is not None:
        Node.objects.filter(pk=node.pk).update(idle_since=None)
        node.idle_since = None
    elif not busy and node.idle_since is None:
        Node.objects.filter(pk=node.pk).update(idle_since=Now())
        node.idle_since = timezone.now()


def add_node(target: ComputeTarget) -> Node:
    """A row for a node that is to be started: it counts from now on, before there is a machine."""
    node_id = ulid()
    made = Node.objects.create(
        id=node_id,
        target=target,
        name=f"{target.name}-{node_id[-6:].lower()}"[:80],
        provider=target.settings["provider"],
        state=Node.State.PREPARING,
        slots=target.settings["node"]["slots"],
        last_seen=Now(),
        since=Now(),
    )
    happened(target, "node_added", node=made.name)
    return made
