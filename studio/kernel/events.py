"""Facts for whoever watches: rung after the commit, allowed to be lost. The database is the record."""

import json
import logging
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import transaction

log = logging.getLogger(__name__)
LIVE_PREFIX = "zaffre:live:"


@cache
def client() -> redis.Redis:
    """The process's Redis client, with a short patience: a missing bell must not stop a write."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.5)


def publish(topic: str, /, **fact: Any) -> None:
    """Tell `topic` a fact once the transaction has committed."""
    body = json.dumps(fact, default=str)
    transaction.on_commit(lambda: ring(topic, body))


def ring(topic: str, body: str | bytes) -> None:
    """Publish now. Losing it costs liveness only: watchers catch up from the database."""
    try:
        client().publish(LIVE_PREFIX + topic, body)
    except redis.RedisError as error:
        log.warning("nobody could be told about %s: %s", topic, type(error).__name__)
