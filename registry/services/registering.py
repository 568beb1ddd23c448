"""Registering models, from a run's files or from uploaded ones, and deleting them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from registry import forms
from registry.loggedmodels.queries import list_files
from registry.models import Model, ModelVersion
from registry.queries import get_model
from registry.services import sources
from runs.artifacts.queries import list_artifacts
from runs.models import Run
from runs.queries import get_run
from studio.kernel import manifests
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.kernel.events import publish
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.forms import clean_description
from workspace.models import Workspace
from workspace.references import did_you_mean
from workspace.webhooks.services import notify
from zaffre.protocol import FileEntry

MAX_FILES = 20_000
MAX_BYTES = 100 * 1024**3
#: Files of a run that a refusal lists.
LISTED = 8


@transaction.atomic
def register_model(
    slug: str,
    *,
    actor: Actor,
    name: str,
    run_id: str = "",
    path: str = "",
    files: Iterable[Mapping[str, Any]] | None = None,
    description: str = "",
    framework: str = "",
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Add a version of a model, which is made when there is none of this name.

    The files are those at `path` among the run's files (nothing is sent again), or the uploaded `files`. Running
    code registers from its own run only. Raises Invalid: `no_such_path` lists what the run has; NotFound for an
    unknown run; TooLarge over the limits.
    """
    workspace = get_workspace(slug, actor=actor, action="model.create")
    name, description = forms.clean_model_name(name), clean_description(description)
    facts = {
        "framework": forms.clean_framework(framework),
        "tags": forms.clean_facts(tags, noun="tag"),
        "properties": forms.clean_facts(properties, noun="property"),
    }
    # What running code registers came from its run, whether it says so or not.
    run_id = run_id or actor.run_id
    run = get_run(slug, run_id, actor=actor) if run_id else None
    if files is None and run is None:
        raise Invalid("Give a run with the path of its model, or files that were uploaded.", field="run")
    if files is not None and path:
        raise Invalid("Give the path of a run's files, or uploaded files, not both.", field="files")
    if files is not None:
        kept = _uploaded(workspace, files)
    else:
        assert run is not None
        kept = _files_of(slug, run, forms.clean_path(path), actor=actor)
    version = _add_version(workspace, actor=actor, name=name, run=run, files=kept, description=description, facts=facts)
    return _told(workspace, version, actor=actor)


@transaction.atomic
def create_model(
    slug: str, *, actor: Actor, name: str, description: str = "", tags: Mapping[str, str] | None = None
) -> Model:
    """Make a model that has no version yet. Raises Conflict `taken`, Invalid."""
    workspace = get_workspace(slug, actor=actor, action="model.create")
    name = forms.clean_model_name(name)
    made, new = Model.objects.get_or_create(
        workspace=workspace,
        name=name,
        defaults={
            "created_by_id": actor.user_id,
            "description": clean_description(description),
            "tags": forms.clean_tags(tags or {}),
        },
    )
    if not new:
        raise Conflict(f"Registered Model (name={name}) already exists.", code="taken", name=name)
    _tell_of_model(workspace, made, actor=actor)
    record(actor=actor, workspace=workspace, action="model.create", target=name)
    publish(f"models.{slug}", name=name)
    return made


