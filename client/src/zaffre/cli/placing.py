"""zaffre run prioritize, give-up; zaffre compute queue, quota: what waits, runs and is used"""

from __future__ import annotations

import argparse
from typing import Any, Dict

from zaffre.cli.common import age, note, one_named, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.transport import segment


def add_to_run(verbs: Any) -> None:
    prioritize = verb(verbs, "prioritize", _prioritize, "Give a run that waits another priority.")
    prioritize.add_argument("run", metavar="RUN", help="the id of the run")
    prioritize.add_argument("priority", type=int, metavar="N", help="from -100 to 100; the higher one starts first")
    give_up = verb(verbs, "give-up", _give_up, "End the attempt of a node that does not respond, without waiting.")
    give_up.add_argument("run", metavar="RUN", help="the id of the run")


def add_to_compute(verbs: Any) -> None:
    one_named(verbs, "queue", _queue, "What waits for a compute target and why, and what runs where.")
    quota = verb(verbs, "quota", _quota, "What the workspace and its people use of the compute, and their limits.")
    whose = quota.add_mutually_exclusive_group()
    whose.add_argument("--workspace-limit", action="store_true", help="set the workspace's own limit")
    whose.add_argument("--site-limit", action="store_true", help="set the site's limit for it (administrators)")
    whose.add_argument("--each", action="store_true", help="set the limit of everybody who has none of their own")
    whose.add_argument("--user", metavar="NAME", help="set the limit of one person")
    for name in _AMOUNTS:
        quota.add_argument(f"--{name}", type=int, metavar="N", help=f"{name} at once; left out: not limited")


_AMOUNTS = ("runs", "cpus", "gpus", "nodes")


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


def _quota(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    address = f"{space.path}/quotas"
    scope = (
        "workspace"
        if options.workspace_limit
        else "site"
        if options.site_limit
        else "user"
        if options.each or options.user
        else ""
    )
    amounts = {name: getattr(options, name) for name in _AMOUNTS}
    if scope:
        found = space.client.call("PUT", address, {"scope": scope, "user": options.user or "", **amounts}).json()
    elif any(value is not None for value in amounts.values()):
        raise UserErrorException(
            "Whose limit is it?", hint="Add --workspace-limit, --site-limit, --each or --user NAME.", code="usage"
        )
    else:
        found = space.client.get(address)
    tell(options, found, lambda: _limits(found))
    return 0


def _limits(found: Dict[str, Any]) -> str:
    rows = [
        (whose, *(_of(found["used"], found[key], name) for name in _AMOUNTS))
        for whose, key in (("the site's limit", "site"), ("the workspace's limit", "workspace"))
    ]
    rows += [(one["user"], *(_of(one["used"], one["limits"], name) for name in _AMOUNTS)) for one in found["people"]]
    return table(("used of", *_AMOUNTS), rows, empty="")


def _of(used: Dict[str, Any], limits: Dict[str, Any], name: str) -> str:
    most = limits[name]
    return f"{used[name]:g} of {most}" if most is not None else f"{used[name]:g}"
