"""Reading the trail. Reading it is itself a deed, so a read leaves a line (at most one a minute)."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Unauthenticated
from workspace.access import get_workspace
from workspace.audit import trail
from workspace.audit.models import Entry
from workspace.models import Workspace

READ = "audit.read"
READ_AGAIN_AFTER = timedelta(minutes=1)


def list_entries(slug: str, *, actor: Actor, limit: int = 100, before: int | None = None) -> list[Entry]:
    """Return the workspace's newest entries, `limit` of them, older than entry `before`.

    For owners and site administrators; raises as `get_workspace` does.
    """
    workspace = get_workspace(slug, actor=actor, action=READ)
    return _page(Entry.objects.filter(workspace=workspace), workspace, actor=actor, limit=limit, before=before)


def list_site_entries(*, actor: Actor, limit: int = 100, before: int | None = None) -> list[Entry]:
    """Return the newest entries of the whole site, for site administrators.

    Raises Unauthenticated for nobody, Forbidden for everybody else.
    """
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Log in, or send a token in the Authorization header."))
    if not (actor.is_user and actor.is_admin) and actor.kind != "system":
        raise Forbidden(_("The audit trail of the site is for site administrators."), action=READ)
    return _page(Entry.objects.all(), None, actor=actor, limit=limit, before=before)


def _page(
    entries: QuerySet[Entry], workspace: Workspace | None, *, actor: Actor, limit: int, before: int | None
) -> list[Entry]:
    if before is not None:
        entries = entries.filter(pk__lt=before)
    page = list(entries.order_by("-pk")[:limit])
    _leave_a_line(workspace, actor=actor)
    return page


def _leave_a_line(workspace: Workspace | None, *, actor: Actor) -> None:
    lately = Entry.objects.filter(
        workspace=workspace,
        action=READ,
        actor_kind=actor.kind,
        actor_name=actor.name,
        at__gt=timezone.now() - READ_AGAIN_AFTER,
    )
    if not lately.exists():
        trail.append(trail.Deed(actor, workspace, READ, workspace.slug if workspace else "site"))
