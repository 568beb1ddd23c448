"""Telling whoever watches that a run changed; the facts carry ids, the database what they mean."""

from functools import partial

import msgspec
from django.db import transaction

from runs.models import Run
from studio.kernel import db
from studio.kernel.bells import ring_soon
from studio.kernel.jobs import enqueue_all


def tell(run: Run, status: str) -> None:
    """After the commit: the run's own watchers, those of the run above it, and those of the workspace's table."""
    fact = {"run": run.pk, "experiment": run.experiment.name, "status": status}
    transaction.on_commit(partial(_ring, run.pk, run.parent_id, run.workspace.slug, fact))


def _ring(run_id: str, parent_id: str | None, slug: str, fact: dict[str, str]) -> None:
    ring_soon(f"run.{run_id}", "run", lambda: b'{"t":"run"}')
    if parent_id:
        ring_soon(f"run.{parent_id}", "children", lambda: b'{"t":"children"}')
    ring_soon(f"runs.{slug}", run_id, partial(msgspec.json.encode, fact))


def put_away(run: Run) -> None:
    """Have the log and the points of a run that has ended stored for reading; call it where the end is written.

    What is in one piece already is left as it is.
    """
    ((in_pieces, measured),) = db.ask(_LEFT, {"run": run.pk})
    wanted = []
    if in_pieces:
        wanted.append(("logs.compact_run", run.pk))
    if measured:
        wanted.append(("metrics.merge_run", run.pk))
    if wanted:
        enqueue_all(wanted)


#: A piece of a log that is not the first, and any point.
_LEFT = """
SELECT
    EXISTS (
        SELECT FROM logs_log log JOIN logs_logchunk piece ON piece.log_id = log.id
        WHERE log.run_id = %(run)s AND piece."offset" > 0
    ),
    (SELECT metrics <> '{}' FROM runs_run WHERE id = %(run)s)
"""
