"""zaffre compute list, show, create, update, delete, start, stop, restart, nodes, drain, attach, detach, hosts"""

from __future__ import annotations

import argparse
from typing import Any, Dict, List

from zaffre.cli import attach, hosting, placing
from zaffre.cli.common import age, facts, note, noun, pairs, sure, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.transport import segment

#: What `create` calls the kinds, as the command line of the Azure ML SDK v1 did, and as we do.
_KINDS = {"amlcompute": "cluster", "computeinstance": "instance"}
_NUMBERS = ("min_nodes", "max_nodes", "idle_seconds_before_scaledown", "idle_minutes")
_WORDS = ("vm_size", "priority", "provider")


def add(nouns: Any) -> None:
    verbs = noun(nouns, "compute", "Where runs run.")
    verb(verbs, "list", _list, "The compute targets of the workspace.")
    _named(verbs, "show", _show, "A compute target with its nodes.")
    create = verb(verbs, "create", _create, "Make a cluster, an instance, or a target that machines join.")
    create.add_argument("kind", choices=("cluster", "instance", "joined", *_KINDS), help="what it is to be")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--description", default="")
    create.add_argument("--owner", metavar="USER", help="whose instance it is (default: yours)")
    create.add_argument("--tag", action="append", metavar="NAME=VALUE")
    hosting.add_to_create(create)
    _settings(create)
    update = _named(verbs, "update", _update, "Change settings; what is not named stays as it is.")
    update.add_argument("--description")
    update.add_argument("--tag", action="append", metavar="NAME=VALUE", help="instead of those that it has")
    _settings(update)
    delete = _named(verbs, "delete", _delete, "Delete a compute target with its nodes.")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    for word, text in (("start", "Start"), ("stop", "Stop"), ("restart", "Restart")):
        _named(verbs, word, _verb, f"{text} an instance.").set_defaults(what=word)
    _named(verbs, "keep", _verb, "Not stop an idle instance for an hour.").set_defaults(what="keep")
    _named(verbs, "nodes", _nodes, "The nodes of a compute target.")
    placing.add_to_compute(verbs)
    drain = _named(verbs, "drain", _drain, "Give a node nothing new; what runs there goes on.")
    drain.add_argument("node", metavar="NODE", help="its name or id")
    drain.add_argument("--undo", action="store_true", help="give it runs again")
    attach.add(verbs)
    hosting.add(verbs)


def _named(verbs: Any, word: str, handle: Any, text: str) -> argparse.ArgumentParser:
    parser = verb(verbs, word, handle, text)
    parser.add_argument("name", metavar="NAME")
    return parser


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--min-nodes", type=int, help="so many stay without work")
    parser.add_argument("--max-nodes", type=int, help="never more than these")
    parser.add_argument("--idle-seconds-before-scaledown", type=int, metavar="SECONDS")
    parser.add_argument("--idle-minutes", type=int, help="of an instance: stops after so long without work (0: never)")
    parser.add_argument("--vm-size", "-s", metavar="SIZE", help="a size of `zaffre compute show`, such as cpu-2")
    parser.add_argument("--priority", choices=("dedicated", "lowpriority"))
    parser.add_argument("--provider", help="who starts the machines (default: process, on the studio's host)")
    parser.add_argument("--cpus", type=int, help="processors of each node (0: all of its machine)")
    parser.add_argument("--memory-gb", type=int, help="memory of each node (0: all of its machine)")
    parser.add_argument("--slots", type=int, help="runs that a node takes at the same time")


def _given(options: argparse.Namespace) -> Dict[str, Any]:
    found = {key: getattr(options, key) for key in (*_NUMBERS, *_WORDS) if getattr(options, key) is not None}
    size = {key: getattr(options, key) for key in ("cpus", "memory_gb", "slots") if getattr(options, key) is not None}
    return {**found, **({"node": size} if size else {})}


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute")
    rows = [
        (
            one["name"],
            one["kind"],
            one.get("state", ""),
            f"{one['online']} of {one['nodes']}",
            one["slots"],
            one.get("running", ""),
            one.get("waiting", ""),
        )
        for one in found["targets"]
    ]
    heads = ("name", "kind", "state", "nodes online", "slots", "running", "waiting")
    tell(options, found, lambda: table(heads, rows, empty="There are none."))
    return 0


