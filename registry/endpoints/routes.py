"""The routes of all endpoints, as the gateways get them: read from the database, put into Redis whole."""

from collections.abc import Iterator

from django.db import connection, transaction
from django.db.models import F, FilteredRelation, Q

from registry.endpoints.models import Deployment, Endpoint, Replica
from studio.gateway import wire
from studio.kernel import events

#: Any number that no other lock of ours has, the same everywhere: who holds it reads and publishes, one after another.
LOCK = 7_305_164
MAX_NOTE = 300


def current() -> wire.Routes:
    """The routes as the database has them now. Two statements, whatever the number of endpoints.

    Deployments and their replicas come from one statement: with two, a take-over that commits in between shows the
    replicas of before and the shares of after, and the endpoint would have nobody to answer until the next round.
    """
    serving: dict[int, list[wire.Replica]] = {}
    deployments: dict[int, dict[int, Deployment]] = {}
    for row, replica in _live():
        deployments.setdefault(row.endpoint_id, {})[row.pk] = row
        if replica is not None and row.traffic > 0:
            serving.setdefault(row.pk, []).append(replica)
    found = {}
    endpoints = Endpoint.objects.select_related("workspace").only(
        "name", "workspace__slug", "primary_hash", "secondary_hash"
    )
    for one in endpoints:
        its = list(deployments.get(one.pk, {}).values())
        carrying = [each for each in its if each.traffic > 0]
        found[f"{one.workspace.slug}/{one.name}"] = wire.Endpoint(
            keys=(one.primary_hash, one.secondary_hash),
            deployments=tuple(
                wire.Deployment(each.number, each.traffic, tuple(serving.get(each.pk, ()))) for each in carrying
            ),
            note="" if any(each.pk in serving for each in carrying) else _note(carrying or its),
        )
    return wire.make(found)


def _live() -> Iterator[tuple[Deployment, wire.Replica | None]]:
    """Each deployment that may answer, once for each of its replicas that can, or once without."""
    able = FilteredRelation("replicas", condition=Q(replicas__wanted=True, replicas__state=Replica.State.READY))
    rows = Deployment.objects.filter(state__in=[*Deployment.LIVE, Deployment.State.FAILED])
    shown = rows.annotate(able=able, replica=F("able__pk"), at=F("able__address"))
    for row in shown.only("endpoint_id", "number", "traffic", "state", "reason").order_by("number", "able__pk"):
        yield row, wire.Replica(row.replica, row.at) if row.replica else None


def _note(deployments: list[Deployment]) -> str:
    if not deployments:
        return "Nothing is deployed at this endpoint yet."
    newest = deployments[-1]
    if newest.state == Deployment.State.FAILED:
        return f"Deployment {newest.number} failed: {newest.reason}"[:MAX_NOTE]
    if newest.state == Deployment.State.TRANSITIONING:
        return f"Deployment {newest.number} is not ready yet. {newest.reason}".strip()[:MAX_NOTE]
    return f"No replica of deployment {newest.number} is ready right now. {newest.reason}".strip()[:MAX_NOTE]


def send() -> bool:
    """Put the present routes into Redis unless it has them; say whether it had not. Raises redis.RedisError.

    Reading and writing happen under one lock, though Redis is asked inside the transaction: otherwise the routes
    of before could overwrite those of after, and a key that was made anew would open the endpoint again.
    """
    client = events.client()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        routes = current()
        if client.hget(wire.ROUTES_KEY, "version") == routes.version.encode():
            return False
        client.hset(wire.ROUTES_KEY, mapping={"version": routes.version, "body": wire.encode(routes)})
    client.publish(wire.ROUTES_BELL, routes.version)
    return True
