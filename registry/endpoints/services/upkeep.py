"""Keeping deployments what they should be: the relay's part. The database is the record, and doing this twice is
harmless."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Now

from registry.endpoints import routes
from registry.endpoints.models import Deployment, Endpoint, Replica
from registry.endpoints.rollout import Copy, Verdict, judge
from registry.endpoints.services.placing import add_replicas, place
from registry.endpoints.services.telling import hint_nodes, reroute, tell
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden
from studio.kernel.states import advance

log = logging.getLogger(__name__)

#: Seconds for which a replaced replica lives on to finish its requests, after the gateways know of the new one.
DRAIN = 30.0
#: Seconds until another copy of a failed replica is tried in a deployment that was healthy.
AGAIN = 60.0
#: Replicas that have ended, with their logs, that a deployment keeps.
REMEMBERED = 3

State = Deployment.State


def tick(*, actor: Actor) -> None:
    """One round of the relay: place what waits, replace what is lost, advance deployments, publish the routes.

    Raises redis.RedisError when the routes could not be published; everything else is done by then.
    """
    _only_the_studio(actor)
    for deployment in _watched():
        try:
            _look_after(deployment)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # It must not keep the others from their nodes, nor the gateways from their routes.
            log.exception("deployment %s cannot be looked after", deployment.pk)
    routes.send()
    # Not before the gateways could know that another deployment answers.
    _end_drained()


def _look_after(deployment: Deployment) -> None:
    if _changes(deployment, _verdict(deployment)):
        advance_deployment(deployment.pk)
    elif any(one.node_id is None for one in deployment.wanted_replicas):  # type: ignore[attr-defined]
        with transaction.atomic():
            place(deployment)


def publish_routes(*, actor: Actor) -> bool:
    """Put the present routes into Redis; say whether they had changed. Raises redis.RedisError."""
    _only_the_studio(actor)
    return routes.send()


def _only_the_studio(actor: Actor) -> None:
    if actor.kind != "system":
        raise Forbidden("Only the studio itself looks after deployments.")


def _watched() -> QuerySet[Deployment]:
    wanted = Prefetch(
        "replicas",
        queryset=Replica.objects.filter(wanted=True).annotate(asked=Now()).order_by("pk"),
        to_attr="wanted_replicas",
    )
    rows = Deployment.objects.filter(state__in=Deployment.LIVE).select_related("target", "endpoint__workspace")
    return rows.prefetch_related(wanted).order_by("pk")


def _verdict(deployment: Deployment) -> Verdict:
    copies = []
    for one in deployment.wanted_replicas:  # type: ignore[attr-defined]
        placed = one.node_id is not None or one.state != Replica.State.WAITING
        quiet = _seconds(one.asked, one.last_seen) if placed and one.last_seen else None
        copies.append(Copy(one.pk, one.state, quiet, one.reason))
    verdict = judge(deployment.state, deployment.replicas_wanted, copies, lease=settings.LEASE_SECONDS, again=AGAIN)
    if verdict.state == State.TRANSITIONING and any(one.quiet is None for one in copies):
        # It waits for a node, and `place` has said so.
        return replace(verdict, reason=deployment.reason)
    return verdict


def _seconds(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds()


def _changes(deployment: Deployment, verdict: Verdict) -> bool:
    same = (verdict.state, verdict.reason) == (deployment.state, deployment.reason)
    return not same or bool(verdict.lost or verdict.given_up or verdict.add)


@transaction.atomic
def advance_deployment(pk: int) -> None:
    """Do what the replicas of a deployment ask for, with its endpoint held: one at a time changes who answers."""
    endpoint = Endpoint.objects.select_for_update(of=("self",), no_key=True).filter(deployments=pk).first()
    deployment = _watched().filter(pk=pk).first()
    if endpoint is None or deployment is None:
        return  # deleted or ended meanwhile
    verdict = _verdict(deployment)
    if not _changes(deployment, verdict):
        return
    replicas = Replica.objects.filter(deployment=deployment)
    replicas.filter(pk__in=verdict.lost).update(
        wanted=False, state=Replica.State.STOPPED, address="", reason="Its node was not heard of any more."
    )
    replicas.filter(pk__in=verdict.given_up).update(wanted=False, address="")
    if not advance(
        Deployment.objects.filter(pk=pk),
        frm=[deployment.state],
        field="state",
        state=verdict.state,
        reason=verdict.reason,
    ):
        return
    if verdict.state == State.FAILED:
        replicas.filter(wanted=True).update(wanted=False)
        Deployment.objects.filter(pk=pk).update(traffic=0)
    elif deployment.state == State.TRANSITIONING and verdict.state == State.HEALTHY:
        _take_over(deployment)
    add_replicas(deployment, verdict.add)
    place(deployment)
    _forget_old(deployment)
    hint_nodes(deployment.target_id)
    tell(deployment.endpoint.workspace.slug, deployment.endpoint.name)
    reroute()


def _take_over(deployment: Deployment) -> None:
    """All requests go to this deployment from now on; older ones keep their replicas for a while (see DRAIN)."""
    Deployment.objects.filter(pk=deployment.pk).update(traffic=100)
    older = Deployment.objects.filter(endpoint=deployment.endpoint, number__lt=deployment.number)
    older.filter(state__in=Deployment.LIVE).update(
        state=State.RETIRED, traffic=0, retired=Now(), reason=f"Deployment {deployment.number} answers instead."
    )


def _forget_old(deployment: Deployment) -> None:
    ended = Replica.objects.filter(deployment=deployment, wanted=False).order_by("-pk")
    Replica.objects.filter(pk__in=list(ended.values_list("pk", flat=True)[REMEMBERED:])).delete()


@transaction.atomic
def _end_drained() -> None:
    over = Deployment.objects.filter(state=State.RETIRED, replicas__wanted=True)
    over = over.filter(retired__lt=Now() - timedelta(seconds=DRAIN)).distinct()
    for deployment in over.select_related("endpoint__workspace"):
        Replica.objects.filter(deployment=deployment, wanted=True).update(wanted=False)
        hint_nodes(deployment.target_id)
        tell(deployment.endpoint.workspace.slug, deployment.endpoint.name)
