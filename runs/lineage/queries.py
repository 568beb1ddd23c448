"""Reading what went into runs and what came out of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runs.lineage.models import ModelUse, Source, SourceUse
from runs.models import Run
from studio.kernel.actors import Actor
from workspace.access import get_workspace


@dataclass
class Lineage:
    """Of one run."""

    sources: list[SourceUse] = field(default_factory=list)
    models_in: list[ModelUse] = field(default_factory=list)
    models_out: list[ModelUse] = field(default_factory=list)


def of_runs(slug: str, runs: Sequence[Run], *, actor: Actor) -> dict[str, Lineage]:
    """Return the lineage of runs that the caller has found, by id: of those that have one, by two more questions."""
    found = {run.pk: Lineage() for run in runs}
    told = [run.pk for run in runs if run.has_lineage]
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
    return of_runs(slug, [run], actor=actor)[run.pk]


def sources_of(slug: str, experiments: list[int], *, actor: Actor, limit: int) -> list[tuple[str, Source, str]]:
    """Return (experiment, dataset, context) of what the runs of experiments used, each once, at most `limit`."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = SourceUse.objects.filter(source__experiment__workspace=workspace, source__experiment__in=experiments)
    shown: dict[tuple[int, str], tuple[str, Source, str]] = {}
    for use in rows.select_related("source").defer("source__profile", "source__schema").order_by("pk")[: limit * 20]:
        told = (str(use.source.experiment_id), use.source, use.context)
        shown.setdefault((use.source_id, use.context), told)
    return list(shown.values())[:limit]
