"""Reading models, their versions and files."""

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from registry.forms import Wanted, clean_model_name, no_such_model, no_such_version
from registry.models import Model, ModelVersion
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from workspace.access import get_workspace
from workspace.models import Workspace
from workspace.references import find_version
from zaffre.protocol import FileEntry

READ = "model.read"
_SHOWN = ("model__workspace", "run", "created_by")


def list_models(slug: str, *, actor: Actor) -> QuerySet[Model]:
    """Return the models of the workspace by name, each with its `newest` version, 0 where none is left."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    newest = ModelVersion.objects.filter(model=OuterRef("pk")).order_by("-version").values("version")[:1]
    rows = workspace.models.select_related("created_by").annotate(newest=Coalesce(Subquery(newest), 0))
    return rows.prefetch_related("aliases__version").order_by("name")


def get_model(slug: str, name: str, *, actor: Actor) -> Model:
    """Return one model. Raises NotFound when there is none of this name."""
    model = list_models(slug, actor=actor).filter(name=name.replace("\0", "")).first()
    if model is None:
        raise no_such_model(name)
    return model


def list_versions(slug: str, name: str, *, actor: Actor) -> QuerySet[ModelVersion]:
    """Return the versions of a model, the newest first. Raises NotFound."""
    model = get_model(slug, name, actor=actor)
    return model.versions.select_related(*_SHOWN).prefetch_related("aliases").order_by("-version")


def get_version(slug: str, name: str, version: int, *, actor: Actor) -> ModelVersion:
    """Return one version of a model with its files. Raises NotFound."""
    # A number that no column holds is no version.
    found = list_versions(slug, name, actor=actor).filter(version=version).first() if version < 2**31 else None
    if found is None:
        raise no_such_version(name, version)
    return found


def get_by_alias(slug: str, name: str, alias: str, *, actor: Actor) -> ModelVersion:
    """Return the version that an alias means. Raises NotFound."""
    found = list_versions(slug, name, actor=actor).filter(aliases__alias=alias.replace("\0", "")).first()
    if found is None:
        raise NotFound(
            _("The model %(name)s has no alias %(alias)s.") % {"name": name[:80], "alias": repr(alias[:80])},
            alias=alias[:255],
        )
    return found


def search_versions(slug: str, *, actor: Actor) -> QuerySet[ModelVersion]:
    """Return the versions of all models of the workspace, with their aliases."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    rows = ModelVersion.objects.filter(model__workspace=workspace)
    return rows.select_related("model", *_SHOWN).prefetch_related("aliases")


def find_versions(
    slug: str,
    *,
    actor: Actor,
    name: str = "",
    run: str = "",
    framework: str = "",
    tags: Sequence[Wanted] = (),
    properties: Sequence[Wanted] = (),
    latest: bool = False,
    limit: int = 100,
    before: int | None = None,
) -> list[ModelVersion]:
    """Return versions of all models that fit what is given, the newest first; `before` is where a page ended.

    `latest` asks for those that are the newest of their model. Their files are left out.
    """
    rows = search_versions(slug, actor=actor).select_related(None).select_related("model", "created_by").defer("files")
    said = {"model__name": name, "run": run, "framework": framework}
    rows = rows.filter(**{field: word for field, word in said.items() if word})
    for field, wanted in (("tags", tags), ("properties", properties)):
        for key, value in wanted:
            there = {f"{field}__has_key": key} if value is None else {f"{field}__contains": {key: value}}
            rows = rows.filter(**there)
    if latest:
        newer = ModelVersion.objects.filter(model=OuterRef("model"), version__gt=OuterRef("version"))
        rows = rows.filter(~Exists(newer))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.order_by("-pk")[:limit])


def get_file(slug: str, name: str, version: int, path: str, *, actor: Actor) -> FileEntry:
    """Return one file of a version as its manifest has it. Raises NotFound when there is no such path."""
    # By the manifest only: a path from outside never becomes a place on a disk.
    for entry in get_version(slug, name, version, actor=actor).files:
        if entry["path"] == path:
            return FileEntry(**entry)
    raise NotFound(_("This version has no file %(path)s.") % {"path": repr(path[:200])})


def resolve(workspace: Workspace, reference: str) -> ModelVersion:
    """Return the version that `name`, `name:version` or `name@alias` means, in a workspace that the caller has opened.

    Raises Invalid that names the nearest model when there is no such one.
    """
    versions = ModelVersion.objects.filter(model__workspace=workspace)
    name, at, alias = reference.strip().partition("@")
    if at:
        found = versions.select_related("model").filter(model__name=name, aliases__alias=alias).first()
        if found is None:
            raise Invalid(
                _("There is no model %(name)s with the alias %(alias)s.")
                % {"name": repr(name[:80]), "alias": repr(alias[:80])},
                field="model",
            )
        return found
    return find_version(
        versions,
        reference,
        noun="model",
        parents=workspace.models.all(),
        place=workspace.slug,
        field="model",
        named=clean_model_name,
    )
