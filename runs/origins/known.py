"""What is known of runs that the caller has opened for its actor."""

from collections.abc import Sequence
from typing import Any

from runs.models import Run
from runs.origins.models import Patch
from studio.kernel import db


def patches(runs: Sequence[Any]) -> list[tuple[Any, str]]:
    """Those of the runs (with an `id`) that had changes, each with its text."""
    found = dict(Patch.objects.filter(run__in=[one.id for one in runs]).values_list("run_id", "text"))
    return [(one, found[one.id]) for one in runs if found.get(one.id)]


def origin_out(run: Run) -> dict[str, Any]:
    """What doors add to a run: the newest run of its workspace that completed the same work before it, if any, and
    whether changes are kept."""
    ((id_, name, ended, patch),) = db.ask(_ORIGIN, {"run": run.pk})
    return {"same_as": {"id": id_, "name": name, "ended": ended} if id_ else None, "patch": patch}


_ORIGIN = """
SELECT same.id, same.name, same.ended, EXISTS (SELECT FROM origins_patch WHERE run_id = %(run)s)
FROM (VALUES (1)) one LEFT JOIN LATERAL (
    SELECT run.id, run.name, run.ended
    FROM origins_likeness own JOIN origins_likeness other USING (workspace_id, digest)
    JOIN runs_run run ON run.id = other.run_id
    WHERE own.run_id = %(run)s AND run.status = 'completed' AND run.deleted IS NULL AND run.id < %(run)s
    ORDER BY run.id DESC LIMIT 1
) same ON true
"""


def git_of(run: Run) -> dict[str, Any]:
    """What was said of the run's code, as `submit_run` takes it for another run of the same snapshot."""
    patch = getattr(run, "patch", None)
    return {**run.git, **({"diff": patch.text, "left_out": patch.left_out} if patch else {})}
