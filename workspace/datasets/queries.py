"""Reading datasets, their files, and the first rows of one."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from studio.kernel import blobs
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from workspace.access import get_workspace
from workspace.datasets import preview as previews
from workspace.datasets.models import Dataset, DatasetVersion
from workspace.models import Workspace
from workspace.references import find_version
from zaffre.protocol import FileEntry

READ = "dataset.read"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on its way out; `pieces` fails before its end when the stored bytes are damaged."""

    path: str
    size: int
    sha256: str
    pieces: Iterator[bytes]


def list_datasets(slug: str, *, actor: Actor) -> QuerySet[Dataset]:
    """Return the datasets of the workspace by name, each with `size` (bytes), `file_count` and `changed`
    of its newest version."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    newest = DatasetVersion.objects.filter(dataset=OuterRef("pk"), version=OuterRef("latest"))
    return (
        workspace.datasets.select_related("created_by")
        .annotate(
            size=Subquery(newest.values("size")),
            file_count=Subquery(newest.values("file_count")),
            changed=Subquery(newest.values("created")),
        )
        .order_by("name")
    )


def get_dataset(slug: str, name: str, *, actor: Actor) -> Dataset:
    """Return one dataset, as `list_datasets` does. Raises NotFound when there is none of this name."""
    dataset = list_datasets(slug, actor=actor).filter(name=name).first()
    if dataset is None:
        raise NotFound(_("There is no dataset %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": slug})
    return dataset


def list_versions(slug: str, name: str, *, actor: Actor) -> QuerySet[DatasetVersion]:
    """Return the versions of a dataset, newest first, without their lists of files."""
    return _versions(slug, name, actor=actor).defer("files")


def get_version(slug: str, name: str, version: int | None = None, *, actor: Actor) -> DatasetVersion:
    """Return one version with its files, the newest one for None. Raises NotFound."""
    versions = _versions(slug, name, actor=actor)
    found = (versions if version is None else versions.filter(version=version)).first()
    if found is None:
        raise NotFound(_("The dataset %(name)s has no version %(version)s.") % {"name": name, "version": version})
    return found


def _versions(slug: str, name: str, *, actor: Actor) -> QuerySet[DatasetVersion]:
    workspace = get_workspace(slug, actor=actor, action=READ)
    dataset = workspace.datasets.filter(name=name).first()
    if dataset is None:
        raise NotFound(_("There is no dataset %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": slug})
    return dataset.versions.select_related("created_by", "dataset").order_by("-version")


def open_file(slug: str, name: str, version: int, path: str, *, actor: Actor) -> StoredFile:
    """Return one file of a version. Raises NotFound when the version has no such path."""
    entry = _entry(get_version(slug, name, version, actor=actor), path)
    return StoredFile(
        path=entry["path"], size=entry["size"], sha256=entry["sha256"], pieces=blobs.read(entry["sha256"])
    )


def preview(
    slug: str, name: str, version: int | None = None, path: str | None = None, *, actor: Actor
) -> previews.Preview:
    """Return the first rows or lines of one file: `path`, or the first one that can be shown.

    Reads at most 1 MB, unpacked. Raises NotFound when there is no such version or path.
    """
    found = get_version(slug, name, version, actor=actor)
    chosen = path if path is not None else previews.choose([entry["path"] for entry in found.files])
    if chosen is None:
        return previews.Preview("", "none", reason="None of the files has a preview.")
    entry = _entry(found, chosen)
    with blobs.open_blob(entry["sha256"]) as source:
        return previews.preview(chosen, source)


def _entry(version: DatasetVersion, path: str) -> FileEntry:
    # By the manifest only: a path from outside never becomes a place on a disk.
    for entry in version.files:
        if entry["path"] == path:
            return entry
    raise NotFound(
        _("%(dataset)s:%(version)s has no file %(path)s.")
        % {"dataset": version.dataset.name, "version": version.version, "path": repr(path[:200])}
    )


def resolve_version(workspace: Workspace, reference: str) -> DatasetVersion:
    """Return the version that `name` or `name:version` means, in a workspace that the caller has opened.

    Raises Invalid that names the nearest dataset when there is no such one.
    """
    versions = DatasetVersion.objects.filter(dataset__workspace=workspace)
    return find_version(
        versions, reference, noun="dataset", parents=workspace.datasets.all(), place=workspace.slug, field="inputs"
    )
