"""The rounds of scaling: what waits for a cluster and what its nodes have, to how many nodes it should have."""

from django.db import transaction
from django.utils import timezone

from runs import waiting
from studio.kernel.actors import Actor
from workspace.compute import kinds
from workspace.compute.models import ComputeTarget
from workspace.compute.placement import ScalingState, wanted_nodes
from workspace.compute.services import pool, scaling

#: Runs that are looked at: more than the largest cluster takes in one round.
LOOKED_AT = 1000


def tend_clusters(*, actor: Actor) -> None:
    """Bring every cluster nearer to the size that it should have. Doing it twice at once is harmless."""
    rows = ComputeTarget.objects.filter(kind=kinds.CLUSTER, deleted__isnull=True)
    for target_id in rows.values_list("pk", flat=True):
        tend_cluster(target_id, actor=actor)


@transaction.atomic
def tend_cluster(target_id: int, *, actor: Actor) -> None:
    """One cluster, one round."""
    target = scaling.lock_cluster(target_id, actor=actor)
    if target is None:
        return
    nodes = pool.tidy(target, pool.present(target))
    used = {place.id: place.used for place in waiting.places_of(nodes)}
    queued = waiting.in_order(target.pk).values(*waiting.NEED)[:LOOKED_AT]
    views = scaling.views_of(target, nodes, used)
    decision = wanted_nodes(
        ScalingState(
            min_nodes=target.settings["min_nodes"],
            max_nodes=target.settings["max_nodes"],
            idle_seconds=target.settings["idle_seconds_before_scaledown"],
            nodes=views,
            waiting=[waiting.need_of(row) for row in queued],
            now=timezone.now().timestamp(),
            node_capacity=scaling.node_capacity(target),
        )
    )
    scaling.apply(target, views, decision)
