"""The recycle bin and the archive.

Deleted runs are out of every list and closed for writing. They can be restored until their time in the bin is over;
then their rows go, and with them all that names their files. Archived ones are only hidden.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from runs.children import trees
from runs.forms import no_such_run
from runs.models import Run
from runs.queries import get_run
from runs.services.telling import tell
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, ZaffreError
from studio.kernel.events import publish
from workspace.access import can, get_workspace
from workspace.audit.services import Deed, record, record_all

log = logging.getLogger(__name__)

#: Runs of one call, and runs that one round of the clean-up removes for good.
MOST, MOST_AT_ONCE = 1000, 5000


@dataclass(frozen=True)
class Refusal:
    """A run that stayed as it was, and why."""

    id: str
    name: str
    error: ZaffreError


@dataclass
class Done:
    """What became of several runs: the ids of those that were asked for, how many rows that were, and who was left."""

    runs: list[str] = field(default_factory=list)
    rows: int = 0
    refused: list[Refusal] = field(default_factory=list)


# --- into the bin, and out of it ---------------------------------------------------------------------------


@transaction.atomic
def delete_runs(slug: str, run_ids: Sequence[str], *, actor: Actor) -> Done:
    """Put runs that have ended, each with all below it, into the recycle bin.

    Contributors delete their own runs, owners any. What cannot go is left as it is and told under `refused`: Conflict
    `not_final` for a tree in which something goes on, Forbidden for one in which something is another's, NotFound.
    """
    workspace = get_workspace(slug, actor=actor, action="run.delete")
    any_of_them = can(workspace, actor=actor, action="run.delete_any")
    asked = list(dict.fromkeys(run_ids))[:MOST]
    below = trees(workspace, asked)
    held = _hold({one for ids in below.values() for one in ids})
    done, gone = Done(), set[str]()
    for run_id in asked:
        root = held.get(run_id)
        if root is None or root.deleted:
            done.refused.append(Refusal(run_id, root.name if root else "", no_such_run(slug, run_id)))
            continue
        tree = [held[one] for one in below[run_id] if one in held and held[one].deleted is None]
        problem = _in_the_way(root, tree, any_of_them=any_of_them, actor=actor)
        if problem is not None:
            done.refused.append(Refusal(run_id, root.name, problem))
            continue
        done.runs.append(run_id)
        gone |= {one.pk for one in tree}
    done.rows = Run.objects.filter(pk__in=gone).update(deleted=Now(), deleted_by_id=actor.user_id)
    record_all(Deed(actor, workspace, "run.delete", _named(held[one])) for one in done.runs)
    for one in sorted(gone):
        tell(held[one], "deleted")
    return done


def delete_run(slug: str, run_id: str, *, actor: Actor) -> int:
    """`delete_runs` of one; returns how many runs went with those below it. Raises what is in the way."""
    get_run(slug, run_id, actor=actor, action="run.delete")
    with transaction.atomic():
        done = delete_runs(slug, [run_id], actor=actor)
        for refused in done.refused:
            raise refused.error
    return done.rows


def _in_the_way(root: Run, tree: Iterable[Run], *, any_of_them: bool, actor: Actor) -> ZaffreError | None:
    for run in tree:
        if not any_of_them and run.submitted_by_id != actor.user_id:
            return (
                _not_yours()
                if run is root
                else Forbidden(_("%(run)s, which is below it, is another's.") % {"run": run.name})
            )
        if not run.is_final:
            below = _("The run %(run)s, which is below it, has not ended.") % {"run": run.name}
            told = _("The run has not ended.") if run is root else below
            return Conflict(told, code="not_final", hint=_("Cancel it first."), status=run.status)
    return None


@transaction.atomic
def discard_run(slug: str, run_id: str, *, actor: Actor) -> None:
    """Put one run into the bin as MLflow's client does: without what is below it, and an interactive one at any time.

    Twice is harmless. Raises Conflict `not_final` for a script that goes on.
    """
    run = _own(slug, run_id, actor=actor)
    if run.kind == Run.Kind.SCRIPT and not run.is_final:
        raise Conflict(_("The run has not ended."), code="not_final", hint=_("Cancel it first."), status=run.status)
    if Run.objects.filter(pk=run.pk, deleted__isnull=True).update(deleted=Now(), deleted_by_id=actor.user_id):
        record(actor=actor, workspace=run.workspace, action="run.delete", target=_named(run))
        tell(run, "deleted")


@transaction.atomic
def restore_run(slug: str, run_id: str, *, actor: Actor) -> int:
    """Take a run out of the bin, with what went into it together with it; returns how many. Twice is harmless.

    Raises NotFound for one that is gone for good, Forbidden for another's.
    """
    run = _own(slug, run_id, actor=actor)
    if run.deleted is None:
        return 0
    together = [one for one in _hold(trees(run.workspace, [run.pk])[run.pk]).values() if one.deleted == run.deleted]
    Run.objects.filter(pk__in=[one.pk for one in together]).update(deleted=None, deleted_by=None)
    record(actor=actor, workspace=run.workspace, action="run.restore", target=_named(run))
    for one in together:
        tell(one, one.status)
    return len(together)


# --- for good ------------------------------------------------------------------------------------------------


@transaction.atomic
def purge_run(slug: str, run_id: str, *, actor: Actor) -> int:
    """Remove a run of the bin for good, with what went into it together with it; returns how many.

    Points, log, items and rows of files go now, their bytes when nothing has named them for `BLOB_GRACE_SECONDS`.
    Models that were registered from it stay. Raises Conflict `not_deleted` for a run that is not in the bin.
    """
    run = _own(slug, run_id, actor=actor)
    if run.deleted is None:
        raise Conflict(_("The run is not in the recycle bin."), code="not_deleted", hint=_("Delete it first."))
    held = _hold(trees(run.workspace, [run.pk])[run.pk], delete=True)
    together = {one.pk for one in held.values() if one.deleted is not None and one.deleted == run.deleted}
    if run.pk not in together:
        raise Conflict(_("The run was restored just now."), code="not_deleted")
    record(actor=actor, workspace=run.workspace, action="run.purge", target=_named(run), fields={"runs": len(together)})
    _remove(together)
    publish(f"runs.{slug}", run=run.pk, experiment=run.experiment.name, status="deleted")
    return len(together)


def purge_expired(*, actor: Actor) -> int:
    """Remove for good what has been in the bin for longer than `BIN_SECONDS`; returns how many runs.

    Each in a transaction of its own: one that cannot be removed must not keep the others.
    """
    if actor.kind != "system":
        raise Forbidden(_("Only the studio itself empties the recycle bin."))
    before = Now() - timedelta(seconds=settings.BIN_SECONDS)
    expired = Run.objects.filter(deleted__lt=before).order_by("deleted", "pk").values_list("pk", flat=True)
    removed = 0
    for run_id in list(expired[:MOST_AT_ONCE]):
        try:
            with transaction.atomic():
                held = _hold([run_id], delete=True)
                for run in held.values():
                    if run.deleted is None:
                        continue  # restored meanwhile
                    record(actor=actor, workspace=run.workspace, action="run.purge", target=_named(run))
                    _remove({run_id})
                    removed += 1
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("run %s cannot be removed from the recycle bin", run_id)
    return removed


def _remove(run_ids: set[str]) -> None:
    # What is below them and was not deleted with them stays, at the top.
    Run.objects.filter(parent__in=run_ids).exclude(pk__in=run_ids).update(parent=None)
    Run.objects.filter(pk__in=run_ids).delete()


# --- the archive ---------------------------------------------------------------------------------------------


@transaction.atomic
def archive_runs(slug: str, run_ids: Sequence[str], *, actor: Actor, archived: bool = True) -> Done:
    """Hide runs, each with all below it, from lists that do not ask for archived ones; or show them again.

    Raises as `get_workspace`; runs that are not there are told under `refused`.
    """
    workspace = get_workspace(slug, actor=actor, action="run.edit")
    asked = list(dict.fromkeys(run_ids))[:MOST]
    below = trees(workspace, asked)
    held = _hold({one for ids in below.values() for one in ids})
    done = Done()
    for run_id in asked:
        if run_id not in held or held[run_id].deleted:
            done.refused.append(Refusal(run_id, "", no_such_run(slug, run_id)))
        else:
            done.runs.append(run_id)
    rows = [held[one] for root in done.runs for one in below[root] if one in held]
    changed = {run.pk: run for run in rows if run.deleted is None and (run.archived is None) == archived}
    done.rows = Run.objects.filter(pk__in=changed).update(archived=Now() if archived else None)
    action = "run.archive" if archived else "run.unarchive"
    record_all(Deed(actor, workspace, action, _named(held[one])) for one in done.runs if one in changed)
    for run in changed.values():
        tell(run, run.status)
    return done


def archive_run(slug: str, run_id: str, *, actor: Actor, archived: bool = True) -> None:
    """`archive_runs` of one. Raises NotFound."""
    with transaction.atomic():
        for refused in archive_runs(slug, [run_id], actor=actor, archived=archived).refused:
            raise refused.error


# --- shared ----------------------------------------------------------------------------------------------------


def _own(slug: str, run_id: str, *, actor: Actor) -> Run:
    run = get_run(slug, run_id, actor=actor, action="run.delete", deleted=True)
    if run.submitted_by_id != actor.user_id and not can(run.workspace, actor=actor, action="run.delete_any"):
        raise _not_yours()
    return run


def _not_yours() -> Forbidden:
    return Forbidden(_("Only owners of the workspace delete what others have submitted."))


def _hold(run_ids: Collection[str], *, delete: bool = False) -> dict[str, Run]:
    """The rows, locked in the order of ids, as everywhere."""
    rows = Run.objects.select_for_update(of=("self",), no_key=not delete).select_related("workspace", "experiment")
    told = ("workspace__slug", "experiment__name", "name", "status", "submitted_by_id", "parent_id", "kind")
    held = rows.filter(pk__in=run_ids).only(*told, "deleted", "archived").order_by("pk")
    return {run.pk: run for run in held}


def _named(run: Run) -> str:
    return f"{run.name} ({run.pk})"
