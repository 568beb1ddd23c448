"""A folder of a run as a zip."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from django.db.models import QuerySet

from runs.artifacts.models import Artifact
from runs.artifacts.queries import list_artifacts
from runs.queries import get_run_briefly
from studio.kernel import blobs, zipping
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound

#: Rows of one question.
PAGE = 1000


def pack(slug: str, run_id: str, folder: str, *, actor: Actor) -> zipping.Packed:
    """All files below a folder (empty: all of the run). Raises NotFound for a folder without files, and as get_run."""
    run = get_run_briefly(slug, run_id, actor=actor)
    inside = folder.strip("/")
    rows = list_artifacts(slug, run_id, actor=actor, prefix=f"{inside}/" if inside else "")
    if not rows.exists():
        raise NotFound(f"The run has no folder {folder[:200]!r}.")
    name = f"{run.name}-{PurePosixPath(inside).name}" if inside else run.name
    # Names in the zip begin with the folder itself, so that unpacking makes one folder.
    members = _members(rows.values_list("path", "sha256", "size"), len(inside.rpartition("/")[0]))
    return zipping.Packed(f"{name}.zip", zipping.zipped(members))


def _members(rows: QuerySet[Artifact, tuple[str, str, int]], above: int) -> Iterator[zipping.Member]:
    last = ""
    # Page by page, so that no connection is held while a slow reader reads.
    while page := list(rows.filter(path__gt=last)[:PAGE]):
        for path, sha256, size in page:
            yield zipping.Member(path[above:].lstrip("/"), blobs.read(sha256), size)
        last = page[-1][0]
