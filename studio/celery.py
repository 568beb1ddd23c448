"""The control queue: messages are hints with names and ids, the database is the record."""

import os
from urllib.parse import urlsplit

from celery import Celery
from django.conf import settings

# Celery sets Django up by itself once this names the settings.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

CONTROL_PREFIX = "zaffre:control:"


def broker_url(redis_url: str) -> str:
    """The same server in Celery's spelling: unix:///x.sock becomes redis+socket:///x.sock."""
    parts = urlsplit(redis_url)
    return redis_url.replace("unix://", "redis+socket://", 1) if parts.scheme == "unix" else redis_url


app = Celery("zaffre")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    broker_transport_options={"global_keyprefix": CONTROL_PREFIX, "socket_timeout": None},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    # A lost hint is repeated by the relay from the database, so a message is done when it is taken.
    task_acks_late=False,
    task_default_queue="control",
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_soft_shutdown_timeout=10,
    timezone="UTC",
)
app.autodiscover_tasks(
    lambda: [
        name
        for name in settings.INSTALLED_APPS
        if name.split(".")[0] in {"workspace", "runs", "registry"} or name == "studio.console"
    ]
)
