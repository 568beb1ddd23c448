"""Background work of the whole studio."""

import logging

from celery import shared_task
from django.conf import settings

from runs.artifacts.uploading import forget_uploads
from studio.console.names import NAMES
from studio.kernel import store
from studio.kernel.actors import SYSTEM

log = logging.getLogger(__name__)


@shared_task(name="files.collect")
def collect() -> None:
    """Remove files that no row names any more, and uploads that were given up. Doing it twice is harmless."""
    forget_uploads(actor=SYSTEM)
    done = store.collect(NAMES, grace=settings.BLOB_GRACE_SECONDS)
    if done is not None and (done.files or done.staged):
        log.info("collected %d files, %d bytes, and %d given-up uploads", done.files, done.size, done.staged)
