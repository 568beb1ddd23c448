"""Experiments by themselves; most are made by their first run."""

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from runs import forms
from runs.models import Experiment, Run
from runs.queries import get_experiment_by_id
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.forms import clean_key


def create_experiment(
    slug: str,
    *,
    actor: Actor,
    name: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    artifact_location: str = "",
) -> Experiment:
    """Make an experiment without runs. Raises Conflict `taken` when there is one of this name, archived or not."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    name = forms.clean_experiment_name(name)
    try:
        with transaction.atomic():
            made = Experiment.objects.create(
                workspace=workspace,
                name=name,
                description=forms.clean_description(description),
                tags=forms.clean_experiment_tags(tags or {}),
                artifact_location=forms.clean_text(artifact_location, 2000),
            )
            record(actor=actor, workspace=workspace, action="experiment.create", target=name)
    except IntegrityError:
        raise Conflict(
            _("There is an experiment %(name)s already.") % {"name": repr(name)}, code="taken", field="name"
        ) from None
    return made


def rename_experiment(slug: str, number: int, *, actor: Actor, name: str) -> Experiment:
    """Give an experiment another name. Raises NotFound, Conflict `taken`, Invalid for an archived one."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = _active(slug, number, actor=actor)
    name = forms.clean_experiment_name(name)
    try:
        with transaction.atomic():
            Experiment.objects.filter(pk=found.pk).update(name=name, updated=Now())
            fields = {"was": found.name}
            record(actor=actor, workspace=workspace, action="experiment.rename", target=name, fields=fields)
    except IntegrityError:
        raise Conflict(
            _("There is an experiment %(name)s already.") % {"name": repr(name)}, code="taken", field="name"
        ) from None
    return get_experiment_by_id(slug, number, actor=actor)


@transaction.atomic
def tag_experiment(
    slug: str,
    number: int,
    *,
    actor: Actor,
    tags: Mapping[str, str | None] | None = None,
    description: str | None = None,
) -> Experiment:
    """Tag or describe an experiment; a tag that is None is taken away. Raises NotFound, Invalid for an archived one."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = _active(slug, number, actor=actor)
    row = Experiment.objects.select_for_update(no_key=True).get(pk=found.pk)
    given = {clean_key(key, noun="tag"): value for key, value in (tags or {}).items()}
    kept = {key: value for key, value in (row.tags | given).items() if value is not None}
    told = row.description if description is None else forms.clean_description(description)
    changes = {"tags": forms.clean_experiment_tags(kept), "description": told}
    Experiment.objects.filter(pk=row.pk).update(**changes, updated=Now())
    said = sorted(given) + ["description"] * (description is not None)
    record(actor=actor, workspace=workspace, action="experiment.edit", target=row.name, fields=said)
    return get_experiment_by_id(slug, number, actor=actor)


@transaction.atomic
def archive_experiment(slug: str, number: int, *, actor: Actor) -> None:
    """Take an experiment out of the lists; its runs stay, and its next run brings it back. Twice is harmless."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = get_experiment_by_id(slug, number, actor=actor)
    if Experiment.objects.filter(pk=found.pk, archived__isnull=True).update(archived=Now(), updated=Now()):
        record(actor=actor, workspace=workspace, action="experiment.archive", target=found.name)


@transaction.atomic
def restore_experiment(slug: str, number: int, *, actor: Actor) -> None:
    """Show an archived experiment again. Twice is harmless."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = get_experiment_by_id(slug, number, actor=actor)
    if Experiment.objects.filter(pk=found.pk, archived__isnull=False).update(archived=None, updated=Now()):
        record(actor=actor, workspace=workspace, action="experiment.restore", target=found.name)


@transaction.atomic
def delete_experiment(slug: str, number: int, *, actor: Actor) -> None:
    """Remove an experiment that has no run, also none in the recycle bin. Raises NotFound, Conflict `not_empty`."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = get_experiment_by_id(slug, number, actor=actor)
    # A run that is submitted meanwhile counts itself in this row before it is inserted, so it waits or is seen.
    row = Experiment.objects.select_for_update().get(pk=found.pk)
    if Run.objects.filter(experiment=row).exists():
        raise Conflict(
            _("The experiment %(name)s has runs.") % {"name": row.name},
            code="not_empty",
            hint=_(
                "Delete its runs for good first, or archive the experiment: it leaves the lists, and its runs stay."
            ),
        )
    row.delete()
    record(actor=actor, workspace=workspace, action="experiment.delete", target=row.name)


def _active(slug: str, number: int, *, actor: Actor) -> Experiment:
    found = get_experiment_by_id(slug, number, actor=actor)
    if found.archived:
        raise Invalid(
            f"The experiment {number} must be in the 'active' state. Current state is deleted.", code="archived"
        )
    return found
