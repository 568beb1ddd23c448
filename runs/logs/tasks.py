"""Background work of logs."""

from celery import shared_task

from runs.logs import services
from studio.kernel.actors import SYSTEM


@shared_task(name="logs.compact_run")
def compact_run(run_id: str) -> None:
    """Join small chunks after the end. Doing it twice is harmless."""
    services.compact_run(run_id, actor=SYSTEM)
