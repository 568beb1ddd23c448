"""Giving replicas to nodes."""

from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone

from registry.endpoints.models import Deployment, Replica
from registry.endpoints.services.telling import hint_nodes
from studio.kernel.ids import ulid
from workspace.compute.models import Node
from workspace.compute.queries import is_online


def add_replicas(deployment: Deployment, number: int) -> None:
    """Want more copies of a deployment; `place` gives them to nodes."""
    Replica.objects.bulk_create([Replica(id=ulid(), deployment=deployment) for _ in range(number)])


def place(deployment: Deployment) -> int:
    """Give each waiting replica to the online node of the target that has the fewest; return how many got one.

    Those that got none wait, and the deployment says why.
    """
    waiting = Replica.objects.filter(
        deployment=deployment, wanted=True, state=Replica.State.WAITING, node__isnull=True
    ).order_by("pk")
    placed = 0
    for replica in waiting:
        node = _emptiest(deployment.target_id)
        if node is None:
            why = f"No node of {deployment.target.name} is online. It starts as soon as one is."
            new = Deployment.objects.filter(pk=deployment.pk, state=Deployment.State.TRANSITIONING)
            new.exclude(reason=why).update(reason=why)
            break
        # Somebody may place at the same time: only one of us finds it without a node.
        placed += Replica.objects.filter(pk=replica.pk, node__isnull=True).update(node=node, last_seen=Now())
    if placed:
        hint_nodes(deployment.target_id)
    return placed


def _emptiest(target_id: int) -> Node | None:
    nodes = Node.objects.filter(target_id=target_id, draining__isnull=True, removed__isnull=True)
    loaded = nodes.annotate(held=Count("replicas", filter=Q(replicas__wanted=True))).order_by("held", "-last_seen")
    moment = timezone.now()
    return next((node for node in loaded if is_online(node, moment)), None)
