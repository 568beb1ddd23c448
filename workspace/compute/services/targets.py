"""Making, changing and deleting compute targets."""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

import redis
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from studio.kernel.events import publish
from workspace.access import authorize, get_workspace
from workspace.accounts.models import User
from workspace.audit.services import record
from workspace.compute import broker, kinds, lifecycle, words
from workspace.compute.forms import line_of
from workspace.compute.models import ComputeTarget
from workspace.compute.providers import ProviderError, provider_named
from workspace.compute.queries import holders, target_named
from workspace.compute.services.happenings import happened
from workspace.compute.services.pool import add_node
from workspace.forms import clean_description, clean_name, clean_tags
from workspace.models import Workspace

log = logging.getLogger(__name__)

#: Targets of one workspace.
MOST_TARGETS = 200


def open_target(slug: str, *, actor: Actor, **given: Any) -> ComputeTarget:
    """`create_target` in the workspace of this short name. A machine is attached with its address, by another room."""
    if given.get("kind") == ComputeTarget.Kind.ATTACHED:
        raise Invalid(_("Attach the machine with its address and an account."), field="kind")
    if (given.get("settings") or {}).get("provider") == kinds.SSH:
        raise Invalid(_("Make a pool with the addresses of its machines."), field="provider")
    return create_target(get_workspace(slug, actor=actor, action="compute.read"), actor=actor, **given)


def require_new(slug: str, kind: str, *, actor: Actor) -> None:
    """Raise what making a target of this kind would raise for who may not, before a form is filled in."""
    own = kind == ComputeTarget.Kind.INSTANCE
    get_workspace(slug, actor=actor, action="instance.use" if own else "compute.change")


@transaction.atomic
def create_target(
    workspace: Workspace,
    *,
    actor: Actor,
    name: str,
    kind: str = ComputeTarget.Kind.LOCAL,
    description: str = "",
    settings: Mapping[str, Any] | None = None,
    owner: str = "",
    tags: Mapping[str, Any] | None = None,
) -> ComputeTarget:
    """Make a compute target with a queue of its own; `owner` is the name of the member whose instance it is.

    Raises Invalid, and Conflict `taken` for a known name. Contributors make instances of their own, and nothing else.
    """
    name, kind = clean_name(name, noun="a compute target"), kinds.clean_kind(kind)
    person = _owner(workspace, kind, owner, actor=actor)
    own = kind == ComputeTarget.Kind.INSTANCE and person is not None and person.pk == actor.user_id
    authorize(workspace, actor=actor, action="instance.use" if own else "compute.change")
    checked = kinds.clean_settings(kind, settings or {})
    _require_provider(checked)
    if workspace.targets.filter(deleted__isnull=True).count() >= MOST_TARGETS:
        raise Conflict(
            _("A workspace has at most %(most)s compute targets.") % {"most": MOST_TARGETS},
            code="too_many_targets",
        )
    try:
        with transaction.atomic():
            target = ComputeTarget.objects.create(
                workspace=workspace,
                name=name,
                kind=kind,
                description=clean_description(description),
                tags=clean_tags(tags or {}),
                settings=checked,
                owner=person,
                state=lifecycle.CREATING if kind == ComputeTarget.Kind.INSTANCE else "",
                since=Now(),
                created_by_id=actor.user_id,
            )
    except IntegrityError:
        raise Conflict(
            _("There is a compute target %(name)s already.") % {"name": name},
            code="taken",
            hint=_("Choose another name."),
            field="name",
        ) from None
    # Sealed to its row, so only now.
    target.broker_secret = broker.seal_password(target.pk, secrets.token_urlsafe(32))
    target.save(update_fields=["broker_secret"])
    if kind == ComputeTarget.Kind.INSTANCE:
        add_node(target)
    record(actor=actor, workspace=workspace, action="target.create", target=name, fields={"kind": kind})
    publish(f"compute.{workspace.slug}", target=name)
    transaction.on_commit(lambda: _open_queue(target.pk))
    return target


def _owner(workspace: Workspace, kind: str, name: str, *, actor: Actor) -> User | None:
    """The member whose instance it is to be: the actor when nobody is named."""
    if kind != ComputeTarget.Kind.INSTANCE:
        if name:
            raise Invalid(_("Only an instance has an owner: the other kinds are the workspace's."), field="owner")
        return None
    members = User.objects.filter(memberships__workspace=workspace, is_active=True)
    found = members.filter(username=name).first() if name else members.filter(pk=actor.user_id or 0).first()
    if found is None:
        raise Invalid(
            _("%(name)s is no member of %(workspace)s.")
            % {"name": name[:60] or actor.name, "workspace": workspace.slug},
            field="owner",
        )
    return found


def _require_provider(settings: Mapping[str, Any]) -> None:
    try:
        provider_named(settings["provider"]) if "provider" in settings else None
    except ProviderError as error:
        raise Invalid(str(error), code="no_provider", field="provider") from None


