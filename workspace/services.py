"""Making workspaces and deciding who belongs to them.

`create_workspace` makes the bare tenant; people get one through `workspace.founding.found_workspace`,
which also furnishes it with environments and a compute target.
"""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.kernel.events import publish
from studio.kernel.models import BlobRef
from workspace import forms
from workspace.access import get_workspace
from workspace.accounts.models import User
from workspace.accounts.queries import user_of
from workspace.audit.services import record
from workspace.models import Membership, Role, Workspace


@transaction.atomic
def create_workspace(*, actor: Actor, slug: str, name: str, description: str = "") -> Workspace:
    """Make a workspace owned by the actor, who is a person. Empty: see `workspace.founding`.

    Raises Invalid for a bad slug or name, Conflict `taken` when the slug is in use.
    """
    user = user_of(actor)
    slug, name = forms.clean_slug(slug), forms.clean_title(name)
    description = forms.clean_description(description)
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(slug=slug, name=name, description=description, created_by=user)
    except IntegrityError:
        raise Conflict(
            gettext("The short name %(slug)s is taken.") % {"slug": repr(slug)},
            code="taken",
            hint=gettext("Choose another one."),
            field="slug",
        ) from None
    Membership.objects.create(workspace=workspace, user=user, role=Role.OWNER)
    record(actor=actor, workspace=workspace, action="workspace.create", target=slug)
    return workspace


@transaction.atomic
def change_workspace(slug: str, *, actor: Actor, name: str | None = None, description: str | None = None) -> Workspace:
    """Rename or describe the workspace; None leaves a field as it is. The slug stays for ever: links hold it."""
    workspace = get_workspace(slug, actor=actor, action="workspace.change")
    wanted: dict[str, str] = {}
    if name is not None:
        wanted["name"] = forms.clean_title(name)
    if description is not None:
        wanted["description"] = forms.clean_description(description)
    changed = {field: value for field, value in wanted.items() if getattr(workspace, field) != value}
    if changed:
        for field, value in changed.items():
            setattr(workspace, field, value)
        workspace.save(update_fields=list(changed))
        record(actor=actor, workspace=workspace, action="workspace.change", target=slug, fields=sorted(changed))
        publish(f"ws.{slug}", t="fact", topic="workspace", changed=sorted(changed))
    return workspace


@transaction.atomic
def delete_workspace(slug: str, *, actor: Actor) -> None:
    """Delete the workspace with everything in it. Runs still going on lose their lease and are stopped.

    The audit trail keeps its lines, and how much was deleted.
    """
    workspace = get_workspace(slug, actor=actor, action="workspace.delete")
    workspace_id = workspace.pk
    held = BlobRef.objects.filter(workspace_id=workspace_id)
    _, deleted = workspace.delete()
    deleted["files"] = held.delete()[0]
    sizes = {label: count for label, count in sorted(deleted.items()) if count}
    record(actor=actor, workspace=None, action="workspace.delete", target=slug, fields=sizes)
    publish(f"ws.{slug}", t="fact", topic="workspace", deleted=True)


# --- members ---------------------------------------------------------------------------------------


@transaction.atomic
def add_member(slug: str, *, actor: Actor, username: str, role: str) -> Membership:
    """Share the workspace with another user.

    Raises Invalid for an unknown user or role, Conflict `taken` when they are a member already.
    """
    workspace = get_workspace(slug, actor=actor, action="member.change")
    role = forms.clean_role(role)
    user = User.objects.filter(username=username, is_active=True).first() if "\0" not in username else None
    if user is None:
        raise Invalid(
            gettext("There is no user %(username)s.") % {"username": repr(username[:150])},
            code="no_such_user",
            hint=gettext("A site administrator makes accounts; upper and lower case matter."),
            field="username",
        )
    member, made = Membership.objects.get_or_create(workspace=workspace, user=user, defaults={"role": role})
    if not made:
        raise Conflict(
            gettext("%(username)s is a member already, as %(role)s.") % {"username": username, "role": member.role},
            code="taken",
            hint=gettext("Change the role instead."),
        )
    _tell(workspace, actor=actor, action="member.add", username=username, role=role)
    return member


@transaction.atomic
def change_role(slug: str, *, actor: Actor, username: str, role: str) -> Membership:
    """Give a member another role. Raises NotFound, Invalid, and Conflict `last_owner`."""
    workspace = get_workspace(slug, actor=actor, action="member.change")
    role = forms.clean_role(role)
    member = _locked_member(workspace, username)
    if member.role == role:
        return member
    if role != Role.OWNER:
        _keep_an_owner(workspace, member)
    before, member.role = member.role, role
    member.save(update_fields=["role"])
    _tell(workspace, actor=actor, action="member.change", username=username, role=role, before=before)
    return member


@transaction.atomic
def remove_member(slug: str, *, actor: Actor, username: str, role: str | None = None) -> None:
    """Take a member's rights away at once. Raises NotFound, also for another `role`, and Conflict `last_owner`."""
    workspace = get_workspace(slug, actor=actor, action="member.change")
    member = _locked_member(workspace, username)
    if role not in {None, member.role}:
        raise NotFound(
            gettext("%(username)s is not %(role)s of %(slug)s, but %(kept)s.")
            % {"username": username, "role": role, "slug": slug, "kept": member.role}
        )
    _keep_an_owner(workspace, member)
    member.delete()
    _tell(workspace, actor=actor, action="member.remove", username=username, before=member.role)


def _locked_member(workspace: Workspace, username: str) -> Membership:
    # The workspace's row is the lock: two owners who leave at the same moment must take turns.
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    member = workspace.memberships.select_related("user").filter(user__username=username).first()
    if member is None:
        raise NotFound(
            gettext("%(username)s is not a member of %(workspace)s.")
            % {"username": repr(username[:150]), "workspace": workspace.slug}
        )
    return member


def _keep_an_owner(workspace: Workspace, leaving: Membership) -> None:
    if leaving.role != Role.OWNER:
        return
    others = workspace.memberships.filter(role=Role.OWNER, user__is_active=True).exclude(pk=leaving.pk)
    if not others.exists():
        raise Conflict(
            gettext("%(username)s is the last owner of %(workspace)s.")
            % {"username": leaving.user.username, "workspace": workspace.slug},
            code="last_owner",
            hint=gettext("Make another member owner first."),
        )


def _tell(workspace: Workspace, *, actor: Actor, action: str, username: str, **facts: str) -> None:
    record(actor=actor, workspace=workspace, action=action, target=username, fields=facts)
    publish(f"ws.{workspace.slug}", t="fact", topic="members", username=username)
