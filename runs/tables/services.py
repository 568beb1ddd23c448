"""Changing what a workspace keeps about its tables. Everybody sees it, so every change is written down and told."""

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext

from runs.models import Run
from runs.queries import get_run_briefly
from runs.tables import forms
from runs.tables.finding import MOST_PINS, Place, open_place
from runs.tables.models import Mark, SavedView
from runs.tables.queries import get_view
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from studio.kernel.events import publish
from workspace.access import get_workspace
from workspace.audit.services import record

MOST_VIEWS = 200


@transaction.atomic
def save_view(
    slug: str, *, actor: Actor, name: str, query: str, experiment: str | None = None, default: bool = False
) -> SavedView:
    """Keep a table's query string under a name; with `default` the experiment's page begins with it.

    Raises Invalid for a mistake in the query, Conflict `taken` for a name that another view has.
    """
    place = open_place(slug, experiment, actor=actor, action="table.arrange")
    name, query = forms.clean_name(name), forms.clean_query(query)
    if default and place.experiment is None:
        raise Invalid(gettext("Only the table of an experiment has a view that it begins with."), field="default")
    if SavedView.objects.filter(workspace=place.workspace).count() >= MOST_VIEWS:
        raise Conflict(
            gettext("A workspace keeps at most %(most)s views.") % {"most": MOST_VIEWS},
            code="too_many",
            hint=gettext("Delete some first."),
        )
    if default:
        _no_default(place)
    try:
        with transaction.atomic():
            made = SavedView.objects.create(
                workspace=place.workspace,
                experiment=place.experiment,
                name=name,
                query=query,
                is_default=default,
                created_by_id=actor.user_id,
                updated_by_id=actor.user_id,
            )
    except IntegrityError:
        raise Conflict(
            gettext("There is a view %(name)s already.") % {"name": repr(name)}, code="taken", field="name"
        ) from None
    record(actor=actor, workspace=place.workspace, action="view.save", target=name, fields={"query": query[:500]})
    return made


@transaction.atomic
def change_view(
    slug: str,
    number: int,
    *,
    actor: Actor,
    name: str | None = None,
    query: str | None = None,
    default: bool | None = None,
) -> SavedView:
    """Rename a view, let it show something else, or let its experiment begin with it. Raises as `save_view`."""
    view = get_view(slug, number, actor=actor, action="table.arrange")
    changes: dict[str, str | bool] = {}
    if name is not None:
        changes["name"] = forms.clean_name(name)
    if query is not None:
        changes["query"] = forms.clean_query(query)
    if default is not None:
        if default and view.experiment is None:
            raise Invalid(gettext("Only the table of an experiment has a view that it begins with."), field="default")
        if default:
            _no_default(Place(view.workspace, view.experiment))
        changes["is_default"] = default
    if changes:
        try:
            with transaction.atomic():
                rows = SavedView.objects.filter(pk=view.pk)
                rows.update(**changes, updated=Now(), updated_by=actor.user_id)
        except IntegrityError:
            raise Conflict(
                gettext("There is a view %(name)s already.") % {"name": repr(changes["name"])},
                code="taken",
                field="name",
            ) from None
        record(actor=actor, workspace=view.workspace, action="view.change", target=view.name, fields=sorted(changes))
    return get_view(slug, number, actor=actor)


@transaction.atomic
def delete_view(slug: str, number: int, *, actor: Actor) -> SavedView:
    """Delete a view, which may have been somebody else's. Returns what it was, to be saved again."""
    view = get_view(slug, number, actor=actor, action="table.arrange")
    SavedView.objects.filter(pk=view.pk).delete()
    record(
        actor=actor,
        workspace=view.workspace,
        action="view.delete",
        target=view.name,
        fields={"query": view.query[:500]},
    )
    return view


@transaction.atomic
def mark_run(slug: str, run_id: str, *, actor: Actor, kind: str) -> None:
    """Pin a run, or hold the others of its experiment to it instead of the one before. Twice is harmless."""
    workspace = get_workspace(slug, actor=actor, action="table.arrange")
    run = get_run_briefly(slug, run_id, actor=actor)
    _known(kind)
    marks = Mark.objects.filter(experiment=run.experiment_id, kind=kind)
    if marks.filter(run=run.pk).exists():
        return
    if kind == Mark.Kind.BASELINE:
        marks.delete()
    elif marks.count() >= MOST_PINS:
        raise Conflict(
            gettext("An experiment has at most %(most)s pinned runs.") % {"most": MOST_PINS},
            code="too_many",
            hint=gettext("Unpin some first."),
        )
    try:
        with transaction.atomic():
            Mark.objects.create(experiment_id=run.experiment_id, run=run, kind=kind, created_by_id=actor.user_id)
    except IntegrityError:
        raise Conflict(
            gettext("Somebody else has just changed this."), code="changed", hint=gettext("Look again.")
        ) from None
    record(actor=actor, workspace=workspace, action=f"run.{kind}", target=f"{run.name} ({run.pk})")
    publish(f"runs.{slug}", run=run.pk, status="marked")


@transaction.atomic
def unmark_run(slug: str, run_id: str, *, actor: Actor, kind: str) -> None:
    """Take a mark away again. Twice is harmless."""
    workspace = get_workspace(slug, actor=actor, action="table.arrange")
    run = get_run_briefly(slug, run_id, actor=actor)
    _known(kind)
    gone, _ = Mark.objects.filter(run=run.pk, kind=kind).delete()
    if gone:
        record(actor=actor, workspace=workspace, action=f"run.un{kind}", target=f"{run.name} ({run.pk})")
        publish(f"runs.{slug}", run=run.pk, status="marked")


@transaction.atomic
def colour_run(slug: str, run_id: str, *, actor: Actor, colour: int | None) -> None:
    """Give a run this colour on every page, for everybody; with None it has that of its number again."""
    workspace = get_workspace(slug, actor=actor, action="table.arrange")
    run = get_run_briefly(slug, run_id, actor=actor)
    if Run.objects.filter(pk=run.pk).exclude(given_colour=colour).update(given_colour=colour):
        said = {"colour": colour}
        record(actor=actor, workspace=workspace, action="run.colour", target=f"{run.name} ({run.pk})", fields=said)
        publish(f"runs.{slug}", run=run.pk, status="marked")


def _known(kind: str) -> None:
    if kind not in Mark.Kind.values:
        raise Invalid(
            gettext("A mark is one of %(values)s, not %(kind)s.")
            % {"values": ", ".join(Mark.Kind.values), "kind": repr(kind[:40])},
            field="kind",
        )


def _no_default(place: Place) -> None:
    SavedView.objects.filter(experiment=place.experiment, is_default=True).update(is_default=False)
