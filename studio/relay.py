"""The relay: sends the outbox, gives up lost leases, repeats hints. One is active, others wait for its lock.

The database is the record: whatever is lost on the way to Redis is sent again from there, and doing
any of this twice is harmless. So a relay may be killed at any moment.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import connections, transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from registry.endpoints.services import tick
from runs.services import bring_forward, hint_waiting, reap
from runs.services.reaper import first_look_after
from runs.services.scaling import tend_clusters
from runs.tensorboards.services import tend
from studio.active import Held, serve_alone
from studio.celery import app as control
from studio.kernel.actors import SYSTEM
from studio.kernel.jobs import OUTBOX_CHANNEL, enqueue
from studio.kernel.models import IdempotencyKey, Outbox
from workspace.compute import broker
from workspace.compute.services import forget_old, tend_instances
from workspace.environments.services import give_up_builds
from workspace.secrets.services import purge
from workspace.webhooks.services import redeliver

log = logging.getLogger(__name__)

#: Any number, the same in every relay: who holds this advisory lock is the active one.
LOCK = 7_305_161
BATCH = 500
#: Seconds between two looks at the outbox that no NOTIFY asked for.
LOOK = 0.5
#: Redis may have been emptied, with the accounts of the pools in it.
ACCOUNTS_EVERY = 30.0
KEPT = timedelta(hours=24)


@dataclass
class Job:
    """Something that is done every `every` seconds, first after `first`."""

    name: str
    work: Callable[[], object]
    every: float
    first: float = 0.0
    due: float = field(default=0.0, init=False)

    def start(self, now: float) -> None:
        self.due = now + self.first

    def run(self, now: float) -> None:
        """Do it when it is due. What it raises is written down: it must not keep the others from their work."""
        if now < self.due:
            return
        try:
            self.work()
        except (BrokerError, RedisError, OSError) as error:
            log.warning("%s: Redis is away (%s)", self.name, type(error).__name__)
        except Exception:
            log.exception("%s", self.name)
            # The connection may be what broke.
            connections.close_all()
        self.due = time.monotonic() + self.every


def jobs() -> list[Job]:
    return [
        Job("accounts of pools", broker.ensure_users, ACCOUNTS_EVERY),
        Job("outbox", send_outbox, LOOK),
        Job("leases", lambda: reap(actor=SYSTEM), settings.SCAN_SECONDS, first=first_look_after()),
        Job("hints", lambda: hint_waiting(actor=SYSTEM), settings.SCAN_SECONDS, first=settings.SCAN_SECONDS),
        Job("turns", lambda: bring_forward(actor=SYSTEM), 5.0),
        Job("clusters", lambda: tend_clusters(actor=SYSTEM), settings.SCAN_SECONDS),
        Job("instances", lambda: tend_instances(actor=SYSTEM), settings.SCAN_SECONDS),
        Job("endpoints", lambda: tick(actor=SYSTEM), settings.SCAN_SECONDS),
        Job("boards", lambda: tend(actor=SYSTEM), settings.SCAN_SECONDS),
        Job("builds", lambda: give_up_builds(actor=SYSTEM), 15.0),
        Job("webhooks", lambda: redeliver(actor=SYSTEM), 5.0),
        Job("cleaning", clean, 600.0, first=60.0),
        Job("deleted secrets", lambda: purge(actor=SYSTEM), 3600.0, first=90.0),
        Job("recycle bin", lambda: enqueue("runs.empty_bin"), 3600.0, first=120.0),
        Job("files", lambda: enqueue("files.collect"), 3600.0, first=300.0),
    ]


def send_outbox() -> int:
    """Send what waits, in its order; return how many messages left. Raises when the broker is away.

    Rows are marked after they were sent: a crash in between sends some twice, and none not at all.
    """
    total = 0
    while True:
        rows = list(Outbox.objects.filter(sent__isnull=True).order_by("pk")[:BATCH])
        if not rows:
            return total
        sent: list[int] = []
        try:
            for row in rows:
                _send(row)
                sent.append(row.pk)
        finally:
            Outbox.objects.filter(pk__in=sent).update(sent=Now())
        total += len(sent)
        if len(rows) < BATCH:
            return total  # what was written meanwhile has rung


def _send(row: Outbox) -> None:
    if row.lane == Outbox.Lane.CONTROL:
        control.send_task(row.task, args=row.args, retry=False, ignore_result=True)
    elif row.pool_id is not None:
        broker.send_hint(row.pool_id, row.task, row.args)


def clean() -> None:
    """Forget messages that were sent, and answers that nobody repeats any more."""
    with transaction.atomic():
        Outbox.objects.filter(sent__lt=Now() - KEPT).delete()
        IdempotencyKey.objects.filter(created__lt=Now() - KEPT).delete()
        forget_old()


class Relay:
    """`run()` until `stop()`. Survives a database or a Redis that goes and comes back."""

    def __init__(self) -> None:
        self._end = threading.Event()

    def stop(self, *_: object) -> None:
        self._end.set()

    def run(self) -> None:
        serve_alone(LOCK, self._serve, end=self._end, log=log)

    def _serve(self, ears: Held) -> None:
        log.info("this relay is the active one")
        ears.execute(f"LISTEN {OUTBOX_CHANNEL}")
        work = jobs()
        outbox = next(job for job in work if job.name == "outbox")
        for job in work:
            job.start(time.monotonic())
        while not self._end.is_set():
            for job in work:
                job.run(time.monotonic())
            # Returns at the first NOTIFY, so that a message leaves within milliseconds.
            for _ in ears.notifies(timeout=LOOK, stop_after=1):
                outbox.due = 0.0
