"""Reading what a workspace keeps about its tables: saved views, and the run that others are held to."""

from typing import Any

from django.db.models import QuerySet, prefetch_related_objects
from django.utils.translation import gettext as _

from runs.models import Experiment, Run
from runs.queries import shown
from runs.tables.finding import Place
from runs.tables.models import Mark, SavedView
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from studio.kernel.rows import read
from workspace.access import get_workspace


def baseline_of(experiment: Experiment, *, actor: Actor) -> Run | None:
    """The run of the experiment that others are held to, as `list_runs` returns runs; None when there is none.

    The caller has opened the experiment for the actor.
    """
    if not actor.is_user:
        return None
    marked = Mark.objects.filter(experiment=experiment, kind=Mark.Kind.BASELINE).values("run")
    return next(iter(shown(Run.objects.filter(pk__in=marked, deleted__isnull=True))), None)


def marks_of(slug: str, run_id: str, *, actor: Actor) -> set[str]:
    """Which marks a run has: pin, baseline. Of a run that there is not it has none."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    found = Mark.objects.filter(run__workspace=workspace, run=run_id.replace("\0", ""))
    return set(found.values_list("kind", flat=True))


def list_views(place: Place, *, actor: Actor) -> list[SavedView]:
    """The saved views of a table by name: of an experiment its own and those of all runs.

    The caller has opened the place for the actor; code has no use for them.
    """
    if not actor.is_user:
        return []
    values = {"workspace": place.workspace.pk, "experiment": place.experiment and place.experiment.pk}
    found = read(SavedView, _OF_TABLE, values)
    for one in found:
        one.experiment = place.experiment if one.experiment_id else None
    prefetch_related_objects(found, "created_by")
    return found


_OF_TABLE = """
workspace_id = %(workspace)s AND (experiment_id IS NULL OR experiment_id = %(experiment)s::bigint) ORDER BY name
"""


def get_view(slug: str, number: int, *, actor: Actor, action: str = "run.read") -> SavedView:
    """One saved view, if the actor may do `action`. Raises NotFound, Forbidden."""
    workspace = get_workspace(slug, actor=actor, action=action)
    rows: QuerySet[SavedView] = SavedView.objects.select_related("workspace", "experiment", "created_by")
    found = rows.filter(workspace=workspace, pk=number).first()
    if found is None:
        raise NotFound(_("There is no saved view %(number)s in %(slug)s.") % {"number": number, "slug": slug})
    return found


def view_out(view: SavedView) -> dict[str, Any]:
    """The view as doors show it, as `get_view` and `list_views` return it."""
    return {
        "id": view.pk,
        "name": view.name,
        "query": view.query,
        "experiment": view.experiment.name if view.experiment else None,
        "default": view.is_default,
        "created": view.created,
        "created_by": view.created_by.shown_name if view.created_by else None,
        "updated": view.updated,
    }
