"""What waits for a compute target, in the order in which it is to start, and what runs where."""

from typing import Any

from django.db.models import F

from runs import using, waiting
from runs.models import Attempt, Run, Status
from studio.kernel.actors import Actor
from workspace.access import can, get_workspace
from workspace.compute.placement import free
from workspace.compute.queries import nodes_of, target_named

#: Waiting runs that are listed with their reasons; the rest is counted.
MOST = 100


def queue_of(slug: str, name: str, *, actor: Actor) -> dict[str, Any]:
    """{count, more, waiting, nodes} of a target. The same few statements, however much waits.

    `waiting` has {id, name, position, priority, asks, since, submitted_by, code, message, may_set} of the first MOST
    runs, `nodes` {name, online, draining, free, runs} with what runs on each. Raises NotFound.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    target = target_named(workspace, name)
    rows = Run.objects.filter(target=target.pk, status=Status.QUEUED, deleted__isnull=True)
    yard = waiting.yard_of(nodes_of(target.pk))
    first = rows.select_related("submitted_by").only(*_SHOWN).order_by(*waiting.ORDER)[:MOST]
    here = waiting.here_of(target, yard, waiting.database_now(), using.ledger_of(workspace))
    may, any_of_them = (can(workspace, actor=actor, action=one) for one in ("run.prioritize", "run.prioritize_any"))
    found = []
    for position, run in enumerate(first, 1):
        code, message = waiting.reason_of(run, here)
        found.append(
            {
                "id": run.pk,
                "name": run.name,
                "position": position,
                "priority": run.priority,
                "asks": waiting.all_in_words(waiting.need_of_run(run)),
                "since": run.queued_at,
                "submitted_by": run.submitted_by.shown_name if run.submitted_by else None,
                "code": code,
                "message": message,
                "may_set": any_of_them or (may and run.submitted_by_id == actor.user_id),
            }
        )
    count = rows.count() if len(found) == MOST else len(found)
    return {"count": count, "more": count - len(found), "waiting": found, "nodes": _busy(yard, target.pk)}


_SHOWN = (
    *("name", "priority", "cpus", "memory_mb", "gpus", "wanted_labels", "nodes", "queued_at", "not_before", "reason"),
    *("target_id", "submitted_by__username", "submitted_by__display_name"),
)


def _busy(yard: waiting.Yard, target_id: int) -> list[dict[str, Any]]:
    """What runs on each node, and what is left of it."""
    live = Attempt.objects.filter(node__target=target_id, ended__isnull=True, no=F("run__attempt_no"))
    runs: dict[str, list[dict[str, Any]]] = {}
    for one in live.select_related("run__submitted_by").only("node", "started", *_OF_RUN).order_by("started"):
        run = one.run
        runs.setdefault(str(one.node_id), []).append(
            {
                "id": run.pk,
                "name": run.name,
                "status": run.status,
                "priority": run.priority,
                "asks": waiting.in_words(waiting.need_of_run(run)),
                "since": one.started,
                "submitted_by": run.submitted_by.shown_name if run.submitted_by else None,
            }
        )
    return [
        {
            "name": node.name,
            "online": waiting.is_online(node),
            "draining": node.draining is not None,
            "free": waiting.left_in_words(free(place.capacity, place.used), place),
            "runs": runs.get(node.pk, []),
        }
        for node, place in yard
    ]


_OF_RUN = (
    *("run__name", "run__status", "run__priority", "run__cpus", "run__memory_mb", "run__gpus"),
    *("run__wanted_labels", "run__nodes"),
    *("run__queued_at", "run__submitted_by__username", "run__submitted_by__display_name"),
)
