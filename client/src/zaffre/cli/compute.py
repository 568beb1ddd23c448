"""zaffre compute list, show"""

from __future__ import annotations

import argparse
from typing import Any

from zaffre.cli.common import age, facts, noun, table, tell, verb, workspace_of
from zaffre.transport import segment


def add(nouns: Any) -> None:
    verbs = noun(nouns, "compute", "Where runs run.")
    verb(verbs, "list", _list, "The compute targets of the workspace.")
    show = verb(verbs, "show", _show, "The nodes of a compute target.")
    show.add_argument("name", metavar="NAME")


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute")
    rows = [
        (one["name"], one["kind"], f"{one['online']} of {one['nodes']}", one["slots"], one.get("waiting", ""))
        for one in found["targets"]
    ]
    heads = ("name", "kind", "nodes online", "slots", "waiting")
    tell(options, found, lambda: table(heads, rows, empty="There are none."))
    return 0


def _show(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    rows = [
        (
            one["name"],
            "online" if one["online"] else "offline",
            age(one.get("last_seen")),
            one.get("slots"),
            (one.get("facts") or {}).get("python"),
            (one.get("facts") or {}).get("platform"),
        )
        for one in found["nodes"]
    ]
    heads = ("node", "state", "last seen", "slots", "python", "platform")
    head = facts([("target", found["name"]), ("kind", found["kind"])])
    tell(options, found, lambda: f"{head}\n\n{table(heads, rows, empty='No node has joined yet.')}")
    return 0
