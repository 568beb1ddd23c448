"""Runs below a run: begun by whoever carries the parent on, a person or its code, and ended by the same hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from runs import forms
from runs.children import depth_of
from runs.family import made_by, mark_of
from runs.fencing import hold_own_run, refuse_ended
from runs.models import Experiment, Run, Status
from runs.queries import get_run, own_run
from runs.services.telling import put_away, tell
from studio.kernel import db
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Invalid
from studio.kernel.ids import pet_name, ulid
from studio.kernel.states import advance
from workspace.access import authorize
from workspace.audit.services import record
from workspace.forms import clean_tags
from zaffre.protocol import FINAL_STATES, HELD_STATES

#: Children of one call.
MOST = 1000
#: Generations below the run at the top.
DEEPEST = 50


@transaction.atomic
def create_children(
    run_id: str, *, actor: Actor, children: Sequence[Mapping[str, Any]], workspace: str | None = None
) -> list[Run]:
    """Begin interactive runs below `run_id`, in its experiment; each of `children` is {name?, tags?}.

    `workspace` is the slug of the user door, None on the agent door. Code begins them below its own run and below
    those that it began. Raises Invalid for too many or too deep ones, and as `runs.fencing` for a lost attempt.
    """
    parent = _parent(run_id, actor=actor, workspace=workspace)
    if not 1 <= len(children) <= MOST:
        raise Invalid(f"{len(children)} children, and one call begins 1 to {MOST}.", field="children")
    if depth_of(parent, actor=actor) >= DEEPEST:
        raise Invalid(f"Runs are nested {DEEPEST} deep at most.", code="too_deep")
    group = Experiment.objects.filter(pk=parent.experiment_id)
    group.update(run_counter=F("run_counter") + len(children))
    first = group.values_list("run_counter", flat=True).get() - len(children) + 1
    moment = timezone.now()
    made = [
        Run(
            id=id_,
            workspace=parent.workspace,
            experiment=parent.experiment,
            number=number,
            name=forms.clean_run_name(str(told["name"])) if told.get("name") else pet_name(number),
            kind=Run.Kind.INTERACTIVE,
            parent=parent,
            status=Status.RUNNING,
            config=mark_of(actor),
            tags=clean_tags(told.get("tags") or {}),
            submitted_by_id=actor.user_id or parent.submitted_by_id,
            queued_at=moment,
            started=moment,
        )
        # Sorted, so that they are listed in the order in which they were asked for.
        for number, id_, told in zip(range(first, first + len(children)), _ids(len(children)), children, strict=True)
    ]
    Run.objects.bulk_create(made)
    if actor.kind != "run":  # what code does below its own run is telemetry, not somebody's deed
        facts = {"children": len(made), "first": made[0].pk}
        record(actor=actor, workspace=parent.workspace, action="run.start", target=parent.pk, fields=facts)
    tell(made[0], Status.RUNNING)
    return made


@transaction.atomic
def end_child(run_id: str, *, actor: Actor, status: str, message: str = "") -> Run:
    """End a run that the calling code began, as completed, failed or canceled. The same end twice is harmless.

    Raises Forbidden for another run, also for its own: that one ends with its script.
    """
    run = own_run(run_id, actor=actor)
    if not made_by(run.config, actor=actor):
        raise Forbidden("Code ends the child runs that it began; its own run ends with the script.")
    hold_own_run(run_id, actor=actor)
    if status not in FINAL_STATES:
        raise Invalid(f"A run ends as one of {', '.join(FINAL_STATES)}, not {status[:40]!r}.", field="status")
    reason = (
        {"reason": forms.clean_text(message, 3000), "reason_code": "said_failed"} if status == Status.FAILED else {}
    )
    if advance(Run.objects.filter(pk=run.pk), frm=HELD_STATES, status=status, ended=Now(), **reason):
        _gone(run, status)
    elif run.status != status:
        raise Conflict(f"The run has ended already, as {run.status}.", code="final", status=run.status)
    return own_run(run_id, actor=actor)


def close_children(run: Run) -> None:
    """End what the run's code began and left open, where the attempt that could go on with it has ended.

    Part of the caller's transaction.
    """
    above = [run.pk]
    why = {"reason_code": "parent_ended", "reason": "The run whose code began it has ended."}
    while above:
        above = [pk for (pk,) in db.ask(_BELOW, {"above": above, "run": run.pk})]
        if not above:
            return
        left = list(Run.objects.filter(pk__in=above, status__in=HELD_STATES).select_related("workspace", "experiment"))
        if not left:
            continue
        Run.objects.filter(pk__in=[one.pk for one in left], status__in=HELD_STATES).update(
            status=Status.CANCELED, ended=Now(), **why
        )
        for one in left:
            _gone(one, Status.CANCELED)


_BELOW = "SELECT id FROM runs_run WHERE parent_id = ANY(%(above)s) AND config ->> 'code_of' = %(run)s"


def _gone(run: Run, status: str) -> None:
    put_away(run)
    tell(run, status)


def _parent(run_id: str, *, actor: Actor, workspace: str | None) -> Run:
    """The run below which the actor begins others, held until the commit."""
    found = own_run(run_id, actor=actor) if workspace is None else get_run(workspace, run_id, actor=actor)
    if actor.kind == "run":
        if actor.run_id != found.pk and not made_by(found.config, actor=actor):
            raise Forbidden("Code begins child runs below its own run and below those that it began.")
        hold_own_run("", actor=actor)  # its own run, whether it is the parent or above it
        if actor.run_id != found.pk:
            refuse_ended(found.status)
    else:
        authorize(found.workspace, actor=actor, action="run.submit")
    return found


def _ids(count: int) -> list[str]:
    return sorted(ulid() for _ in range(count))
