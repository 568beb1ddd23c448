"""zaffre compute nodes, drain, remove-node, invite, events: the nodes of a target, and what happened to them"""

from __future__ import annotations

import argparse
from typing import Any, Dict, List

from zaffre.cli.common import age, note, one_named, sure, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.progress import size_text
from zaffre.transport import segment


def add(verbs: Any) -> None:
    one_named(verbs, "nodes", _nodes, "The nodes of a compute target.")
    drain = one_node(verbs, "drain", _drain, "Give a node nothing new; what runs there goes on.")
    drain.add_argument("--undo", action="store_true", help="give it runs again")
    remove = one_node(verbs, "remove-node", _remove, "Forget a node that is gone; what it ran is given up.")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    one_named(verbs, "invite", _invite, "The command by which machines may join, for a while.")
    events = one_named(verbs, "events", _events, "What happened to a target and its nodes, the newest first.")
    events.add_argument("--limit", type=int, default=50, metavar="N")


def one_node(verbs: Any, word: str, handle: Any, text: str) -> argparse.ArgumentParser:
    """A verb about one node of a compute target."""
    parser = verb(verbs, word, handle, text)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("node", metavar="NODE", help="its name or id")
    return parser


def _nodes(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    tell(options, {"nodes": found["nodes"]}, lambda: shown(found))
    return 0


def shown(found: Dict[str, Any]) -> str:
    """The nodes of a target as a table."""
    rows = [
        (
            one["name"],
            one.get("state") or ("online" if one["online"] else "offline"),
            age(one.get("last_seen")),
            one.get("busy", ""),
            one.get("slots"),
            (one.get("facts") or {}).get("python"),
            (one.get("facts") or {}).get("platform"),
            _kept(one.get("environments") or {}),
        )
        for one in found["nodes"]
    ]
    heads = ("node", "state", "last seen", "runs", "slots", "python", "platform", "environments")
    return table(heads, rows, empty="No node has joined yet." if found["kind"] == "joined" else "There are none now.")


def _kept(shelf: Dict[str, Any]) -> str:
    """What a node keeps of environments, and how much room they may take there."""
    if not shelf:
        return ""
    return f"{shelf['count']}: {size_text(shelf['size'])} of {size_text(shelf['limit'])}"


def node_meant(options: argparse.Namespace, found: Dict[str, Any]) -> Dict[str, Any]:
    """The node that was named. Raises UserErrorException with the names that there are."""
    meant: List[Dict[str, Any]] = [one for one in found["nodes"] if options.node in (one["id"], one["name"])]
    if len(meant) != 1:
        names = ", ".join(one["name"] for one in found["nodes"]) or "none"
        text = f"{options.name} has {'several nodes' if meant else 'no node'} {options.node}."
        raise UserErrorException(text, hint=f"There are: {names}.", code="usage")
    return meant[0]


def _drain(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    node = node_meant(options, found)
    path = f"{space.path}/compute/{segment(options.name)}/nodes/{segment(node['id'])}"
    space.client.patch(path, {"draining": not options.undo})
    if not options.undo and node.get("busy"):
        note(f"{node['busy']} run(s) go on there until they end.")
    told = {"node": node["id"], "draining": not options.undo}
    word = "runs again" if options.undo else "nothing new"
    tell(options, told, lambda: f"{node['name']} takes {word}.")
    return 0


def _remove(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    node = node_meant(options, space.client.get(f"{space.path}/compute/{segment(options.name)}"))
    sure(options, f"Removing {node['name']} from {options.name}")
    space.client.delete(f"{space.path}/compute/{segment(options.name)}/nodes/{segment(node['id'])}")
    tell(options, {"removed": node["id"]}, lambda: f"{node['name']} is no node of {options.name} any more.")
    return 0


def _invite(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.post(f"{space.path}/compute/{segment(options.name)}/enrolments", {})
    until = f"until {found['expires'][:16].replace('T', ' ')} UTC" if found.get("expires") else "for a while"
    note(f"Run this on each machine that is to work. Whoever has it can join machines {until}.")
    tell(options, found, lambda: str(found["command"]))
    return 0


def _events(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    address = f"{space.path}/compute/{segment(options.name)}/happenings"
    found = space.client.get(address, limit=options.limit)
    rows = [
        (age(one["at"]), one["node"], one["code"].replace("_", " "), one["text"].replace("\n", " · "))
        for one in found["happenings"]
    ]
    tell(options, found, lambda: table(("when", "node", "what", "more"), rows, empty="Nothing yet."))
    return 0
