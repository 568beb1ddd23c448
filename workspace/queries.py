"""Reading workspaces and who belongs to them."""

from dataclasses import dataclass

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from workspace.access import get_workspace, role_of
from workspace.accounts.models import User
from workspace.accounts.queries import list_users, require_person, require_site_admin, user_of
from workspace.models import Membership, Workspace


@dataclass(frozen=True, slots=True)
class Settings:
    """A workspace as the actor sees it; `role` is None for a site administrator who is no member."""

    workspace: Workspace
    role: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an open account; `member` is None for who does not belong to the workspace."""

    user: User
    member: Membership | None


def my_workspaces(*, actor: Actor) -> QuerySet[Membership]:
    """Return the actor's memberships with their workspaces, by name: `.workspace` and `.role` of each."""
    require_person(actor=actor)
    # Every page asks it: a closed account finds nothing, without a statement of its own.
    mine = Membership.objects.filter(user=actor.user_id or 0, user__is_active=True)
    return mine.select_related("workspace").order_by("workspace__name", "pk")


def read_settings(slug: str, *, actor: Actor) -> Settings:
    """Return the workspace and the actor's role in it; raises as `get_workspace` does."""
    workspace = get_workspace(slug, actor=actor, action="workspace.read")
    return Settings(workspace=workspace, role=role_of(workspace, actor=actor))


def list_members(slug: str, *, actor: Actor) -> QuerySet[Membership]:
    """Return the memberships of the workspace with their users, by user name."""
    workspace = get_workspace(slug, actor=actor, action="member.list")
    return workspace.memberships.select_related("user").order_by("user__username")


def list_people(slug: str, *, actor: Actor) -> list[Person]:
    """Return the members of the workspace, and for a site administrator everybody with an account, by user name."""
    members = list(list_members(slug, actor=actor).filter(user__is_active=True))
    if not actor.is_admin:
        return [Person(one.user, one) for one in members]
    by_user = {one.user_id: one for one in members}
    return [Person(user, by_user.get(user.pk)) for user in list_users(actor=actor).filter(is_active=True)]


def get_person(slug: str, username: str, *, actor: Actor) -> Person:
    """Return oneself, somebody of `list_people`. Raises NotFound for all others, whether there is such an account."""
    if actor.is_user and username == actor.name:
        workspace = get_workspace(slug, actor=actor, action="workspace.read")
        return Person(user_of(actor), workspace.memberships.filter(user=actor.user_id).first())
    for person in list_people(slug, actor=actor):
        if person.user.username == username:
            return person
    raise NotFound(_("There is no user %(username)s in %(slug)s.") % {"username": repr(username[:150]), "slug": slug})


def all_workspaces(*, actor: Actor) -> QuerySet[Workspace]:
    """Return every workspace with its number of members as `.people`, for site administrators."""
    require_site_admin(actor)
    return Workspace.objects.annotate(people=Count("memberships")).order_by("slug")
