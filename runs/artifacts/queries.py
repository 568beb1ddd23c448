"""Reading what runs left behind."""

from django.db.models import QuerySet

from runs.artifacts.models import Artifact
from runs.queries import get_run
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound


def list_artifacts(slug: str, run_id: str, *, actor: Actor, prefix: str = "") -> QuerySet[Artifact]:
    """Return a run's files by path, those whose path begins with `prefix`. Raises as get_run does."""
    run = get_run(slug, run_id, actor=actor)
    rows = Artifact.objects.filter(run=run)
    if prefix:
        rows = rows.filter(path__startswith=prefix.replace("\0", ""))
    return rows.order_by("path")


def get_artifact(slug: str, run_id: str, path: str, *, actor: Actor) -> Artifact:
    """Return one file of a run. Raises NotFound when the run has none at this path."""
    # By the row only: a path from outside never becomes a place on a disk.
    found = list_artifacts(slug, run_id, actor=actor).filter(path=path.replace("\0", "\ufffd")).first()
    if found is None:
        raise NotFound(f"The run has no file {path[:200]!r}.")
    return found
