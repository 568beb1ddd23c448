"""What nodes report of their replicas, and what they should keep."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from registry.endpoints import states
from registry.endpoints.models import Replica
from registry.endpoints.services.telling import reroute, tell
from registry.endpoints.services.upkeep import advance_deployment
from runs.forms import clean_text
from studio.kernel.actors import Actor
from workspace.compute.addresses import believable
from workspace.compute.queries import node_of
from workspace.environments import queries as environments
from zaffre.protocol import ReplicaSpec

MAX_REASON = 1000
MAX_TAIL = 8000


def sync_replicas(*, actor: Actor, epoch: str, replicas: Sequence[Mapping[str, Any]]) -> list[ReplicaSpec]:
    """Take a node's report and return the replicas that it should keep: it ends all others.

    What the node names already comes back by its name only, anything else in full. Reports about replicas of
    other nodes are passed over. Raises Unauthenticated for a node that was removed, Conflict `stale_epoch`.
    """
    told = {str(one.get("id", "")): one for one in replicas}
    changed = _take(actor=actor, epoch=epoch, told=told)
    # After the commit: this holds the endpoint first and its replicas then, as everywhere.
    for deployment in changed:
        advance_deployment(deployment)
    keep = _held(actor.node_id).filter(wanted=True).exclude(state=states.FAILED)
    return [_named(one) if one.pk in told else _in_full(one) for one in keep]


@transaction.atomic
def _take(*, actor: Actor, epoch: str, told: Mapping[str, Mapping[str, Any]]) -> list[int]:
    node = node_of(actor=actor, epoch=epoch, action="replica.sync")
    changed: dict[int, None] = {}
    for replica in _held(node.pk).order_by("pk"):
        after = _after(replica, told.get(replica.pk), caller=actor.address)
        if after is None:
            continue
        # The state may have changed since it was read; then it is looked at in the next round.
        rows = Replica.objects.filter(pk=replica.pk, state=replica.state, wanted=replica.wanted)
        seen = {"last_seen": Now()} if replica.pk in told else {}
        news = {field for field, value in after.items() if getattr(replica, field) != value}
        if news:
            # What its log says moves no traffic.
            if rows.update(**after, **seen) and news != {"log_tail"}:
                changed[replica.deployment_id] = None
                tell(replica.deployment.endpoint.workspace.slug, replica.deployment.endpoint.name)
        elif seen:
            rows.update(**seen)
    if changed:
        reroute()
    return list(changed)


def _held(node_id: str) -> QuerySet[Replica]:
    """The node's replicas that are wanted or have not ended, with all that a spec needs."""
    rows = Replica.objects.filter(node_id=node_id).exclude(wanted=False, state__in=[states.FAILED, states.STOPPED])
    shown = rows.select_related(
        "deployment__endpoint__workspace",
        "deployment__model_version__model",
        "deployment__code",
        "deployment__environment_version__environment",
    )
    # Long lists, needed only once for each replica: read when asked for.
    return shown.defer("deployment__model_version__files", "deployment__code__files")


def _after(replica: Replica, report: Mapping[str, Any] | None, *, caller: str) -> dict[str, Any] | None:
    """What the row should say after this report; None when it says nothing new of it. FAILED stays: it ended there."""
    if replica.state == states.FAILED:
        return None
    if report is None:
        return _after_silence(replica)
    state = str(report.get("state", ""))
    if state not in states.REPORTED:
        return None
    if not replica.wanted:
        return {"state": state, "address": ""} if state == states.STOPPED else None
    said = {
        "reason": clean_text(str(report.get("reason") or ""), MAX_REASON),
        "log_tail": clean_text(str(report.get("log_tail") or "")[-MAX_TAIL:], MAX_TAIL),
    }
    if state == states.READY:
        address = str(report.get("address") or "")
        if not believable(address, noun="replica", name=replica.pk, caller=caller):
            why = "Its node gave an address that the studio does not call."
            return {"state": states.FAILED, "address": "", "reason": why, "log_tail": said["log_tail"]}
        return {"state": state, "address": address, **said}
    # Ended while it is wanted: the node starts it again from the answer.
    state = states.STARTING if state == states.STOPPED else state
    return {"state": state, "address": "", **said}


def _after_silence(replica: Replica) -> dict[str, Any] | None:
    """The node is alive and does not have it: not yet, not any more, or it was started anew."""
    if not replica.wanted:
        return {"state": states.STOPPED, "address": ""}
    if replica.state == states.READY:
        return {"state": states.STARTING, "address": ""}
    return None


def _named(replica: Replica) -> ReplicaSpec:
    deployment = replica.deployment
    return ReplicaSpec(id=replica.pk, endpoint=deployment.endpoint.name, deployment=str(deployment.number))


def _in_full(replica: Replica) -> ReplicaSpec:
    deployment, version = replica.deployment, replica.deployment.model_version
    return ReplicaSpec(
        **_named(replica),
        workspace=deployment.endpoint.workspace.slug,
        model={"name": version.model.name, "version": version.version, "files": version.files},
        code={"snapshot": deployment.code_id, "files": deployment.code.files},
        entry_script=deployment.entry_script,
        environment=environments.as_spec(deployment.environment_version),
    )
