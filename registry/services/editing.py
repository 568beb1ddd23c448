"""Changing what is said of models and versions. Their files never change."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from registry import forms
from registry.models import Model, ModelAlias, ModelVersion, Stage
from registry.queries import get_version
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden
from studio.kernel.events import publish
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.forms import clean_description
from workspace.models import Workspace
from workspace.webhooks.services import notify


def _held(slug: str, name: str, *, actor: Actor) -> Model:
    """The model, locked until the commit. Raises NotFound, Forbidden."""
    workspace = get_workspace(slug, actor=actor, action="model.edit")
    rows = Model.objects.select_for_update(no_key=True).select_related("workspace")
    model = rows.filter(workspace=workspace, name=name.replace("\0", "")).first()
    if model is None:
        raise forms.no_such_model(name)
    return model


def _changed(model: Model, *, actor: Actor, action: str, target: str = "", itself: bool = True, **fields: Any) -> None:
    """Note the change, and its time with the model unless it was of something smaller than `itself`."""
    if itself:
        Model.objects.filter(pk=model.pk).update(updated=Now())
    workspace: Workspace = model.workspace
    record(actor=actor, workspace=workspace, action=action, target=target or model.name, fields=fields)
    publish(f"models.{workspace.slug}", name=model.name)


@transaction.atomic
def edit_model(
    slug: str,
    name: str,
    *,
    actor: Actor,
    new_name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> Model:
    """Rename a model, say what it is, or set its tags: all of it or nothing.

    Raises NotFound, Invalid, Conflict `taken`.
    """
    model, changes = _held(slug, name, actor=actor), dict[str, Any]()
    if tags is not None:
        tag_model(slug, name, actor=actor, tags=tags)
    if new_name is not None:
        changes["name"] = forms.clean_model_name(new_name)
    if description is not None:
        changes["description"] = clean_description(description)
    if changes:
        try:
            with transaction.atomic():
                Model.objects.filter(pk=model.pk).update(**changes)
        except IntegrityError:
            raise Conflict(f"Registered Model (name={new_name}) already exists.", code="taken", name=new_name) from None
        _changed(model, actor=actor, action="model.edit", **{key: value[:200] for key, value in changes.items()})
    return Model.objects.select_related("created_by", "workspace").get(pk=model.pk)


@transaction.atomic
def tag_model(slug: str, name: str, *, actor: Actor, tags: Mapping[str, str | None]) -> None:
    """Set tags of a model; None takes one away. Raises NotFound, Invalid."""
    model = _held(slug, name, actor=actor)
    Model.objects.filter(pk=model.pk).update(tags=_merged(model.tags, tags))
    _changed(model, actor=actor, action="model.tag", tags=sorted(tags))


def _merged(held: dict[str, str], tags: Mapping[str, str | None]) -> dict[str, str]:
    forms.clean_tags({key: value or "" for key, value in tags.items()})
    merged = {key: value for key, value in {**held, **tags}.items() if value is not None}
    return forms.clean_tags(merged)


@transaction.atomic
def tag_version(slug: str, name: str, version: int, *, actor: Actor, tags: Mapping[str, str | None]) -> None:
    """Set tags of a version; None takes one away. Raises NotFound, Invalid."""
    model = _held(slug, name, actor=actor)
    found = get_version(slug, name, version, actor=actor)
    ModelVersion.objects.filter(pk=found.pk).update(tags=_merged(found.tags, tags), updated=Now())
    for key, value in tags.items():
        said = {"name": name, "version": str(version), "key": key}
        event, more = ("deleted", {}) if value is None else ("set", {"value": value})
        notify(model.workspace, actor=actor, event=f"model_version_tag.{event}", data={**said, **more})
    _changed(model, actor=actor, action="model.tag", target=f"{name}:{version}", tags=sorted(tags))


@transaction.atomic
def change_version(
    slug: str,
    name: str,
    version: int,
    *,
    actor: Actor,
    description: str | None = None,
    stage: str | None = None,
    archive_others: bool = False,
    tags: Mapping[str, str | None] | None = None,
) -> ModelVersion:
    """Say what a version is, how far it has come, or set its tags: all of it or nothing.

    With `archive_others` those of the same stage are archived. Raises NotFound, Invalid.
    """
    model = _held(slug, name, actor=actor)
    if tags is not None:
        tag_version(slug, name, version, actor=actor, tags=tags)
    found, changes = get_version(slug, name, version, actor=actor), dict[str, Any]()
    if description is not None:
        changes["description"] = clean_description(description)
    if stage is not None:
        changes["stage"] = forms.stage_of(stage)
        if archive_others and changes["stage"] in {Stage.STAGING, Stage.PRODUCTION}:
            others = model.versions.filter(stage=changes["stage"]).exclude(pk=found.pk)
            others.update(stage=Stage.ARCHIVED, updated=Now())
    if not changes:
        return get_version(slug, name, version, actor=actor)
    ModelVersion.objects.filter(pk=found.pk).update(**changes, updated=Now())
    told = {key: str(value)[:200] for key, value in changes.items()}
    _changed(model, actor=actor, action="model.edit", target=f"{name}:{version}", itself=stage is not None, **told)
    return get_version(slug, name, version, actor=actor)


@transaction.atomic
def set_alias(slug: str, name: str, alias: str, version: int, *, actor: Actor) -> None:
    """Let the alias mean this version from now on, whatever it meant. Raises NotFound, Invalid."""
    alias = forms.clean_alias(alias)
    model = _held(slug, name, actor=actor)
    found = get_version(slug, name, version, actor=actor)
    ModelAlias.objects.update_or_create(model=model, alias=alias, defaults={"version": found})
    said = {"name": name, "alias": alias, "version": str(version)}
    notify(model.workspace, actor=actor, event="model_version_alias.created", data=said)
    _changed(model, actor=actor, action="model.alias", target=f"{name}:{version}", alias=alias)


@transaction.atomic
def delete_alias(slug: str, name: str, alias: str, *, actor: Actor) -> None:
    """Let the alias mean nothing; it is no mistake when it does not exist. Raises NotFound for an unknown model."""
    model = _held(slug, name, actor=actor)
    count, _ = model.aliases.filter(alias=alias).delete()
    if count:
        notify(model.workspace, actor=actor, event="model_version_alias.deleted", data={"name": name, "alias": alias})
        _changed(model, actor=actor, action="model.alias", alias=alias, gone=True)


@transaction.atomic
def delete_version(slug: str, name: str, version: int, *, actor: Actor) -> None:
    """Delete one version for ever. Raises NotFound, Conflict `in_use` while an endpoint uses it."""
    get_workspace(slug, actor=actor, action="model.delete")
    if not actor.is_user:
        raise Forbidden("Code deletes no models.")
    model = _held(slug, name, actor=actor)
    found = get_version(slug, name, version, actor=actor)
    deployments = list(found.deployments.select_related("endpoint"))
    using = sorted({one.endpoint.name for one in deployments if one.is_live})
    if using:
        raise Conflict(
            f"The version {name}:{version} is used by: {', '.join(using)}.",
            code="in_use",
            hint="Delete these endpoints, or deploy another version there, first.",
            endpoints=using,
        )
    for one in deployments:
        one.delete()
    _changed(model, actor=actor, action="model.delete_version", target=f"{name}:{version}")
    found.delete()
