"""The routes in memory: made whole from what was published, never changed, replaced by the next one."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

from studio.gateway import wire
from studio.gateway.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Lane:
    """A deployment: its share of the requests, and the replicas that answer them."""

    number: int
    weight: int
    upstreams: tuple[Upstream, ...]


@dataclass(frozen=True, slots=True)
class Table:
    version: str
    endpoints: dict[str, wire.Endpoint]
    lanes: dict[str, tuple[Lane, ...]]
    upstreams: dict[tuple[str, str], Upstream]


EMPTY = Table("", {}, {}, {})


def build(routes: wire.Routes, before: Table) -> Table:
    """The table of these routes. A replica that was in the table before keeps its connections and its load."""
    kept: dict[tuple[str, str], Upstream] = {}

    def upstream(one: wire.Replica) -> Upstream:
        key = (one.id, one.address)
        kept[key] = before.upstreams.get(key) or Upstream(one.id, one.address)
        return kept[key]

    lanes = {
        name: tuple(
            Lane(one.number, one.weight, tuple(map(upstream, one.replicas)))
            for one in endpoint.deployments
            if one.weight > 0 and one.replicas
        )
        for name, endpoint in routes.endpoints.items()
    }
    return Table(routes.version, routes.endpoints, lanes, kept)


def choose(
    lanes: Collection[Lane],
    *,
    now: float,
    but: Upstream | None = None,
    chance: Callable[[], float] = random.random,
) -> Upstream | None:
    """Pick a deployment by its share, then its least loaded replica; None when there is none (besides `but`).

    One that could not be reached a moment ago is asked only when there is no other.
    """
    able = [lane for lane in lanes if any(one is not but for one in lane.upstreams)]
    if not able:
        return None
    at = chance() * sum(lane.weight for lane in able)
    for lane in able:
        at -= lane.weight
        if at < 0:
            break
    others = [one for one in lane.upstreams if one is not but]
    return min(others, key=lambda one: (one.shunned_until > now, one.outstanding, chance()))
