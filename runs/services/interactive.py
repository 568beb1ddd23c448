"""Runs whose code is elsewhere, such as in a notebook: they log here, and say themselves when they end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from runs import forms
from runs.models import Run, Status
from runs.origins import keeping as origins
from runs.queries import get_run_as_told
from runs.services.beginning import Words, begin_all, prepared
from runs.services.ending import fail_run
from runs.services.submit import open_experiment
from runs.services.telling import put_away, tell
from runs.snapshots import queries as snapshots
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Invalid
from studio.kernel.states import advance
from workspace.access import get_workspace
from workspace.audit.services import record
from zaffre.protocol import DESIRED_RUN, FINAL_STATES, HELD_STATES


@transaction.atomic
def start_interactive(
    slug: str,
    *,
    actor: Actor,
    experiment: str,
    name: str = "",
    snapshot: str | None = None,
    git: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    parent: str = "",
) -> Run:
    """Begin a run that its submitter logs to from wherever the code is, in an experiment that is made if need be.

    `parent` is the id of the run that it is a part of. Raises NotFound when there is none.
    """
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    group, number = open_experiment(workspace, experiment)
    group.workspace = workspace
    begun = prepared(group, Words(name, tags, parent), actor=actor)
    begun.run.snapshot = snapshots.resolve(workspace, snapshot) if snapshot else None
    begun.run.git = forms.clean_git(git or {})
    begin_all([(begun, number)])
    origins.remember(begun.run, git=git or {})
    return begun.run


@transaction.atomic
def end_interactive(
    slug: str, run_id: str, *, actor: Actor, status: str, message: str = "", ended: datetime | None = None
) -> Run:
    """End an interactive run as completed, failed or canceled. The same end twice is harmless.

    `ended` is the client's word for when that was.
    """
    run = _own(slug, run_id, actor=actor)
    if status not in FINAL_STATES:
        raise Invalid(f"A run ends as one of {', '.join(FINAL_STATES)}, not {status[:40]!r}.", field="status")
    reason = forms.clean_text(message, 3000)
    changes: dict[str, Any] = {"reason": reason, "reason_code": "said_failed"} if status == Status.FAILED else {}
    changes |= {"status": status, "ended": ended or timezone.now()}
    if advance(Run.objects.filter(pk=run.pk), frm=HELD_STATES, **changes):
        for field, value in changes.items():
            setattr(run, field, value)
        record(actor=actor, workspace=run.workspace, action="run.end", target=run.pk, fields={"status": status})
        put_away(run)
        tell(run, status)
    elif run.status != status:
        raise Conflict(f"The run has ended already, as {run.status}.", code="final", status=run.status)
    return run


@transaction.atomic
def end_by_hand(slug: str, run_id: str, *, actor: Actor, status: str, message: str = "") -> Run:
    """`end_interactive`; of a submitted run only that it has failed, which ends it, and the end that it has already."""
    run = get_run_as_told(slug, run_id, actor=actor, action="run.read")
    if run.kind == Run.Kind.INTERACTIVE or status not in (run.status, Status.FAILED):
        return end_interactive(slug, run_id, actor=actor, status=status, message=message)
    return run if status == run.status else fail_run(slug, run_id, actor=actor, message=message)


@transaction.atomic
def reopen_interactive(slug: str, run_id: str, *, actor: Actor) -> Run:
    """Go on with an interactive run that has ended, as its owner wants. One that goes on already stays as it is."""
    run = _own(slug, run_id, actor=actor)
    fresh: dict[str, Any] = {"ended": None, "reason": "", "reason_code": "", "desired": DESIRED_RUN}
    if advance(Run.objects.filter(pk=run.pk), frm=FINAL_STATES, status=Status.RUNNING, **fresh):
        record(actor=actor, workspace=run.workspace, action="run.reopen", target=run.pk, fields={"was": run.status})
        tell(run, Status.RUNNING)
    return get_run_as_told(slug, run_id, actor=actor)


def _own(slug: str, run_id: str, *, actor: Actor) -> Run:
    run = get_run_as_told(slug, run_id, actor=actor, action="run.write", deleted=False)
    if run.kind != Run.Kind.INTERACTIVE:
        raise Forbidden("Only interactive runs are ended by hand; this one ends with its script.")
    if run.submitted_by_id != actor.user_id:
        raise Forbidden("Only the person who started an interactive run may end it.", hint="You can cancel it.")
    return run
