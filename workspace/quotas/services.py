"""Setting limits."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from studio.kernel.events import publish
from workspace.access import authorize, get_workspace
from workspace.accounts.models import User
from workspace.audit.services import record
from workspace.quotas.forms import clean_amounts
from workspace.quotas.models import Quota


@transaction.atomic
def set_quota(slug: str, *, actor: Actor, scope: str, username: str = "", amounts: Mapping[str, Any]) -> None:
    """Limit what may be used at once: by the workspace (`site`, `workspace`) or by a person (`user`).

    Without a username the scope `user` is everybody who has no limit of their own. No amount at all removes the limit.
    What runs already goes on. Raises Invalid, NotFound for somebody who is no member, Forbidden.
    """
    workspace = get_workspace(slug, actor=actor, action="quota.read")
    if scope not in Quota.Scope.values:
        raise Invalid(_("The scope is one of %(values)s.") % {"values": ", ".join(Quota.Scope.values)}, field="scope")
    authorize(workspace, actor=actor, action="quota.limit" if scope == Quota.Scope.SITE else "quota.change")
    found = clean_amounts(amounts)
    user: User | None = None
    if username:
        if scope != Quota.Scope.USER:
            raise Invalid(_("Only the scope user names somebody."), field="user")
        member = workspace.memberships.filter(user__username=username.replace("\0", "")).select_related("user").first()
        if member is None:
            raise NotFound(
                _("%(username)s is no member of %(slug)s.") % {"username": repr(username[:150]), "slug": slug}
            )
        user = member.user
    if any(value is not None for value in found.values()):
        Quota.objects.update_or_create(workspace=workspace, scope=scope, user=user, defaults=found)
    else:
        Quota.objects.filter(workspace=workspace, scope=scope, user=user).delete()
    fields = {"scope": scope, **found}
    record(actor=actor, workspace=workspace, action="quota.set", target=username or scope, fields=fields)
    publish(f"compute.{slug}")
