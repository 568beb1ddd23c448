"""What a workspace and each of its people use of the compute now, beside what they may."""

from typing import Any

from runs import using
from studio.kernel.actors import Actor
from workspace.access import can
from workspace.quotas.ledger import AMOUNTS, Limit, Usage
from workspace.quotas.queries import open_quotas


def usage_of(slug: str, *, actor: Actor) -> dict[str, Any]:
    """{site, workspace, everybody, used, people, may_change, may_limit}: {runs, cpus, gpus, nodes} each.

    `people` are the members with {user, name, used, limits, own}; `own` says whether the limits are theirs alone.
    """
    workspace = open_quotas(slug, actor=actor)
    ledger = using.ledger_of(workspace, always=True)
    people = [
        {
            "user": one.user.username,
            "name": one.user.shown_name,
            "used": _used(ledger.used.get(one.user_id, Usage())),
            "limits": _limits(ledger.of(one.user_id)),
            "own": one.user_id in ledger.people,
        }
        for one in workspace.memberships.select_related("user").order_by("user__username")
    ]
    return {
        "site": _limits(ledger.site),
        "workspace": _limits(ledger.workspace),
        "everybody": _limits(ledger.everybody),
        "used": _used(ledger.total()),
        "people": people,
        "may_change": can(workspace, actor=actor, action="quota.change"),
        "may_limit": can(workspace, actor=actor, action="quota.limit"),
    }


def _limits(limit: Limit) -> dict[str, int | None]:
    return {name: getattr(limit, name) for name in AMOUNTS}


def _used(usage: Usage) -> dict[str, float]:
    return {name: usage.amount(name) for name in AMOUNTS}
