"""The reaper: what nobody hears from is given up, what runs too long is ended. One at a time, in the relay."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Case, F, FloatField, Q, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Extract, Now

from runs.models import Attempt, Run
from runs.services.ending import give_up
from runs.services.seats import TIMEOUT
from runs.services.telling import tell
from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Forbidden
from studio.kernel.states import advance
from workspace.audit.services import record
from zaffre.protocol import CANCEL_REQUESTED, DESIRED_CANCEL, FINALIZING, PREPARING, RUNNING, STARTING

log = logging.getLogger(__name__)

#: Attempts of one round; the rest waits for the next one.
MOST = 500


def reap(*, actor: Actor) -> int:
    """Give up the attempts whose lease is over and end runs past their time; return how many were touched.

    Each in a transaction of its own: one that cannot be ended must not keep the others.
    """
    if actor.kind != "system":
        raise Forbidden("Only the studio itself gives attempts up.")
    # Of a run on several nodes that is ended, a node that is silent is not waited for any longer than for a retry.
    silent = Q(last_seen__lt=Now() - timedelta(seconds=settings.LEASE_SECONDS))
    left = silent & Q(run__nodes__gt=1, run__status=CANCEL_REQUESTED)
    # A node renews all that it has at once: what it leaves out it has no more, however long its lease is.
    spoke = Now() - timedelta(seconds=settings.UNREACHABLE_SECONDS)
    missed = silent & Q(node__removed__isnull=True, node__last_seen__gt=spoke)
    rows = Attempt.objects.filter(Q(lease_until__lt=Now()) | left | missed, ended__isnull=True)
    over = rows.annotate(missed=Case(When(missed, then=True), default=False)).order_by("lease_until")[:MOST]
    touched = 0
    for attempt in over:
        why = "Its node is there and has it no more." if attempt.missed else "Its lease ended without a word."
        try:
            with transaction.atomic():
                touched += give_up(attempt, why=why)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("attempt %d of run %s cannot be given up", attempt.no, attempt.run_id)
    return touched + _end_late()


def _end_late() -> int:
    limited = Run.objects.filter(
        status__in=[RUNNING, STARTING, PREPARING, FINALIZING],
        started__isnull=False,
        config__max_duration_seconds__isnull=False,
    )
    limit = Cast(KT("config__max_duration_seconds"), FloatField())
    late = limited.annotate(limit=limit, took=Extract(Now() - F("started"), "epoch")).filter(took__gt=F("limit"))
    ended = 0
    for run in late.select_related("workspace", "experiment")[:MOST]:
        reason = f"It ran for longer than its limit of {run.config['max_duration_seconds']} s and was ended."
        with transaction.atomic():
            if advance(
                Run.objects.filter(pk=run.pk, attempt_no=run.attempt_no),
                frm=[run.status],
                status=CANCEL_REQUESTED,
                desired=DESIRED_CANCEL,
                reason_code=TIMEOUT,
                reason=reason,
            ):
                record(actor=SYSTEM, workspace=run.workspace, action="run.time_out", target=run.pk)
                tell(run, CANCEL_REQUESTED)
                ended += 1
    return ended


def first_look_after() -> float:
    """Seconds that the reaper waits after its start: nodes that have lived through our absence come first."""
    return settings.UNREACHABLE_SECONDS
