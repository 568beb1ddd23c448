"""Reading limits."""

from studio.kernel.actors import Actor
from studio.kernel.rows import read
from workspace.access import get_workspace
from workspace.models import Workspace
from workspace.quotas.ledger import AMOUNTS, Limit
from workspace.quotas.models import Quota


def limits_of(workspace: Workspace, *, locked: bool = False) -> tuple[Limit, Limit, Limit, dict[int, Limit]]:
    """(site, workspace, everybody, people) of a workspace that the caller has opened.

    `locked`: no other claim in the workspace decides by them until this transaction has ended.
    """
    site = whole = everybody = Limit()
    people: dict[int, Limit] = {}
    rows = "workspace_id = %(workspace)s ORDER BY id" + (" FOR NO KEY UPDATE" if locked else "")
    for row in read(Quota, rows, {"workspace": workspace.pk}):
        limit = Limit(**{name: getattr(row, name) for name in AMOUNTS})
        if row.scope == Quota.Scope.SITE:
            site = limit
        elif row.scope == Quota.Scope.WORKSPACE:
            whole = limit
        elif row.user_id is None:
            everybody = limit
        else:
            people[row.user_id] = limit
    return site, whole, everybody, people


def open_quotas(slug: str, *, actor: Actor) -> Workspace:
    """The workspace, for whoever may see what it uses. Raises as `get_workspace`."""
    return get_workspace(slug, actor=actor, action="quota.read")
