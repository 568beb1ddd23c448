"""What is known of runs that the caller has opened for its actor."""

from collections.abc import Sequence
from typing import Any

from runs.models import Run
from runs.origins.models import Likeness, Patch
from zaffre.protocol import COMPLETED


def patches(runs: Sequence[Any]) -> list[tuple[Any, str]]:
    """Those of the runs (with an `id`) that had changes, each with its text."""
    found = dict(Patch.objects.filter(run__in=[one.id for one in runs]).values_list("run_id", "text"))
    return [(one, found[one.id]) for one in runs if found.get(one.id)]


def alike(run: Run) -> Run | None:
    """The newest run, of the same workspace, that completed the same work before this one."""
    same = Likeness.objects.filter(run=run).values("workspace_id", "digest")[:1]
    rows = Run.objects.filter(
        likeness__workspace_id=same.values("workspace_id"),
        likeness__digest=same.values("digest"),
        status=COMPLETED,
        deleted__isnull=True,
        pk__lt=run.pk,
    )
    return rows.only("id", "name", "ended", "metrics").order_by("-pk").first()


def origin_out(run: Run) -> dict[str, Any]:
    """What doors add to a run: the identical run that completed before it, if any, and whether changes are kept."""
    same = alike(run)
    told = {"id": same.pk, "name": same.name, "ended": same.ended} if same else None
    return {"same_as": told, "patch": Patch.objects.filter(run=run).exists()}


def git_of(run: Run) -> dict[str, Any]:
    """What was said of the run's code, as `submit_run` takes it for another run of the same snapshot."""
    patch = getattr(run, "patch", None)
    return {**run.git, **({"diff": patch.text, "left_out": patch.left_out} if patch else {})}