def _node_rows(found: Dict[str, Any]) -> str:
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
    return f"{shelf['count']}: {shelf['size'] / 10**9:.1f} of {shelf['limit'] / 10**9:g} GB"


def _told(found: Dict[str, Any]) -> str:
    settings = found.get("settings") or {}
    lines = [("target", found["name"]), ("kind", found["kind"]), ("state", found.get("state"))]
    lines += [("why", found.get("reason")), ("owner", found.get("owner"))]
    lines.append(("tags", ", ".join(f"{key}={value}" for key, value in (found.get("tags") or {}).items())))
    lines += [(key.replace("_", " "), settings.get(key)) for key in (*_NUMBERS, *_WORDS)]
    return facts(lines)


def _show(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    tell(options, found, lambda: f"{_told(found)}\n\n{_node_rows(found)}")
    return 0


def _nodes(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    tell(options, {"nodes": found["nodes"]}, lambda: _node_rows(found))
    return 0


def _create(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    kind = _KINDS.get(options.kind, options.kind)
    body: Dict[str, Any] = {"kind": kind, "description": options.description, "settings": _given(options)}
    body["tags"] = pairs(options.tag, "--tag")
    if options.owner:
        body["owner"] = options.owner
    named = f"{space.path}/compute/{segment(options.name)}"
    machines = hosting.machines(options)
    if machines:
        if kind != "cluster":
            raise UserErrorException("Only a cluster takes its nodes from machines.", code="usage")
        space.client.post(f"{named}/pool", {**body, **machines})
        found = space.client.get(named)
    else:
        found = space.client.post(f"{space.path}/compute", {"name": options.name, **body})
    return _say(options, found)


def _say(options: argparse.Namespace, found: Dict[str, Any]) -> int:
    for text in found.get("warnings") or []:
        note(text)
    tell(options, found, lambda: _told(found))
    return 0


def _update(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    body: Dict[str, Any] = {"settings": _given(options)}
    if options.description is not None:
        body["description"] = options.description
    if options.tag is not None:
        body["tags"] = pairs(options.tag, "--tag")
    if body == {"settings": {}}:
        raise UserErrorException("Nothing to change was named.", hint="Give --max-nodes 4, for example.", code="usage")
    found = space.client.patch(f"{space.path}/compute/{segment(options.name)}", body)
    return _say(options, found)


def _delete(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    nodes = len(found["nodes"])
    sure(options, f"Deleting {options.name} with its {nodes} node{'' if nodes == 1 else 's'}")
    space.client.delete(f"{space.path}/compute/{segment(options.name)}")
    tell(options, {"deleted": options.name}, lambda: f"Deleted {options.name}.")
    return 0


def _verb(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.post(f"{space.path}/compute/{segment(options.name)}/{options.what}", {})
    tell(options, found, lambda: f"{options.name}: {found.get('state', '')}")
    return 0


def _drain(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    named: List[Dict[str, Any]] = [one for one in found["nodes"] if options.node in (one["id"], one["name"])]
    if len(named) != 1:
        names = ", ".join(one["name"] for one in found["nodes"]) or "none"
        text = f"{options.name} has {'several nodes' if named else 'no node'} {options.node}."
        raise UserErrorException(text, hint=f"There are: {names}.", code="usage")
    path = f"{space.path}/compute/{segment(options.name)}/nodes/{segment(named[0]['id'])}"
    space.client.patch(path, {"draining": not options.undo})
    if not options.undo and named[0].get("busy"):
        note(f"{named[0]['busy']} run(s) go on there until they end.")
    told = {"node": named[0]["id"], "draining": not options.undo}
    word = "runs again" if options.undo else "nothing new"
    tell(options, told, lambda: f"{named[0]['name']} takes {word}.")
    return 0
