"""Runs that were deleted and can be restored: out of every list, and closed for writing."""

from django.db import transaction
from django.db.models.functions import Now

from runs.models import Run
from runs.queries import get_run
from runs.services.telling import tell
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden
from workspace.access import can
from workspace.audit.services import record


@transaction.atomic
def discard_run(slug: str, run_id: str, *, actor: Actor) -> None:
    """Take a run out of the lists; `restore_run` brings it back. Twice is harmless.

    Contributors do it to their own runs, owners to any. Raises Conflict `not_final` for a script that goes on.
    """
    run = _own(slug, run_id, actor=actor)
    if run.kind == Run.Kind.SCRIPT and not run.is_final:
        raise Conflict("The run has not ended.", code="not_final", hint="Cancel it first.", status=run.status)
    if Run.objects.filter(pk=run.pk, deleted__isnull=True).update(deleted=Now()):
        record(actor=actor, workspace=run.workspace, action="run.discard", target=f"{run.name} ({run.pk})")
        tell(run, "deleted")


@transaction.atomic
def restore_run(slug: str, run_id: str, *, actor: Actor) -> None:
    """Show a run again that was taken out of the lists. Twice is harmless."""
    run = _own(slug, run_id, actor=actor)
    if Run.objects.filter(pk=run.pk, deleted__isnull=False).update(deleted=None):
        record(actor=actor, workspace=run.workspace, action="run.restore", target=f"{run.name} ({run.pk})")
        tell(run, run.status)


def _own(slug: str, run_id: str, *, actor: Actor) -> Run:
    run = get_run(slug, run_id, actor=actor, action="run.delete", deleted=True)
    if run.submitted_by_id != actor.user_id and not can(run.workspace, actor=actor, action="run.delete_any"):
        raise Forbidden("Only owners of the workspace delete what others have submitted.")
    return run
