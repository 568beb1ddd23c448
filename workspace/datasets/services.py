"""Registering and deleting datasets."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from studio.kernel import manifests
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from studio.kernel.events import publish
from workspace import forms
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.datasets.models import Dataset, DatasetVersion
from workspace.models import Workspace
from zaffre.protocol import FileEntry


@transaction.atomic
def register_dataset(
    slug: str,
    *,
    actor: Actor,
    name: str,
    files: Iterable[Mapping[str, Any]],
    description: str = "",
    single_file: bool = False,
) -> DatasetVersion:
    """Add a version of a dataset from blobs that were uploaded; the newest one is returned (`.unchanged`)
    when it holds the same files already. A description that is given replaces the old one. With `single_file` it was
    made of a file, not of a folder that happens to hold one: scripts are given the path of the file.

    Raises Invalid for a bad name, unsafe or doubled paths and blobs that are missing, TooLarge over
    settings.DATASET_MAX_FILES or DATASET_MAX_BYTES.
    """
    workspace = get_workspace(slug, actor=actor, action="dataset.create")
    name, description = forms.clean_name(name, noun="a dataset"), forms.clean_description(description)
    manifest = _checked(files, workspace, single_file)
    made_by = {"created_by_id": actor.user_id}
    Dataset.objects.get_or_create(workspace=workspace, name=name, defaults=made_by)
    # The row is the lock: two registrations at once get two numbers.
    dataset = Dataset.objects.select_for_update(no_key=True).get(workspace=workspace, name=name)
    changed: dict[str, Any] = {}
    if description and description != dataset.description:
        changed["description"] = description
    digest = manifests.digest(manifest)
    version = dataset.versions.select_related("dataset").filter(version=dataset.latest).first()
    if version is not None and (version.digest, version.single_file) == (digest, single_file):
        version.unchanged = True
    else:
        changed["latest"] = dataset.latest + 1
        version = DatasetVersion.objects.create(
            dataset=dataset,
            version=dataset.latest + 1,
            files=manifest,
            digest=digest,
            file_count=len(manifest),
            size=manifests.total_size(manifest),
            single_file=single_file,
            **made_by,
        )
    if not changed:
        return version
    for field, value in changed.items():
        setattr(dataset, field, value)
    dataset.save(update_fields=list(changed))
    version.dataset = dataset
    record(
        actor=actor,
        workspace=workspace,
        action="dataset.change" if version.unchanged else "dataset.create",
        target=f"{name}:{version.version}",
        fields=["description"] if version.unchanged else {"files": version.file_count, "bytes": version.size},
    )
    publish(f"ws.{slug}", t="fact", topic="datasets", name=name, version=version.version)
    return version


def _checked(files: Iterable[Mapping[str, Any]], workspace: Workspace, single_file: bool) -> list[FileEntry]:
    manifest = manifests.check(
        # Only what names content: a mode means nothing for data, and would make equal data differ.
        [{"path": _text(item, "path"), "sha256": _text(item, "sha256")} for item in files],
        workspace_id=workspace.pk,
        max_files=settings.DATASET_MAX_FILES,
        max_bytes=settings.DATASET_MAX_BYTES,
    )
    if not manifest:
        raise Invalid(_("A dataset has at least one file."), field="files")
    if single_file and (len(manifest) > 1 or "/" in manifest[0]["path"]):
        raise Invalid(_("A single file is one file without a folder; leave single_file out for others."), field="files")
    return manifest


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


@transaction.atomic
def delete_dataset(slug: str, name: str, *, actor: Actor) -> None:
    """Delete a dataset with all its versions. Raises NotFound when there is none of this name.

    Runs keep the list of files that they were given at submit, so a finished run still says what it read;
    whether a run is reading right now is known above this room only.
    """
    workspace = get_workspace(slug, actor=actor, action="dataset.delete")
    dataset = workspace.datasets.filter(name=name).first()
    if dataset is None:
        raise NotFound(_("There is no dataset %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": slug})
    facts = {"versions": dataset.versions.count()}
    dataset.delete()
    record(actor=actor, workspace=workspace, action="dataset.delete", target=name, fields=facts)
    publish(f"ws.{slug}", t="fact", topic="datasets", name=name, deleted=True)
