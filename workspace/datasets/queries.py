"""Reading datasets, their files, and the first rows of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from django.db.models import OuterRef, QuerySet, Subquery

from studio.kernel import blobs
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from workspace.access import get_workspace
from workspace.datasets import preview as previews
from workspace.datasets.models import Dataset, DatasetVersion
from workspace.forms import split_reference
from workspace.models import Workspace
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
        raise NotFound(f"There is no dataset {name[:64]!r} in {slug}.")
    return dataset


def list_versions(slug: str, name: str, *, actor: Actor) -> QuerySet[DatasetVersion]:
    """Return the versions of a dataset, newest first, without their lists of files."""
    return _versions(slug, name, actor=actor).defer("files")


def get_version(slug: str, name: str, version: int | None = None, *, actor: Actor) -> DatasetVersion:
    """Return one version with its files, the newest one for None. Raises NotFound."""
    versions = _versions(slug, name, actor=actor)
    found = (versions if version is None else versions.filter(version=version)).first()
    if found is None:
        raise NotFound(f"The dataset {name} has no version {version}.")
    return found


def _versions(slug: str, name: str, *, actor: Actor) -> QuerySet[DatasetVersion]:
    workspace = get_workspace(slug, actor=actor, action=READ)
    dataset = workspace.datasets.filter(name=name).first()
    if dataset is None:
        raise NotFound(f"There is no dataset {name[:64]!r} in {slug}.")
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
    raise NotFound(f"{version.dataset.name}:{version.version} has no file {path[:200]!r}.")


def resolve_version(workspace: Workspace, reference: str) -> DatasetVersion:
    """Return the version that `name` or `name:version` means, in a workspace that the caller has opened.

    Raises Invalid that names the nearest dataset when there is no such one.
    """
    name, version = split_reference(reference, noun="a dataset")
    versions = DatasetVersion.objects.filter(dataset__workspace=workspace, dataset__name=name)
    if version is not None:
        versions = versions.filter(version=version)
    found = versions.select_related("dataset").order_by("-version").first()
    if found is not None:
        return found
    latest = dict(workspace.datasets.values_list("name", "latest"))
    if name in latest:
        raise Invalid(
            f"The dataset {name} has no version {version}: its newest is {latest[name]}.",
            code="no_such_version",
            field="inputs",
        )
    near = get_close_matches(name, latest, n=1, cutoff=0.5)
    raise Invalid(
        f"There is no dataset {name!r} in {workspace.slug}." + (f" Did you mean {near[0]!r}?" if near else ""),
        code="no_such_dataset",
        hint=f"There are: {', '.join(sorted(latest)[:10])}." if latest else "Register one first.",
        field="inputs",
        nearest=near[0] if near else None,
    )
