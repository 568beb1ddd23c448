"""What operators look at: nodes, queues, the outbox, storage and accounts of the whole site."""

from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from runs.models import Run
from studio.console.health import CHECKS
from studio.kernel.actors import Actor
from studio.kernel.models import BlobRef, Outbox
from workspace.accounts.queries import list_users, require_site_admin
from workspace.compute.models import ComputeTarget, Node
from workspace.queries import all_workspaces
from zaffre.protocol import HELD_STATES, QUEUED


def overview(*, actor: Actor) -> dict[str, Any]:
    """Everything the console's page shows. Site administrators only."""
    require_site_admin(actor)
    now = timezone.now()
    oldest = Outbox.objects.filter(sent__isnull=True).aggregate(count=Count("pk"), oldest=Min("created"))
    nodes = Node.objects.filter(removed__isnull=True).select_related("target__workspace").order_by("-last_seen")[:200]
    waiting = Count("runs", filter=Q(runs__status=QUEUED))
    present = ComputeTarget.objects.filter(deleted__isnull=True)
    targets = present.select_related("workspace").annotate(waiting=waiting).order_by("workspace__slug")
    return {
        "checks": {name: ask() for name, ask in CHECKS.items()},
        "outbox": oldest,
        "nodes": [(node, (now - node.last_seen).total_seconds() < settings.UNREACHABLE_SECONDS) for node in nodes],
        "targets": targets,
        "busy": Run.objects.filter(status__in=HELD_STATES).count(),
        "storage": BlobRef.objects.aggregate(count=Count("pk"), size=Sum("size")),
        "users": list_users(actor=actor),
        "workspaces": all_workspaces(actor=actor),
    }
