"""The last writes of an attempt: its run waits for another one, or has ended. The run's row is locked by the caller."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, Value
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from runs import states
from runs.fencing import refuse_late
from runs.models import Experiment, Run, Status
from runs.services.children import close_children
from runs.services.hints import ring
from runs.services.telling import put_away, tell
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound
from studio.kernel.rows import Rows, change
from workspace.models import Workspace
from zaffre.protocol import DESIRED_RUN, FAILED, QUEUED

#: What a report and an end are decided by, and what watchers are told of: not all that a run has logged.
_BRIEFLY = Rows(
    """
    SELECT {columns} FROM runs_run run
    JOIN workspace_workspace workspace ON workspace.id = run.workspace_id
    JOIN runs_experiment experiment ON experiment.id = run.experiment_id
    WHERE run.id = %(run)s FOR NO KEY UPDATE OF run
    """,
    {
        "run": (
            Run,
            (
                *("status", "desired", "attempt_no", "retries_used", "max_retries", "nodes", "steps", "config"),
                *("reason_code", "reason", "target", "parent", "exit_code", "signal", "log_tail"),
                *("workspace", "experiment"),
            ),
        ),
        "workspace": (Workspace, ("slug",)),
        "experiment": (Experiment, ("name",)),
    },
)


def lock_briefly(run_id: str) -> Run | None:
    """The run, locked until the commit, with what its attempt's reports are judged by; None when it is gone."""
    for run, workspace, experiment in _BRIEFLY.ask(run=run_id):
        run.workspace, run.experiment = workspace, experiment
        return run
    return None


def lock_own(run_id: str, *, actor: Actor) -> Run:
    """`lock_briefly` for the attempt that calls. Raises Forbidden, NotFound, and Conflict as `refuse_late`."""
    if actor.kind != "run":
        raise Forbidden("This address takes the token of a run.")
    run = lock_briefly(run_id) if actor.run_id == run_id else None
    if run is None:
        raise NotFound("This token belongs to another run.")
    refuse_late(status=run.status, attempt_no=run.attempt_no, actor=actor)
    return run


def again(run: Run, code: str, *, free: bool, pauses: int = 0, why: str = "", after: datetime | None = None) -> str:
    """Queue the run for another attempt after a growing pause, and not before `after`; `free` costs no retry."""
    retries = run.retries_used + (0 if free else 1)
    seconds = states.pause(max(1, retries, pauses))
    Run.objects.filter(pk=run.pk).update(
        status=Status.QUEUED,
        desired=DESIRED_RUN,
        retries_used=retries,
        # Given up by hand, its code may live until its lease is over: only then has the node ended it by itself.
        not_before=Greatest(Now() + timedelta(seconds=seconds), Value(after, DateTimeField())),
        queued_at=Now(),
        hinted_at=None,
        ticket_hash="",
        started=None,
        steps=[],
        reason_code=code,
        reason=f"{why or f'Attempt {run.attempt_no} was lost.'} The next attempt starts after a pause.",
    )
    close_children(run)  # the next attempt begins its own
    ring(run.pk, target_id=run.target_id or 0)
    tell(run, QUEUED)
    return QUEUED


def finish(run: Run, status: str, **changes: Any) -> str:
    """Write the end of a run; returns its state."""
    moment = timezone.now().isoformat()
    steps = [
        {**step, "ended": moment, "state": "failed" if status == FAILED else "canceled"}
        if step.get("started") and not step.get("ended") and status != Status.COMPLETED
        else {**step, "ended": step.get("ended") or moment, "state": "done" if not step.get("ended") else step["state"]}
        for step in run.steps
    ]
    told = {"status": status, "steps": steps, "not_before": None, "ticket_hash": "", **changes}
    change(Run, run.pk, told, ended="statement_timestamp()")
    close_children(run)
    put_away(run)
    tell(run, status)
    return status
