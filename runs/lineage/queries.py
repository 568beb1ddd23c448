"""Reading what went into runs and what came out of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from runs.lineage.models import ModelUse, Source, SourceUse
from runs.models import Run
from studio.kernel.actors import Actor
from workspace.access import get_workspace

#: Runs that are shown on each side.
MOST_AROUND = 30


@dataclass
class Lineage:
    """Of one run."""

    sources: list[SourceUse] = field(default_factory=list)
    models_in: list[ModelUse] = field(default_factory=list)
    models_out: list[ModelUse] = field(default_factory=list)


def of_runs(slug: str, told: Sequence[str], *, actor: Actor) -> dict[str, Lineage]:
    """Return the lineage of runs that the caller has found and that have one, by id: two questions, of none none."""
    found = {run_id: Lineage() for run_id in told}
    if not told:
        return found
    workspace = get_workspace(slug, actor=actor, action="run.read")
    mine = {"run__workspace": workspace, "run__in": told}
    for use in SourceUse.objects.filter(**mine).select_related("source").order_by("pk"):
        found[use.run_id].sources.append(use)
    for model in ModelUse.objects.filter(**mine).order_by("pk"):
        kept = found[model.run_id]
        (kept.models_in if model.direction == ModelUse.Direction.INPUT else kept.models_out).append(model)
    return found


def of_run(slug: str, run: Run, *, actor: Actor) -> Lineage:
    """The lineage of one run."""
    return of_runs(slug, [run.pk], actor=actor)[run.pk] if run.has_lineage else Lineage()


def sources_of(slug: str, experiments: list[int], *, actor: Actor, limit: int) -> list[tuple[str, Source, str]]:
    """Return (experiment, dataset, context) of what the runs of experiments used, each once, at most `limit`."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = SourceUse.objects.filter(source__experiment__workspace=workspace, source__experiment__in=experiments)
    shown: dict[tuple[int, str], tuple[str, Source, str]] = {}
    for use in rows.select_related("source").defer("source__profile", "source__schema").order_by("pk")[: limit * 20]:
        told = (str(use.source.experiment_id), use.source, use.context)
        shown.setdefault((use.source_id, use.context), told)
    return list(shown.values())[:limit]


@dataclass
class Around:
    """Runs on both sides of one, by the models that went from one to the other."""

    before: list[Run] = field(default_factory=list)
    after: list[Run] = field(default_factory=list)


def around(slug: str, run: Run, *, taken: Sequence[str], made: Sequence[str], actor: Actor) -> Around:
    """The runs that made the models which `run` has `taken`, and those that have taken what it `made`; some of each."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = Run.objects.filter(workspace=workspace, deleted__isnull=True).exclude(pk=run.pk)
    told = rows.select_related("experiment").only("name", "status", "number", "experiment__name").distinct()
    found = Around()
    if taken:
        # By the relation's name and not by its class: models are built on runs, and not the other way round.
        of_uses = ModelUse.objects.filter(model_id__in=taken, direction=ModelUse.Direction.OUTPUT).values("run")
        found.before = list(told.filter(Q(logged_models__in=taken) | Q(pk__in=of_uses)).order_by("-pk")[:MOST_AROUND])
    if made:
        uses = ModelUse.objects.filter(model_id__in=made, direction=ModelUse.Direction.INPUT).values("run")
        found.after = list(told.filter(pk__in=uses).order_by("-pk")[:MOST_AROUND])
    return found
