"""Background work of metrics."""

from celery import shared_task

from runs.metrics import services
from studio.kernel.actors import SYSTEM


@shared_task(name="metrics.merge_run")
def merge_run(run_id: str) -> None:
    """Join small chunks. Doing it twice is harmless."""
    services.merge_run(run_id, actor=SYSTEM)
