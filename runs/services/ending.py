"""Ends: a result that is reported, a cancel that is asked for, an attempt that is given up. The first one wins."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from runs import forms, states
from runs.models import Attempt, Run
from runs.queries import get_run
from runs.services.closing import again, finish, lock_own
from runs.services.seats import (
    DECIDED,
    LOST,
    PREEMPTED,
    SAID_FAILED,
    SCRIPT_FAILED,
    SCRIPTS_OWN,
    failed_attempts,
    settle,
)
from runs.services.telling import put_away, tell
from runs.stepping import with_steps
from studio.kernel import db
from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Conflict
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
#: Files are sent between a failure and its report; anything older is a clock that is wrong.
MOST_AGO = 24 * 3600.0


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
    elif rows.filter(status=CANCEL_REQUESTED).exclude(reason_code__in=["", *DECIDED]).update(**why):
        tell(run, CANCEL_REQUESTED)  # one of its nodes failed and the others are ended: no other attempt follows
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
def fail_run(slug: str, run_id: str, *, actor: Actor, message: str = "") -> Run:
    """End a submitted run as failed, as somebody found out: at once while it waits, else when its node has ended it.

    Raises Conflict `final` for a run that has ended.
    """
    run = get_run(slug, run_id, actor=actor, action="run.cancel")
    rows = Run.objects.filter(pk=run.pk)
    said = forms.clean_text(message, MAX_REASON) or f"{actor.name} said that it failed."
    why = {"desired": DESIRED_CANCEL, "reason_code": SAID_FAILED, "reason": said}
    if advance(rows, frm={QUEUED}, status=FAILED, ended=Now(), **why):
        put_away(run)
        tell(run, FAILED)
    elif advance(rows, frm=set(HELD_STATES), status=CANCEL_REQUESTED, **why):
        tell(run, CANCEL_REQUESTED)
        hint_pool(run.target_id or 0, SYNC_TASK)
    else:
        now = Run.objects.values_list("status", flat=True).get(pk=run.pk)
        raise Conflict(f"The run has ended already: it {_ended(now)}.", code="final", status=now)
    record(actor=actor, workspace=run.workspace, action="run.end", target=run.pk, fields={"status": FAILED})
    return get_run(slug, run_id, actor=actor)


@transaction.atomic
def report_result(run_id: str, *, actor: Actor, **told: Any) -> str:
    """`end_attempt` of the run whose code calls, in a transaction of its own.

    Raises Conflict `stale_attempt` or `final` when the run is not this attempt's any more.
    """
    return end_attempt(lock_own(run_id, actor=actor), actor=actor, **told)


def end_attempt(
    run: Run,
    *,
    actor: Actor,
    exit_code: int | None,
    signal: int | None,
    reason: str = "",
    message: str = "",
    log_tail: str = "",
    steps: Sequence[dict[str, Any]] = (),
    ago: float = 0.0,
) -> str:
    """The attempt has ended, and its last `steps` were so: return the state that the run is in now.

    Its code failed so many seconds `ago`. A machine that was lost to the attempt (preempted, cut off) may lead to
    another one. `run` is as `lock_own` gave it.
    """
    code = forms.clean_text(reason, MAX_CODE) or (SCRIPT_FAILED if exit_code else "")
    facts = {"exit_code": exit_code, "signal": signal}
    ago = min(max(ago, 0.0), MOST_AGO)
    db.ask(_ENDED, {"run": run.pk, "no": run.attempt_no, "rank": actor.rank, "code": code, "ago": ago, **facts})
    attempts = Attempt.objects.filter(run=run, no=run.attempt_no, rank=actor.rank)
    if not actor.rank:  # how far a run is, its first node says
        run.steps = with_steps(run.steps, steps)
    if run.nodes > 1:
        tail = forms.clean_text(log_tail, MAX_TAIL)
        return settle(run, attempts.get(), message=forms.clean_text(message, MAX_REASON), log_tail=tail)
    canceling = run.desired == DESIRED_CANCEL
    if code in states.RETRIED and not canceling and _may_again(run, attempts.get(), code):
        return again(run, code, free=code == PREEMPTED)
    decided = run.reason_code in DECIDED
    if not (canceling or decided) and (failed := _failed_and_may_again(run, code, exit_code)):
        told = forms.clean_text(message, MAX_REASON // 2) or "The script ended badly."
        why = f"Attempt {run.attempt_no} failed. {told}"
        return again(run, code or SCRIPT_FAILED, free=True, pauses=failed, why=why)
    status = states.outcome(canceling=canceling, decided=decided, reason=code, exit_code=exit_code)
    changes: dict[str, Any] = {**facts, "log_tail": forms.clean_text(log_tail, MAX_TAIL)}
    if status == COMPLETED:
        changes |= {"reason_code": "", "reason": ""}  # why an earlier attempt was lost
    if status == FAILED and not decided:
        changes |= {"reason_code": code or "script_failed", "reason": forms.clean_text(message, MAX_REASON)}
    finish(run, status, **changes)
    record(actor=actor, workspace=run.workspace, action="run.end", target=run.pk, fields={"status": status})
    return status


_ENDED = """
UPDATE runs_attempt SET ended = statement_timestamp() - make_interval(secs => %(ago)s),
    last_seen = statement_timestamp(), reason_code = %(code)s, exit_code = %(exit_code)s, signal = %(signal)s
WHERE run_id = %(run)s AND no = %(no)s AND rank = %(rank)s RETURNING id
"""


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
    failed = failed_attempts(run).count()
    return failed if failed <= most else 0


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
    record(actor=actor, workspace=run.workspace, action="run.give_up", target=run.pk, fields={"attempt": attempt.no})
    if run.nodes > 1:
        settle(run, attempt, message=f"it was lost. {why}")
        return True
    before = Attempt.objects.filter(run=run, launched__isnull=True, reason_code=LOST).count()
    launched = Attempt.objects.filter(pk=attempt.pk, launched__isnull=False).exists()
    status = states.given_up(
        canceling=run.desired == DESIRED_CANCEL,
        launched=launched,
        free_used=before - 1,
        retries_used=run.retries_used,
        max_retries=run.max_retries,
    )
    if status == QUEUED:
        again(run, LOST, free=not launched, after=attempt.lease_until)
    else:
        decided = run.reason_code in DECIDED
        reason = {} if decided else {"reason_code": LOST, "reason": f"The node was lost in the middle. {why}"}
        finish(run, FAILED if decided else status, **reason)
    return True
