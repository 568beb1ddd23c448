"""Background work of endpoints."""

from celery import shared_task

from registry.endpoints import services
from studio.kernel.actors import SYSTEM


@shared_task(name="registry.publish_routes")
def publish_routes() -> None:
    """Put the routes into Redis. When it is away, the relay does it as soon as it is back."""
    services.publish_routes(actor=SYSTEM)
