"""Telling whoever watches that a run changed; the facts carry ids, the database what they mean."""

from runs.models import Run
from studio.kernel.events import publish
from studio.kernel.jobs import enqueue


def tell(run: Run, status: str) -> None:
    """After the commit: the run's own watchers, those of the run above it, and those of the workspace's table."""
    publish(f"run.{run.pk}", t="run")
    if run.parent_id:
        publish(f"run.{run.parent_id}", t="children")
    publish(f"runs.{run.workspace.slug}", run=run.pk, experiment=run.experiment.name, status=status)


def put_away(run: Run) -> None:
    """Have the log and the points of a run that has ended stored for reading; call it where the end is written."""
    for task in ("logs.compact_run", "metrics.merge_run"):
        enqueue(task, run.pk)
