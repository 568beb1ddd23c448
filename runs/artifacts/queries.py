"""Reading what runs left behind."""

from collections.abc import Sequence

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from runs.artifacts.models import Artifact
from runs.queries import get_run_briefly
from studio.kernel import folders
from studio.kernel.actors import Actor
from studio.kernel.downloads import PICTURES
from studio.kernel.errors import NotFound
from studio.kernel.folders import Entry


def list_artifacts(slug: str, run_id: str, *, actor: Actor, prefix: str = "") -> QuerySet[Artifact]:
    """Return a run's files by path, those whose path begins with `prefix`. Raises as get_run does."""
    run = get_run_briefly(slug, run_id, actor=actor)
    rows = Artifact.objects.filter(run=run)
    if prefix:
        rows = rows.filter(path__startswith=prefix.replace("\0", ""))
    return rows.order_by("path")


def list_folder(
    slug: str, run_id: str, *, actor: Actor, folder: str = "", after: str = "", most: int | None = None
) -> list[Entry]:
    """Return what lies directly in a folder of the run, by name; nothing for a file.

    At most `most` entries, those whose name comes behind `after`. Raises as get_run does.
    """
    run = get_run_briefly(slug, run_id, actor=actor)
    return folders.look_into(Artifact.objects.filter(run=run), folder, after=after, most=most)


def get_artifact(slug: str, run_id: str, path: str, *, actor: Actor) -> Artifact:
    """Return one file of a run. Raises NotFound when the run has none at this path."""
    # By the row only: a path from outside never becomes a place on a disk.
    run = get_run_briefly(slug, run_id, actor=actor)
    found = next(iter(Artifact.objects.filter(run=run, path=path.replace("\0", "\ufffd"))), None)
    if found is None:
        raise NotFound(_("The run has no file %(path)s.") % {"path": repr(path[:200])})
    found.run = run
    return found


def get_artifacts(slug: str, run_id: str, paths: Sequence[str], *, actor: Actor) -> dict[str, tuple[str, int]]:
    """Return (sha256, size) of files of a run by their paths. Raises NotFound for the first that it does not have."""
    asked = [path.replace("\0", "\ufffd") for path in paths]
    rows = list_artifacts(slug, run_id, actor=actor).filter(path__in=asked).order_by()
    found = {path: (sha256, size) for path, sha256, size in rows.values_list("path", "sha256", "size")}
    for path in paths:
        if path not in found:
            raise NotFound(_("The run has no file %(path)s.") % {"path": repr(path[:200])})
    return found


def list_log_files(slug: str, run_id: str, *, actor: Actor, most: int, folder: str = "logs/") -> list[Artifact]:
    """The files in a folder of logs of the run, `most` of them by path. Raises as get_run does."""
    return list(list_artifacts(slug, run_id, actor=actor, prefix=folder)[:most])


def total_of(slug: str, run_id: str, *, actor: Actor) -> dict[str, int]:
    """How many files a run has, and their bytes: {count, size}. Raises as get_run does."""
    rows = list_artifacts(slug, run_id, actor=actor).order_by()
    return rows.aggregate(count=Count("pk"), size=Coalesce(Sum("size"), 0))


def list_pictures(
    slug: str, run_id: str, *, actor: Actor, text: str = "", after: str = "", most: int, beside: str = ""
) -> list[Artifact]:
    """The run's files that a page shows as pictures, `most` of them by path, behind `after` and not in `beside`.

    With `text` those that have it in their path. Raises as get_run does.
    """
    ends = "|".join(ending.lstrip(".") for ending in PICTURES)
    rows = list_artifacts(slug, run_id, actor=actor).filter(path__iregex=rf"\.({ends})$")
    if text:
        rows = rows.filter(path__icontains=text)
    if after:
        rows = rows.filter(path__gt=after)
    if beside:
        rows = rows.exclude(path__startswith=beside)
    return list(rows[:most])
