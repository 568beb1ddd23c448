"""The place of this node among those of a run: which rank it has, and where the others are reached."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Dict, List, Mapping

from zaffre.agent.machine import address_towards

if TYPE_CHECKING:
    from zaffre.agent.job import Job

#: Between two questions whether all nodes are ready: environments may take minutes.
ASK_SECONDS = 1.0


def seat_of(spec: Mapping[str, Any]) -> Dict[str, Any]:
    """{rank, node_count} of the node; the first of one where the claim says nothing."""
    return {"rank": 0, "node_count": 1, **(spec.get("seat") or {})}


def rank_of(spec: Mapping[str, Any]) -> int:
    """The rank of this node; 0 speaks for the run."""
    return int(seat_of(spec)["rank"])


def distribution_of(spec: Mapping[str, Any]) -> Dict[str, Any]:
    """{kind, processes_per_node, …}; empty for a run of one process that nobody joins."""
    return dict((spec.get("config") or {}).get("distribution") or {})


def processes_of(spec: Mapping[str, Any]) -> int:
    """How many processes each node has."""
    return int(distribution_of(spec).get("processes_per_node") or 1)


def meet(job: Job) -> List[Dict[str, Any]]:
    """[{rank, address, ports}] of all nodes, when all have told theirs. Raises Dropped or Ended as `job.check`."""
    seat, count = seat_of(job.spec), processes_of(job.spec)
    # With MPI one more, for what starts the processes.
    own = {"address": "127.0.0.1", "ports": _free_ports(count + (distribution_of(job.spec).get("kind") == "mpi"))}
    if seat["node_count"] == 1:
        return [{"rank": 0, **own}]
    own["address"] = address_towards(job.door.url) or "127.0.0.1"
    while True:
        job.check()
        told = job.ask("POST", "/rendezvous", own).json()
        job.desire(told.get("desired"))
        if told.get("ready"):
            job.meeting_secret = str(told.get("secret") or "")
            found: List[Dict[str, Any]] = told["seats"]
            return sorted(found, key=lambda one: int(one["rank"]))
        job.stopping.wait(ASK_SECONDS)


def _free_ports(count: int) -> List[int]:
    """Ports that nobody listens on now; held together, so that they differ."""
    found = []
    with ExitStack() as held:
        for _ in range(count):
            one = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            one.bind(("", 0))
            found.append(int(one.getsockname()[1]))
    return found