@transaction.atomic
def register_from_source(
    slug: str,
    name: str,
    *,
    actor: Actor,
    source: str,
    run_id: str = "",
    run_link: str = "",
    logged_model: str = "",
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Add a version to a model that is there, with the files that lie at `source` now.

    A source outside of the studio, or one where nothing lies, makes a version without files: it is told where its
    maker says it is. Raises NotFound, Invalid for a path of the caller's own machine.
    """
    workspace = get_workspace(slug, actor=actor, action="model.create")
    get_model(slug, name, actor=actor)
    found = sources.look(slug, source, actor=actor, logged_model=logged_model)
    run = found.run or (sources.known_run(slug, run_id, actor=actor) if run_id else None)
    facts = {
        "tags": forms.clean_tags(tags or {}),
        "source": source,
        "run_link": run_link[:4000],
        "client_run": run_id[:256],
        "logged_model": found.logged_model,
    }
    version = _add_version(
        workspace,
        actor=actor,
        name=name,
        run=run,
        files=manifests.check(found.files, workspace_id=workspace.pk, max_files=MAX_FILES, max_bytes=MAX_BYTES),
        description=clean_description(description),
        facts=facts,
    )
    return _told(workspace, version, actor=actor)


@transaction.atomic
def register_logged_model(slug: str, model_id: str, *, actor: Actor, name: str, description: str = "") -> ModelVersion:
    """Add a version with the files of a logged model; the model is made when there is none of this name.

    Raises NotFound, Invalid for a logged model without files.
    """
    workspace = get_workspace(slug, actor=actor, action="model.create")
    if not list_files(slug, model_id, actor=actor).exists():
        raise Invalid("The logged model has no files yet.", field="logged")
    name = forms.clean_model_name(name)
    if not Model.objects.filter(workspace=workspace, name=name).exists():
        create_model(slug, actor=actor, name=name, description=description)
    source = f"models:/{model_id}"
    return register_from_source(slug, name, actor=actor, source=source, description=description)


def _told(workspace: Workspace, version: ModelVersion, *, actor: Actor) -> ModelVersion:
    model = version.model
    said = {"name": model.name, "version": str(version.version), "tags": version.tags}
    source = version.source or (f"runs:/{version.run_id}" if version.run_id else "")
    said |= {"description": version.description, "source": source, "run_id": version.run_id}
    notify(workspace, actor=actor, event="model_version.created", data=said)
    told = {"run": version.run_id, "files": len(version.files)}
    target = f"{model.name}:{version.version}"
    record(actor=actor, workspace=workspace, action="model.register", target=target, fields=told)
    publish(f"models.{workspace.slug}", name=model.name, version=version.version)
    return version


def _tell_of_model(workspace: Workspace, model: Model, *, actor: Actor) -> None:
    said = {"name": model.name, "tags": model.tags, "description": model.description}
    notify(workspace, actor=actor, event="registered_model.created", data=said)


def _uploaded(workspace: Workspace, files: Iterable[Mapping[str, Any]]) -> list[FileEntry]:
    # What is no text is no path and no hash, and is refused as such.
    given = [
        {key: item[key] for key in ("path", "sha256") if isinstance(item.get(key), str)}
        | {"mode": item["mode"] if isinstance(item.get("mode"), int) else 0}
        for item in files
        if isinstance(item, Mapping)
    ]
    kept = manifests.check(given, workspace_id=workspace.pk, max_files=MAX_FILES, max_bytes=MAX_BYTES)
    if not kept:
        raise Invalid("A model has at least one file.", field="files")
    return kept


def _files_of(slug: str, run: Run, path: str, *, actor: Actor) -> list[FileEntry]:
    """The run's file at `path`, or the files below it, named from the last part of `path` on."""
    rows = list_artifacts(slug, run.pk, actor=actor, prefix=path)
    found = [row for row in rows if row.path == path or row.path.startswith(f"{path}/")]
    if not found:
        raise _no_such_path(slug, run, path, actor=actor)
    above = path.rpartition("/")[0]
    begin = len(above) + 1 if above else 0
    listed = [{"path": row.path[begin:], "sha256": row.sha256} for row in found]
    return manifests.check(listed, workspace_id=run.workspace_id, max_files=MAX_FILES, max_bytes=MAX_BYTES)


def _no_such_path(slug: str, run: Run, path: str, *, actor: Actor) -> Invalid:
    known = list(list_artifacts(slug, run.pk, actor=actor).values_list("path", flat=True))
    near = forms.nearest(path, known)
    listed = ", ".join(known[:LISTED]) + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")
    return Invalid(
        _("The run %(run)s has no file %(path)s.") % {"run": run.name, "path": repr(path)} + did_you_mean(near),
        code="no_such_path",
        hint=_("Its files: %(listed)s.") % {"listed": listed}
        if known
        else _("It has no files: write them below outputs/."),
        field="path",
        nearest=near,
        files=known[:LISTED],
    )


def _add_version(
    workspace: Workspace,
    *,
    actor: Actor,
    name: str,
    run: Run | None,
    files: list[FileEntry],
    description: str,
    facts: dict[str, Any],
) -> ModelVersion:
    # Code has no row of its own: whoever submitted the run made this.
    maker = actor.user_id if actor.is_user or run is None else run.submitted_by_id
    _, new = Model.objects.get_or_create(workspace=workspace, name=name, defaults={"created_by_id": maker})
    # The row is the lock: two registrations at once get two numbers.
    model = Model.objects.select_for_update(no_key=True).get(workspace=workspace, name=name)
    model.latest += 1
    if new:
        model.description = description
        _tell_of_model(workspace, model, actor=actor)
    Model.objects.filter(pk=model.pk).update(latest=model.latest, description=model.description, updated=Now())
    return ModelVersion.objects.create(
        model=model,
        version=model.latest,
        files=files,
        size=manifests.total_size(files),
        run=run,
        description=description,
        created_by_id=maker,
        **facts,
    )


@transaction.atomic
def delete_model(slug: str, name: str, *, actor: Actor) -> None:
    """Delete a model with all its versions, and the records of deployments of it that have ended.

    Raises NotFound, Conflict `in_use` that names the endpoints while one of them uses a version.
    """
    workspace = get_workspace(slug, actor=actor, action="model.delete")
    # A deployment locks this row too, so none can be made of a model that is on its way out.
    rows = Model.objects.select_for_update().filter(workspace=workspace, name=name.replace("\0", ""))
    model = rows.first()
    if model is None:
        raise NotFound(f"There is no model {name[:80]!r} in {slug}.")
    # By the relation and not by its class: endpoints are built on models, and not the other way round.
    versions = model.versions.only("pk", "model_id").prefetch_related("deployments__endpoint")
    deployments = [one for version in versions for one in version.deployments.all()]
    using = sorted({one.endpoint.name for one in deployments if one.is_live})
    if using:
        raise Conflict(
            f"The model {name} is used by: {', '.join(using)}.",
            code="in_use",
            hint="Delete these endpoints, or deploy another model there, first.",
            endpoints=using,
        )
    for one in deployments:
        one.delete()
    record(actor=actor, workspace=workspace, action="model.delete", target=name, fields={"versions": model.latest})
    model.delete()
    publish(f"models.{slug}", name=name)
