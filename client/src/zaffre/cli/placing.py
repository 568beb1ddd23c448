"""zaffre run prioritize, give-up; zaffre compute queue: what waits, in which order, and what runs where"""

from __future__ import annotations

import argparse
from typing import Any, Dict

from zaffre.cli.common import age, note, table, tell, verb, workspace_of
from zaffre.transport import segment


def add_to_run(verbs: Any) -> None:
    prioritize = verb(verbs, "prioritize", _prioritize, "Give a run that waits another priority.")
    prioritize.add_argument("run", metavar="RUN", help="the id of the run")
    prioritize.add_argument("priority", type=int, metavar="N", help="from -100 to 100; the higher one starts first")
    give_up = verb(verbs, "give-up", _give_up, "End the attempt of a node that does not respond, without waiting.")
    give_up.add_argument("run", metavar="RUN", help="the id of the run")


def add_to_compute(verbs: Any) -> None:
    queue = verb(verbs, "queue", _queue, "What waits for a compute target and why, and what runs where.")
    queue.add_argument("name", metavar="NAME")


def _prioritize(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    address = f"{space.path}/runs/{segment(options.run)}/priority"
    found = space.client.call("PUT", address, {"priority": options.priority}).json()
    place = (found.get("queue") or {}).get("position")
    tell(options, found, lambda: f"Priority {found['priority']}" + (f", number {place} in the line" if place else ""))
    return 0


def _give_up(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.post(f"{space.path}/runs/{segment(options.run)}/give-up", {})
    reason = (found.get("reason") or {}).get("message") or ""
    tell(options, found, lambda: f"{found['status']}. {reason}".strip())
    return 0


def _queue(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}/queue")
    tell(options, found, lambda: _shown(found))
    if found["more"] and not options.json:
        note(f"{found['more']} more wait after these.")
    return 0


def _shown(found: Dict[str, Any]) -> str:
    waiting = [
        (
            one["position"],
            one["id"],
            one["name"],
            one["priority"],
            one["asks"],
            age(one["since"]),
            one["submitted_by"],
            one["message"],
        )
        for one in found["waiting"]
    ]
    heads = ("#", "id", "name", "priority", "asks for", "since", "by", "why it waits")
    running = [
        (node["name"], node["free"], one["id"], one["name"], one["status"], one["asks"], age(one["since"]))
        for node in found["nodes"]
        for one in node["runs"] or [{"id": "", "name": "", "status": "", "asks": "", "since": None}]
    ]
    where = ("node", "free", "run", "name", "status", "uses", "since")
    return table(heads, waiting, empty="Nothing waits.") + "\n\n" + table(where, running, empty="There is no node yet.")
