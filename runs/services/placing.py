"""What people decide about a run's place: its priority while it waits, and that a silent node is given up now."""

from django.db import transaction
from django.utils.translation import gettext as _

from runs.asking import clean_priority
from runs.models import Attempt, Run, Status
from runs.queries import get_run, run_out
from runs.services.ending import give_up
from runs.services.telling import tell
from runs.services.turning import next_turn
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden
from workspace.access import can
from workspace.audit.services import record
from zaffre.protocol import FINAL_STATES


@transaction.atomic
def set_priority(slug: str, run_id: str, *, actor: Actor, priority: object) -> Run:
    """Give a run that waits another priority. Contributors change their own runs', owners any.

    Raises Conflict `started` when it waits no more, Invalid, Forbidden, NotFound.
    """
    run = get_run(slug, run_id, actor=actor, action="run.prioritize")
    own = run.submitted_by_id is not None and run.submitted_by_id == actor.user_id
    if not own and not can(run.workspace, actor=actor, action="run.prioritize_any"):
        raise Forbidden(
            _("You change the priority of your own runs; owners of the workspace change any."),
            action="run.prioritize_any",
        )
    wanted = clean_priority(priority, field="priority")
    turn = run.turn
    if wanted != run.priority:
        turn = next_turn(run.target_id or 0, priority=wanted, user_id=run.submitted_by_id)
    if not Run.objects.filter(pk=run.pk, status=Status.QUEUED).update(priority=wanted, turn=turn):
        raise Conflict(_("The run does not wait any more, so its priority changes nothing."), code="started")
    if wanted != run.priority:
        fields = {"from": run.priority, "to": wanted}
        record(actor=actor, workspace=run.workspace, action="run.prioritize", target=run.pk, fields=fields)
        tell(run, Status.QUEUED)
    return run


@transaction.atomic
def give_up_run(slug: str, run_id: str, *, actor: Actor) -> None:
    """End the attempt of a node that does not respond now, instead of at the end of its lease.

    The run waits again or ends, by its policy. Another attempt begins only after the lease of this one, when the node
    has ended the code by itself: two must not execute at once. Raises Conflict `final` for a run that has ended,
    `reachable` while its node answers, Forbidden, NotFound.
    """
    run = get_run(slug, run_id, actor=actor, action="run.cancel")
    if run.status in FINAL_STATES:
        raise Conflict(_("The run has ended already."), code="final", status=run.status)
    held = Attempt.objects.filter(run=run, no=run.attempt_no, ended__isnull=True)
    attempt = held.order_by("last_seen").first()
    if attempt is None or run_out(run)["reachable"] is not False:
        raise Conflict(
            _("The node of this run answers, or it has none."), code="reachable", hint=_("Cancel the run to end it.")
        )
    if not give_up(attempt, why=f"{actor.name} gave it up.", actor=actor):
        raise Conflict(_("The node answered in this moment, so the run goes on."), code="reachable")
