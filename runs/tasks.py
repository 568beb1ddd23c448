"""Background work of runs."""

import logging

from celery import shared_task

from runs.services import purge_expired
from runs.snapshots.services import forget_unused
from studio.kernel.actors import SYSTEM

log = logging.getLogger(__name__)


@shared_task(name="runs.empty_bin")
def empty_bin() -> None:
    """Remove for good what has been in the recycle bin for its time. Doing it twice is harmless."""
    removed = purge_expired(actor=SYSTEM)
    forgotten = forget_unused(actor=SYSTEM)
    if removed or forgotten:
        log.info("removed %d runs of the recycle bin for good, and %d unused lists of code", removed, forgotten)
