"""Reading models, their versions and files."""

from django.db.models import QuerySet

from registry.models import Model, ModelVersion
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from workspace.access import get_workspace
from workspace.models import Workspace
from workspace.references import find_version
from zaffre.protocol import FileEntry

READ = "model.read"
_SHOWN = ("model__workspace", "run", "created_by")


def list_models(slug: str, *, actor: Actor) -> QuerySet[Model]:
    """Return the models of the workspace by name."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    return workspace.models.select_related("created_by").order_by("name")


def get_model(slug: str, name: str, *, actor: Actor) -> Model:
    """Return one model. Raises NotFound when there is none of this name."""
    model = list_models(slug, actor=actor).filter(name=name.replace("\0", "")).first()
    if model is None:
        raise NotFound(f"There is no model {name[:64]!r} in {slug}.")
    return model


def list_versions(slug: str, name: str, *, actor: Actor) -> QuerySet[ModelVersion]:
    """Return the versions of a model, the newest first. Raises NotFound."""
    model = get_model(slug, name, actor=actor)
    return model.versions.select_related(*_SHOWN).order_by("-version")


def get_version(slug: str, name: str, version: int, *, actor: Actor) -> ModelVersion:
    """Return one version of a model with its files. Raises NotFound."""
    # A number that no column holds is no version.
    found = list_versions(slug, name, actor=actor).filter(version=version).first() if version < 2**31 else None
    if found is None:
        raise NotFound(f"The model {name[:64]} has no version {version}.")
    return found


def get_file(slug: str, name: str, version: int, path: str, *, actor: Actor) -> FileEntry:
    """Return one file of a version as its manifest has it. Raises NotFound when there is no such path."""
    # By the manifest only: a path from outside never becomes a place on a disk.
    for entry in get_version(slug, name, version, actor=actor).files:
        if entry["path"] == path:
            return FileEntry(**entry)
    raise NotFound(f"This version has no file {path[:200]!r}.")


def resolve(workspace: Workspace, reference: str) -> ModelVersion:
    """Return the version that `name` or `name:version` means, in a workspace that the caller has opened.

    Raises Invalid that names the nearest model when there is no such one.
    """
    versions = ModelVersion.objects.filter(model__workspace=workspace)
    return find_version(
        versions, reference, noun="model", latest=workspace.models.all(), place=workspace.slug, field="model"
    )
