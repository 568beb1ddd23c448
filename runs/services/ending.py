"""Ends: a result that is reported, a cancel that is asked for, an attempt that is given up. The first one wins."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from runs import forms, states
from runs.fencing import refuse_late
from runs.models import Attempt, Run, Status
from runs.queries import get_run
from runs.services.children import close_children
from runs.services.hints import hint
from runs.services.telling import put_away, tell
from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Conflict, Forbidden, NotFound
from studio.kernel.jobs import hint_pool
from studio.kernel.states import advance
from workspace.audit.services import record
from zaffre.protocol import (
    CANCEL_REQUESTED,
    CANCELED,
    COMPLETED,
    DESIRED_CANCEL,
    FAILED,
    FINAL_STATES,
    HELD_STATES,
    QUEUED,
    SYNC_TASK,
)

MAX_TAIL, MAX_REASON, MAX_CODE = 8000, 3000, 40
TIMEOUT, LOST, PREEMPTED = "timeout", "worker_lost", "preempted"
SCRIPT_FAILED = "script_failed"
#: Ends that are the script's own, which a node reports.
SCRIPTS_OWN = (SCRIPT_FAILED, "script_killed")


@transaction.atomic
def cancel_run(slug: str, run_id: str, *, actor: Actor) -> Run:
    """Cancel a run: at once while it waits; else its node ends it and keeps its outputs.

    Asking twice is harmless. Raises Conflict `final` for a run that has ended.
    """
    run = get_run(slug, run_id, actor=actor, action="run.cancel")
    rows = Run.objects.filter(pk=run.pk)
    # The code may be there from an attempt that was lost before.
    why = {"reason_code": "", "reason": f"Canceled by {actor.name}."}
    # Nobody but its submitter executes an interactive run: there is no node to wait for.
    at_once = {QUEUED, *(HELD_STATES if run.kind == Run.Kind.INTERACTIVE else ())}
    if advance(rows, frm=at_once, status=CANCELED, desired=DESIRED_CANCEL, ended=Now(), **why):
        put_away(run)
        tell(run, CANCELED)
    elif advance(
        rows,
        frm=set(HELD_STATES) - {CANCEL_REQUESTED},
        status=CANCEL_REQUESTED,
        desired=DESIRED_CANCEL,
        **why,
    ):
        tell(run, CANCEL_REQUESTED)
        # The node hears it at its next renewal; the hint makes that one now.
        hint_pool(run.target_id or 0, SYNC_TASK)
    else:
        now = Run.objects.values_list("status", flat=True).get(pk=run.pk)
        if now in FINAL_STATES and now != CANCELED:
            raise Conflict(f"The run has ended already: it {_ended(now)}.", code="final", status=now)
        return get_run(slug, run_id, actor=actor)
    record(actor=actor, workspace=run.workspace, action="run.cancel", target=run.pk)
    return get_run(slug, run_id, actor=actor)


def _ended(status: str) -> str:
    return {FAILED: "failed", CANCELED: "was canceled"}.get(status, "completed")


@transaction.atomic
def report_result(
    run_id: str,
    *,
    actor: Actor,
    exit_code: int | None,
    signal: int | None,
    reason: str = "",
    message: str = "",
    log_tail: str = "",
) -> str:
    """The attempt has ended: return the state that the run is in now.

    A machine that was lost to the attempt (preempted, cut off) may lead to another one. Raises Conflict
    `stale_attempt` or `final` when the run is not this attempt's any more.
    """
    if actor.kind != "run":
        raise Forbidden("This address takes the token of a run.")
    rows = Run.objects.select_for_update(of=("self",), no_key=True).select_related("workspace", "experiment")
    run = rows.filter(pk=run_id).first()
    if run is None or actor.run_id != run_id:
        raise NotFound("This token belongs to another run.")
    refuse_late(status=run.status, attempt_no=run.attempt_no, actor=actor)
    attempt = Attempt.objects.get(run=run, no=run.attempt_no)
    code = forms.clean_text(reason, MAX_CODE)
    facts = {"exit_code": exit_code, "signal": signal}
    Attempt.objects.filter(pk=attempt.pk).update(ended=Now(), last_seen=Now(), reason_code=code, **facts)
    canceling = run.desired == DESIRED_CANCEL
    if code in states.RETRIED and not canceling and _may_again(run, attempt, code):
        return _again(run, code, free=code == PREEMPTED)
    timed_out = run.reason_code == TIMEOUT
    if not (canceling or timed_out) and (failed := _failed_and_may_again(run, code, exit_code)):
        told = forms.clean_text(message, MAX_REASON // 2) or "The script ended badly."
        why = f"Attempt {run.attempt_no} failed. {told}"
        return _again(run, code or SCRIPT_FAILED, free=True, pauses=failed, why=why)
    status = states.outcome(canceling=canceling, timed_out=timed_out, reason=code, exit_code=exit_code)
    changes: dict[str, Any] = {**facts, "log_tail": forms.clean_text(log_tail, MAX_TAIL)}
    if status == COMPLETED:
        changes |= {"reason_code": "", "reason": ""}  # why an earlier attempt was lost
    if status == FAILED and not timed_out:
        changes |= {"reason_code": code or "script_failed", "reason": forms.clean_text(message, MAX_REASON)}
    _finish(run, status, **changes)
    record(actor=actor, workspace=run.workspace, action="run.end", target=run.pk, fields={"status": status})
    return status


def _may_again(run: Run, attempt: Attempt, code: str) -> bool:
    if code == PREEMPTED:
        gone = Attempt.objects.filter(run=run, reason_code=PREEMPTED).count()
        # Code that has not begun may begin elsewhere, whatever the policy says about a second try.
        return (attempt.launched is None or run.max_retries > 0) and gone <= states.MOST_PREEMPTIONS
    return attempt.launched is None or run.retries_used < run.max_retries


def _failed_and_may_again(run: Run, code: str, exit_code: int | None) -> int:
    """How many attempts have failed by themselves, if the submitter wants another one after so many; else 0."""
    if not (code in SCRIPTS_OWN or (not code and exit_code)):
        return 0
    most = (run.config or {}).get("max_user_retries") or 0
    failed = Attempt.objects.filter(run=run, reason_code__in=["", *SCRIPTS_OWN]).exclude(ended=None).count()
    return failed if failed <= most else 0


def _again(run: Run, code: str, *, free: bool, pauses: int = 0, why: str = "", after: datetime | None = None) -> str:
    """Queue the run for another attempt after a growing pause, and not before `after`; `free` costs no retry."""
    retries = run.retries_used + (0 if free else 1)
    seconds = states.pause(max(1, retries, pauses))
    Run.objects.filter(pk=run.pk).update(
        status=Status.QUEUED,
        retries_used=retries,
        # Given up by hand, its code may live until its lease is over: only then has the node ended it by itself.
        not_before=Greatest(Now() + timedelta(seconds=seconds), Value(after, DateTimeField())),
        queued_at=Now(),
        started=None,
        steps=[],
        reason_code=code,
        reason=f"{why or f'Attempt {run.attempt_no} was lost.'} The next attempt starts after a pause.",
    )
    close_children(run)  # the next attempt begins its own
    hint(run.pk, target_id=run.target_id or 0, attempt=run.attempt_no + 1)
    tell(run, QUEUED)
    return QUEUED


def give_up(attempt: Attempt, *, why: str, actor: Actor = SYSTEM) -> bool:
    """End an attempt that nobody hears from any more; False when somebody was faster.

    `attempt` as it was read: a lease that was renewed since then is not touched. The run is queued again while
    its policy allows it, else it ends. Call it in a transaction. `actor` is whoever decided it.
    """
    # The run's row first, as everywhere: results and cancels take the same two locks in the same order.
    rows = Run.objects.select_for_update(of=("self",), no_key=True).select_related("workspace", "experiment")
    run = rows.filter(pk=attempt.run_id, attempt_no=attempt.no, status__in=HELD_STATES).first()
    same = Attempt.objects.filter(pk=attempt.pk, ended__isnull=True, lease_until=attempt.lease_until)
    if run is None or not same.update(ended=Now(), reason_code=LOST):
        return False
    before = Attempt.objects.filter(run=run, launched__isnull=True, reason_code=LOST).count()
    launched = Attempt.objects.filter(pk=attempt.pk, launched__isnull=False).exists()
    status = states.given_up(
        canceling=run.desired == DESIRED_CANCEL,
        launched=launched,
        free_used=before - 1,
        retries_used=run.retries_used,
        max_retries=run.max_retries,
    )
    record(actor=actor, workspace=run.workspace, action="run.give_up", target=run.pk, fields={"attempt": attempt.no})
    if status == QUEUED:
        _again(run, LOST, free=not launched, after=attempt.lease_until)
    else:
        timed_out = run.reason_code == TIMEOUT
        reason = {} if timed_out else {"reason_code": LOST, "reason": f"The node was lost in the middle. {why}"}
        _finish(run, FAILED if timed_out else status, **reason)
    return True


def _finish(run: Run, status: str, **changes: Any) -> None:
    """Write the end of a run whose row is locked."""
    moment = timezone.now().isoformat()
    steps = [
        {**step, "ended": moment, "state": "failed" if status == FAILED else "canceled"}
        if step.get("started") and not step.get("ended") and status != Status.COMPLETED
        else {**step, "ended": step.get("ended") or moment, "state": "done" if not step.get("ended") else step["state"]}
        for step in run.steps
    ]
    Run.objects.filter(pk=run.pk).update(
        status=status, ended=Now(), steps=steps, started=F("started"), not_before=None, ticket_hash="", **changes
    )
    close_children(run)
    put_away(run)
    tell(run, status)