def _open_queue(target_id: int) -> None:
    # At once, so that the first node need not wait for the relay's next round; which makes good what fails here.
    try:
        broker.ensure_users(target_id)
    except redis.RedisError as error:
        log.warning("the queue of compute target %s waits for the relay: %s", target_id, type(error).__name__)


@transaction.atomic
def change_target(
    slug: str,
    name: str,
    *,
    actor: Actor,
    description: str | None = None,
    settings: Mapping[str, Any] | None = None,
    owner: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> ComputeTarget:
    """Change what is given; settings that are not named stay as they are, `tags` are all that it has then.

    Raises NotFound, Invalid.
    """
    workspace = get_workspace(slug, actor=actor, action="compute.read")
    target = target_named(workspace, name, locked=True)
    require_hand(target, actor=actor)
    changes: dict[str, Any] = {}
    if description is not None:
        changes["description"] = clean_description(description)
    if tags is not None:
        changes["tags"] = clean_tags(tags)
    if settings:
        changes["settings"] = kinds.clean_settings(target.kind, settings, known=target.settings)
        _require_hosts(target, changes["settings"])
        _require_provider(changes["settings"])
    if owner is not None:
        authorize(workspace, actor=actor, action="compute.change")
        changes["owner"] = _owner(workspace, target.kind, owner, actor=actor)
    changed = {key: value for key, value in changes.items() if getattr(target, key) != value}
    if changed:
        told = kinds.changes(_told({key: getattr(target, key) for key in changed}), _told(changed))
        ComputeTarget.objects.filter(pk=target.pk).update(**changed, updated=Now())
        record(actor=actor, workspace=workspace, action="target.change", target=name, fields=sorted(changed))
        happened(target, "target_changed", text=actor.name, why={"code": words.CHANGED, "changes": told})
    for key, value in changed.items():
        setattr(target, key, value)
    return target


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """What people know these fields of a target as."""
    told = {**values, **values.get("settings", {})}
    told.pop("settings", None)
    owner = {"owner": values["owner"] and values["owner"].username} if "owner" in values else {}
    text = {"description": line_of(values["description"], 80)} if "description" in values else {}
    return {**told, **owner, **text}


def _require_hosts(target: ComputeTarget, settings: Mapping[str, Any]) -> None:
    # By the relation: machines are another room's, which is built on this one.
    if settings.get("provider") == kinds.SSH:
        kinds.require_hosts(settings["max_nodes"], target.hosts.filter(leaving=False).count())


def require_hand(target: ComputeTarget, *, actor: Actor) -> None:
    """Raises Forbidden for who may not change this target: an instance is its person's, the rest the owners'."""
    own = target.kind == ComputeTarget.Kind.INSTANCE and target.owner_id == actor.user_id
    authorize(target.workspace, actor=actor, action="instance.use" if own else "compute.change")


@transaction.atomic
def delete_target(slug: str, name: str, *, actor: Actor) -> None:
    """Take a target out of the workspace: its nodes are removed, its invitations end, its name is free.

    Runs of the past keep saying where they ran. Raises NotFound, Conflict `in_use` while something holds it, and
    `workspace_own` for the one that every workspace has.
    """
    workspace = get_workspace(slug, actor=actor, action="compute.read")
    target = target_named(workspace, name, locked=True)
    require_hand(target, actor=actor)
    if target.kind == ComputeTarget.Kind.LOCAL:
        raise Conflict(
            _("%(name)s is the target that every workspace has; it cannot be deleted.") % {"name": name},
            code="workspace_own",
            hint=_("Remove its nodes if nothing is to run there."),
        )
    if target.kind == ComputeTarget.Kind.ATTACHED and actor.kind != "system":
        raise Conflict(
            _("%(name)s is attached.") % {"name": name},
            code="attached",
            hint=_("Detach it: that stops its agent and cleans it."),
        )
    held = holders(target)
    if held:
        raise Conflict(
            _("%(name)s is in use: %(held)s.") % {"name": name, "held": "; ".join(held)},
            code="in_use",
            hint=_("Cancel what runs or waits there, and delete the endpoints that it serves."),
        )
    ComputeTarget.objects.filter(pk=target.pk).update(deleted=Now())
    gone = target.nodes.filter(removed__isnull=True).update(removed=Now())
    target.enrolments.filter(revoked__isnull=True).update(revoked=Now())
    record(actor=actor, workspace=workspace, action="target.delete", target=name, fields={"nodes": gone})
    publish(f"compute.{slug}", target=name)
    transaction.on_commit(lambda: _close_queue(target.pk))


def _close_queue(target_id: int) -> None:
    try:
        broker.drop_user(target_id)
    except redis.RedisError as error:
        log.warning("the queue of compute target %s stays: %s", target_id, type(error).__name__)
