"""Reading workspaces and who belongs to them."""

from dataclasses import dataclass

from django.db.models import Count, QuerySet

from studio.kernel.actors import Actor
from workspace.access import get_workspace, role_of
from workspace.accounts.queries import require_site_admin, user_of
from workspace.models import Membership, Workspace


@dataclass(frozen=True, slots=True)
class Settings:
    """A workspace as the actor sees it; `role` is None for a site administrator who is no member."""

    workspace: Workspace
    role: str | None


def my_workspaces(*, actor: Actor) -> QuerySet[Membership]:
    """Return the actor's memberships with their workspaces, by name: `.workspace` and `.role` of each."""
    return Membership.objects.filter(user=user_of(actor)).select_related("workspace").order_by("workspace__name", "pk")


def read_settings(slug: str, *, actor: Actor) -> Settings:
    """Return the workspace and the actor's role in it; raises as `get_workspace` does."""
    workspace = get_workspace(slug, actor=actor, action="workspace.read")
    return Settings(workspace=workspace, role=role_of(workspace, actor=actor))


def list_members(slug: str, *, actor: Actor) -> QuerySet[Membership]:
    """Return the memberships of the workspace with their users, by user name."""
    workspace = get_workspace(slug, actor=actor, action="member.list")
    return workspace.memberships.select_related("user").order_by("user__username")


def all_workspaces(*, actor: Actor) -> QuerySet[Workspace]:
    """Return every workspace with its number of members as `.people`, for site administrators."""
    require_site_admin(actor)
    return Workspace.objects.annotate(people=Count("memberships")).order_by("slug")
