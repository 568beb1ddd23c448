"""Background work of webhooks."""

from celery import shared_task

from studio.kernel.actors import SYSTEM
from workspace.webhooks import services


@shared_task(name="webhooks.deliver")
def deliver(delivery_id: str) -> None:
    """Send one message. When it is not taken, the relay has it tried again."""
    services.deliver(delivery_id, actor=SYSTEM)
