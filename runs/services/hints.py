"""Telling nodes that a run waits: by a bell at once, by a hint when nobody came for it. Both may be lost, the claim
decides.
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Window
from django.db.models.functions import Now, RowNumber

from runs.models import Attempt, Run, Status
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden
from studio.kernel.events import publish
from studio.kernel.jobs import hint_pool
from studio.kernel.tokens import hash_secret
from zaffre.protocol import WAKE_TASK

#: Runs of one target that are hinted at in one round: more than its nodes will take at once.
MOST = 20
#: How long a run waits for a node that heard the bell. Nearly all are claimed by then, and a hint costs the relay, the
#: broker and the node more than what it is about.
HEAD_START = timedelta(seconds=0.5)
#: A target that took a run so lately is awake: what waits there waits for room, and a node that missed its bell looks
#: by itself within seconds. In a burst of short runs nearly each of them was hinted at, for nothing.
AWAKE = timedelta(seconds=1)


def ring(run_id: str, *, target_id: int) -> None:
    """Wake the nodes that wait at the studio's door. Call it in the transaction that queued the run."""
    publish(f"pool.{target_id}", run=run_id)


@transaction.atomic
def hint_waiting(*, actor: Actor) -> int:
    """Hint at queued runs that no node came for: a bell or a message was lost, or a pause is over. Returns how many."""
    if actor.kind != "system":
        raise Forbidden("Only the studio itself gives hints.")
    waiting = Run.objects.filter(status=Status.QUEUED, target__isnull=False)
    ready = waiting.filter(Q(not_before__isnull=True) | Q(not_before__lte=Now()))
    place = Window(RowNumber(), partition_by=F("target_id"), order_by=F("id").asc())
    first = Q(hinted_at__isnull=True, queued_at__lte=Now() - HEAD_START)
    again = Q(hinted_at__lte=Now() - timedelta(seconds=settings.RECHECK_SECONDS))
    took = Attempt.objects.filter(run__target=OuterRef("target"), ended__isnull=True, started__gte=Now() - AWAKE)
    rows = ready.annotate(place=place).filter(first | again, ~Exists(took), place__lte=MOST)
    # In the order of ids, as everywhere where several runs are locked.
    found = list(rows.order_by("pk").values_list("pk", "target_id", "attempt_no"))
    for run_id, target_id, attempt in found:
        _hint(run_id, target_id=target_id, attempt=attempt + 1)
    return len(found)


def _hint(run_id: str, *, target_id: int, attempt: int) -> None:
    # It works once and ends when the next one is given; without it nobody can claim the run by name.
    ticket = secrets.token_urlsafe(24)
    Run.objects.filter(pk=run_id).update(ticket_hash=hash_secret(ticket), hinted_at=Now())
    hint_pool(target_id, WAKE_TASK, run_id, attempt, ticket)
    ring(run_id, target_id=target_id)
