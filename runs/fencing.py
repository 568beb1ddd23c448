"""Who may add to a run that executes: its present attempt, or the person whose interactive run it is.

Code may begin runs below its own. They are interactive ones, marked with the run and the attempt whose code made
them (`Run.config`), and writing to them asks whether that attempt still holds its run.
"""

from runs.family import made_by
from runs.models import Run
from runs.queries import get_run_briefly
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, NotFound, Unauthenticated
from zaffre.protocol import DESIRED_CANCEL, FINAL_STATES, HELD_STATES


def admit(run_id: str, *, actor: Actor, workspace: str | None) -> Run | None:
    """Let pass who may ever write to this run; `refuse_late` then looks at the moment.

    Returns the run as `get_run_briefly` does where it was looked at: at the user door.

    `workspace` is the slug of the user door, None on the agent door. A run's token names its run, so
    it costs no question to the database. Raises Unauthenticated, Forbidden or NotFound.
    """
    if actor.kind == "run" and workspace is None:
        if actor.run_id != run_id and not _made_it(run_id, actor=actor):
            raise NotFound("This token belongs to another run.")
        return None
    if actor.kind == "anonymous":
        raise Unauthenticated("Log in, or send a token in the Authorization header.")
    if workspace is None:
        raise Forbidden("This address takes the token of a run.")
    run = get_run_briefly(workspace, run_id, actor=actor, action="run.write")
    if actor.kind == "run":
        if actor.run_id != run_id and not made_by(run.config, actor=actor):
            raise Forbidden("Code writes to its own run, and to the child runs that it began itself.")
        return run
    if run.kind != Run.Kind.INTERACTIVE:
        raise Forbidden(
            "Only the code of this run may write to it.", hint="Start an interactive run to log from a notebook."
        )
    if run.submitted_by_id != actor.user_id:
        raise Forbidden("Only the person who started an interactive run may write to it.")
    return run


def refuse_late(*, status: str, attempt_no: int, actor: Actor, open_ended: bool = False) -> None:
    """Raise Conflict unless this is the attempt that holds the run now. Call it on a locked or joined row.

    Codes: `stale_attempt` when another attempt took over (the caller's code must stop), `final` when the run has
    ended. `open_ended` (see `takes_more`) lets a person add to an interactive run that has.
    """
    if open_ended and actor.kind != "run":
        return
    if actor.kind == "run" and attempt_no != actor.attempt:
        raise Conflict(
            f"Attempt {actor.attempt} of this run was replaced by attempt {attempt_no}.",
            code="stale_attempt",
            attempt=attempt_no,
        )
    refuse_ended(status)
    if actor.kind == "run" and status not in HELD_STATES:
        raise Conflict(
            "This attempt was given up, and the run waits for another one.", code="stale_attempt", attempt=attempt_no
        )


def takes_more(desired: str, *, late: bool) -> bool:
    """Whether an interactive run stays open for its owner after its end: `late` is what the door says of its clients.

    MLflow's client logs what it measures of a model after the run that trained it. One that was canceled is closed:
    whoever canceled it wants the code to hear of it.
    """
    return late and desired != DESIRED_CANCEL


def refuse_ended(status: str) -> None:
    """Raise Conflict `final` for a run that has ended."""
    if status in FINAL_STATES:
        raise Conflict(f"The run has ended ({status}) and takes nothing more.", code="final", status=status)


def _made_it(run_id: str, *, actor: Actor) -> bool:
    found = Run.objects.filter(pk=run_id.replace("\0", ""), kind=Run.Kind.INTERACTIVE).values_list("config", flat=True)
    return any(made_by(config, actor=actor) for config in found)


def hold_own_run(run_id: str, *, actor: Actor) -> None:
    """Lock the run whose code calls, and refuse code that has lost it, before `run_id` below it is locked.

    Call it first in a transaction. In the order of ids, as everywhere: what code begins is newer than its run.
    Raises as `refuse_late`.
    """
    if actor.kind == "run" and actor.run_id != run_id:
        rows = Run.objects.select_for_update(of=("self",), no_key=True).filter(pk=actor.run_id)
        for status, attempt_no in rows.values_list("status", "attempt_no"):
            refuse_late(status=status, attempt_no=attempt_no, actor=actor)


def refuse_late_row(run: Run, *, actor: Actor, late: bool = False) -> None:
    """`refuse_late` for a locked row, which may be that of a child whose code `hold_own_run` has looked at."""
    if actor.kind == "run" and actor.run_id != run.pk:
        refuse_ended(run.status)
    else:
        open_ended = takes_more(run.desired, late=late)
        refuse_late(status=run.status, attempt_no=run.attempt_no, actor=actor, open_ended=open_ended)
