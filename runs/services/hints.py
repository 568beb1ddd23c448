"""Hints to nodes that a run waits: allowed to be lost, repeated and false, because the claim decides."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import Now, RowNumber

from runs.models import Run, Status
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden
from studio.kernel.events import publish
from studio.kernel.jobs import hint_pool
from studio.kernel.tokens import hash_secret
from zaffre.protocol import WAKE_TASK

#: Runs of one target that are hinted at again in one round: more than its nodes will take at once.
AGAIN = 20


def hint(run_id: str, *, target_id: int, attempt: int) -> None:
    """Tell the nodes of the target that this run waits for its attempt number `attempt`.

    Call it in the transaction that queued the run.
    """
    ticket, kept = new_ticket()
    Run.objects.filter(pk=run_id).update(ticket_hash=kept, hinted_at=Now())
    send(run_id, ticket, target_id=target_id, attempt=attempt)


def new_ticket() -> tuple[str, str]:
    """(a ticket, what the run's row keeps of it). It works once and ends when the next hint is given; without it
    nobody can claim the run by name."""
    ticket = secrets.token_urlsafe(24)
    return ticket, hash_secret(ticket)


def send(run_id: str, ticket: str, *, target_id: int, attempt: int) -> None:
    """`hint` for a run whose row has the ticket already."""
    hint_pool(target_id, WAKE_TASK, run_id, attempt, ticket)
    publish(f"pool.{target_id}", run=run_id)


@transaction.atomic
def rehint(*, actor: Actor) -> int:
    """Hint again at queued runs whose last hint is old: messages were lost, or a pause is over. Returns how many."""
    if actor.kind != "system":
        raise Forbidden("Only the studio itself repeats hints.")
    old = Now() - timedelta(seconds=settings.RECHECK_SECONDS)
    waiting = Run.objects.filter(status=Status.QUEUED, target__isnull=False)
    ready = waiting.filter(Q(not_before__isnull=True) | Q(not_before__lte=Now()))
    place = Window(RowNumber(), partition_by=F("target_id"), order_by=F("id").asc())
    rows = ready.annotate(place=place).filter(Q(hinted_at__isnull=True) | Q(hinted_at__lt=old), place__lte=AGAIN)
    # In the order of ids, as everywhere where several runs are locked.
    found = list(rows.order_by("pk").values_list("pk", "target_id", "attempt_no"))
    for run_id, target_id, attempt in found:
        hint(run_id, target_id=target_id, attempt=attempt + 1)
    return len(found)
