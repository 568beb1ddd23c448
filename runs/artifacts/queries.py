"""Reading what runs left behind."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import CharField, Count, Func, Max, QuerySet, Sum, Value
from django.db.models.functions import StrIndex, Substr

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


class SplitPart(Func):
    function = "SPLIT_PART"
    output_field = CharField()


@dataclass(frozen=True)
class Entry:
    """Something directly in a folder: a file with its size, or a folder with those of all files below it."""

    name: str
    is_folder: bool
    size: int
    files: int


def list_folder(slug: str, run_id: str, *, actor: Actor, folder: str = "") -> list[Entry]:
    """Return what lies directly in a folder of the run, by name; nothing for a file. Raises as get_run does."""
    run = get_run(slug, run_id, actor=actor)
    prefix = f"{folder}/" if folder else ""
    # One statement that groups in the database: a folder of a hundred thousand files is one row of the answer.
    rows = (
        Artifact.objects.filter(run=run, path__startswith=prefix.replace("\0", ""))
        .annotate(rest=Substr("path", len(prefix) + 1))
        .annotate(deeper=StrIndex("rest", Value("/")))
        .annotate(name=SplitPart("rest", Value("/"), Value(1)))
        .values("name")
        .annotate(deepest=Max("deeper"), total=Sum("size"), count=Count("pk"))
        .order_by("name")
    )
    return [Entry(row["name"], row["deepest"] > 0, row["total"], row["count"]) for row in rows]


def get_artifact(slug: str, run_id: str, path: str, *, actor: Actor) -> Artifact:
    """Return one file of a run. Raises NotFound when the run has none at this path."""
    # By the row only: a path from outside never becomes a place on a disk.
    found = list_artifacts(slug, run_id, actor=actor).filter(path=path.replace("\0", "\ufffd")).first()
    if found is None:
        raise NotFound(f"The run has no file {path[:200]!r}.")
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
