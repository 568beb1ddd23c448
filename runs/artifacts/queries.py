"""Reading what runs left behind."""

from collections.abc import Sequence

from django.db.models import QuerySet

from runs.artifacts.models import Artifact
from runs.queries import get_run_briefly
from studio.kernel import folders
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from studio.kernel.folders import Entry


def list_artifacts(slug: str, run_id: str, *, actor: Actor, prefix: str = "") -> QuerySet[Artifact]:
    """Return a run's files by path, those whose path begins with `prefix`. Raises as get_run does."""
    run = get_run_briefly(slug, run_id, actor=actor)
    rows = Artifact.objects.filter(run=run)
    if prefix:
        rows = rows.filter(path__startswith=prefix.replace("\0", ""))
    return rows.order_by("path")


def list_folder(slug: str, run_id: str, *, actor: Actor, folder: str = "") -> list[Entry]:
    """Return what lies directly in a folder of the run, by name; nothing for a file. Raises as get_run does."""
    run = get_run_briefly(slug, run_id, actor=actor)
    return folders.look_into(Artifact.objects.filter(run=run), folder)


def get_artifact(slug: str, run_id: str, path: str, *, actor: Actor) -> Artifact:
    """Return one file of a run. Raises NotFound when the run has none at this path."""
    # By the row only: a path from outside never becomes a place on a disk.
    run = get_run_briefly(slug, run_id, actor=actor)
    found = next(iter(Artifact.objects.filter(run=run, path=path.replace("\0", "\ufffd"))), None)
    if found is None:
        raise NotFound(f"The run has no file {path[:200]!r}.")
    found.run = run
    return found


def get_artifacts(slug: str, run_id: str, paths: Sequence[str], *, actor: Actor) -> dict[str, tuple[str, int]]:
    """Return (sha256, size) of files of a run by their paths. Raises NotFound for the first that it does not have."""
    asked = [path.replace("\0", "\ufffd") for path in paths]
    rows = list_artifacts(slug, run_id, actor=actor).filter(path__in=asked).order_by()
    found = {path: (sha256, size) for path, sha256, size in rows.values_list("path", "sha256", "size")}
    for path in paths:
        if path not in found:
            raise NotFound(f"The run has no file {path[:200]!r}.")
    return found
