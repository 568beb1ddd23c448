"""Experiments by themselves; most are made by their first run."""

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from runs import forms
from runs.models import Experiment
from runs.queries import get_experiment_by_id
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.forms import clean_name


def create_experiment(slug: str, *, actor: Actor, name: str, description: str = "") -> Experiment:
    """Make an experiment without runs. Raises Conflict `taken` when there is one of this name, archived or not."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    name = clean_name(name, noun="an experiment")
    try:
        with transaction.atomic():
            made = Experiment.objects.create(
                workspace=workspace, name=name, description=forms.clean_description(description)
            )
            record(actor=actor, workspace=workspace, action="experiment.create", target=name)
    except IntegrityError:
        raise Conflict(f"There is an experiment {name!r} already.", code="taken", field="name") from None
    return made


def rename_experiment(slug: str, number: int, *, actor: Actor, name: str) -> Experiment:
    """Give an experiment another name. Raises NotFound, Conflict `taken`."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = get_experiment_by_id(slug, number, actor=actor)
    name = clean_name(name, noun="an experiment")
    try:
        with transaction.atomic():
            Experiment.objects.filter(pk=found.pk).update(name=name)
            fields = {"was": found.name}
            record(actor=actor, workspace=workspace, action="experiment.rename", target=name, fields=fields)
    except IntegrityError:
        raise Conflict(f"There is an experiment {name!r} already.", code="taken", field="name") from None
    return get_experiment_by_id(slug, number, actor=actor)


@transaction.atomic
def archive_experiment(slug: str, number: int, *, actor: Actor) -> None:
    """Take an experiment out of the lists; its runs stay, and its next run brings it back. Twice is harmless."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = get_experiment_by_id(slug, number, actor=actor)
    if Experiment.objects.filter(pk=found.pk, archived__isnull=True).update(archived=Now()):
        record(actor=actor, workspace=workspace, action="experiment.archive", target=found.name)


@transaction.atomic
def restore_experiment(slug: str, number: int, *, actor: Actor) -> None:
    """Show an archived experiment again. Twice is harmless."""
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    found = get_experiment_by_id(slug, number, actor=actor)
    if Experiment.objects.filter(pk=found.pk, archived__isnull=False).update(archived=None):
        record(actor=actor, workspace=workspace, action="experiment.restore", target=found.name)
