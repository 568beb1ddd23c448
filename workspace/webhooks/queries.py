"""Reading webhooks: for owners, because an address or a message may hold what others are not to know."""

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from workspace.access import get_workspace
from workspace.webhooks.models import Delivery, Webhook

#: Deliveries of one webhook that are shown.
SHOWN = 20


def list_webhooks(slug: str, *, actor: Actor) -> QuerySet[Webhook]:
    """Return the webhooks of the workspace, the oldest first, each with the `status` and `error` of its newest try."""
    workspace = get_workspace(slug, actor=actor, action="webhook.manage")
    tried = Delivery.objects.filter(webhook=OuterRef("pk"), tries__gt=0).order_by("-pk")
    return (
        Webhook.objects.filter(workspace=workspace)
        .annotate(
            last_status=Subquery(tried.values("status")[:1]),
            last_error=Subquery(tried.values("error")[:1]),
            last_try=Subquery(tried.values("created")[:1]),
        )
        .order_by("pk")
    )


def get_webhook(slug: str, webhook_id: str, *, actor: Actor) -> Webhook:
    """Return one webhook. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action="webhook.manage")
    found = Webhook.objects.filter(workspace=workspace, pk=webhook_id.replace("\0", "")).first()
    if found is None:
        raise NotFound(_("Webhook with ID %(webhook_id)s not found") % {"webhook_id": webhook_id[:60]})
    return found


def list_deliveries(slug: str, webhook_id: str, *, actor: Actor) -> list[Delivery]:
    """Return the newest messages of a webhook. Raises NotFound."""
    webhook = get_webhook(slug, webhook_id, actor=actor)
    return list(Delivery.objects.filter(webhook=webhook).order_by("-pk")[:SHOWN])
