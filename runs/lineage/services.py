"""Keeping what a client says of a run's inputs and outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

from runs.fencing import admit, hold_own_run, refuse_late_row
from runs.lineage.models import ModelUse, Source, SourceUse
from runs.models import Run
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound, TooLarge
from studio.kernel.events import publish

MAX_NAME, MAX_DIGEST, MAX_TEXT, MAX_PROFILE = 500, 36, 65_535, 1_000_000
MAX_TAG_KEY, MAX_TAG_VALUE = 255, 500
#: Of each kind, that one run keeps.
MOST = 1000


@dataclass(frozen=True)
class Dataset:
    """What a client says of a dataset."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def add_inputs(
    run_id: str, *, actor: Actor, workspace: str, datasets: Sequence[Dataset] = (), models: Sequence[str] = ()
) -> None:
    """Note what a run reads. What was said before stays as it was said first; its tags are added to.

    Raises Invalid that names the field, and as `runs.fencing` does for who may not write to this run or is late.
    """
    for one in datasets:
        _check(one)
    run = _open_run(run_id, actor=actor, workspace=workspace)
    by_name = {(one.name, one.digest): one for one in datasets}
    Source.objects.bulk_create(
        [
            Source(
                experiment_id=run.experiment_id,
                name=one.name,
                digest=one.digest,
                source_type=one.source_type,
                source=one.source,
                schema=one.schema,
                profile=one.profile,
            )
            for one in by_name.values()
        ],
        ignore_conflicts=True,
    )
    rows = Source.objects.filter(experiment_id=run.experiment_id, name__in=[one.name for one in datasets])
    sources = {(one.name, one.digest): one for one in rows.only("pk", "name", "digest")}
    held = {use.source_id: use for use in SourceUse.objects.filter(run=run)}
    if len(held) + len(by_name) > MOST:
        raise TooLarge(_("A run keeps at most %(most)s datasets.") % {"most": MOST}, code="too_many")
    uses = []
    for name, one in by_name.items():
        source = sources[name]
        before = held[source.pk].tags if source.pk in held else {}
        uses.append(SourceUse(run=run, source=source, tags={**before, **one.tags}))
    SourceUse.objects.bulk_create(uses, update_conflicts=True, unique_fields=["run", "source"], update_fields=["tags"])
    _add_models(run, ModelUse.Direction.INPUT, dict.fromkeys(models, 0))
    _mark(run)


@transaction.atomic
def add_outputs(run_id: str, *, actor: Actor, workspace: str, models: Mapping[str, int]) -> None:
    """Note which models a run made, each with its step. Raises as `add_inputs`."""
    run = _open_run(run_id, actor=actor, workspace=workspace)
    _add_models(run, ModelUse.Direction.OUTPUT, models)
    _mark(run)


def _mark(run: Run) -> None:
    Run.objects.filter(pk=run.pk, has_lineage=False).update(has_lineage=True)
    publish(f"run.{run.pk}", t="run")


def _add_models(run: Run, direction: ModelUse.Direction, models: Mapping[str, int]) -> None:
    for model_id, step in models.items():
        if not model_id or len(model_id) > 34:
            raise Invalid(_("Invalid model_id: %(model_id)s.") % {"model_id": repr(model_id[:80])}, field="model_id")
        if not -(2**63) <= step < 2**63:
            raise Invalid(
                _("The step of the model %(model_id)s is a number of 64 bits.") % {"model_id": model_id}, field="step"
            )
    if models and ModelUse.objects.filter(run=run).count() + len(models) > MOST:
        raise TooLarge(_("A run keeps at most %(most)s models.") % {"most": MOST}, code="too_many")
    ModelUse.objects.bulk_create(
        [ModelUse(run=run, model_id=model_id, direction=direction, step=step) for model_id, step in models.items()],
        update_conflicts=True,
        unique_fields=["run", "model_id", "direction"],
        update_fields=["step"],
    )


def _open_run(run_id: str, *, actor: Actor, workspace: str) -> Run:
    admit(run_id, actor=actor, workspace=workspace)
    hold_own_run(run_id, actor=actor)
    rows = Run.objects.select_for_update(of=("self",), no_key=True)
    run = rows.filter(pk=run_id.replace("\0", "")).first()
    if run is None:
        raise NotFound(_("There is no run %(run_id)s.") % {"run_id": repr(run_id[:40])}, run=run_id[:40])
    refuse_late_row(run, actor=actor, late=True)
    return run


def _check(one: Dataset) -> None:
    limits = {
        "name": (one.name, MAX_NAME),
        "digest": (one.digest, MAX_DIGEST),
        "source_type": (one.source_type, MAX_NAME),
        "source": (one.source, MAX_TEXT),
        "schema": (one.schema, MAX_PROFILE),
        "profile": (one.profile, MAX_PROFILE),
    }
    for what, (text, most) in limits.items():
        if len(text) > most:
            told = _("The %(what)s of a dataset has %(count)s characters, and at most %(most)s are kept.")
            raise Invalid(told % {"what": what, "count": len(text), "most": most}, field=what)
    for what in ("name", "digest"):
        if not limits[what][0]:
            raise Invalid(_("A dataset has a %(what)s.") % {"what": what}, field=what)
    for key, value in one.tags.items():
        if not key or len(key) > MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            raise Invalid(
                _(
                    "The tag %(key)s of the dataset %(one)s is empty or too long: "
                    "a key has up to %(key_most)s characters, a value up to %(value_most)s."
                )
                % {
                    "key": repr(key[:80]),
                    "one": repr(one.name[:80]),
                    "key_most": MAX_TAG_KEY,
                    "value_most": MAX_TAG_VALUE,
                },
                field="tags",
            )
