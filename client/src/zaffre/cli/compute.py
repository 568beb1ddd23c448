"""zaffre compute list, show, create, update, delete, start, stop, restart, keep, sizes, and the verbs of
compute_nodes.py, stock.py, placing.py, attach.py and hosting.py"""

from __future__ import annotations

import argparse
from typing import Any, Dict

from zaffre.cli import attach, compute_nodes, hosting, placing, stock
from zaffre.cli.common import facts, named, note, noun, one_named, pairs, sure, table, tell, until, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.transport import segment

#: What `create` calls the kinds, as the command line of the Azure ML SDK v1 did, and as we do.
_KINDS = {"amlcompute": "cluster", "computeinstance": "instance"}
_NUMBERS = ("min_nodes", "max_nodes", "idle_seconds_before_scaledown", "idle_minutes")
_WORDS = ("vm_size", "priority", "provider")


def add(nouns: Any) -> None:
    verbs = noun(nouns, "compute", "Where runs run.")
    verb(verbs, "list", _list, "The compute targets of the workspace.")
    one_named(verbs, "show", _show, "A compute target with its nodes.")
    create = verb(verbs, "create", _create, "Make a cluster, an instance, or a target that machines join.")
    create.add_argument("kind", choices=("cluster", "instance", "joined", *_KINDS), help="what it is to be")
    named(create, "name", "--name", "-n", metavar="NAME")
    create.add_argument("--description", default="")
    create.add_argument("--owner", metavar="USER", help="whose instance it is (default: yours)")
    create.add_argument("--tag", action="append", metavar="NAME=VALUE")
    hosting.add_to_create(create)
    _settings(create)
    _waiting(create)
    update = one_named(verbs, "update", _update, "Change settings; what is not named stays as it is.")
    update.add_argument("--description")
    update.add_argument("--owner", metavar="USER", help="whose instance it is from now on")
    update.add_argument("--tag", action="append", metavar="NAME=VALUE", help="instead of those that it has")
    _settings(update)
    delete = one_named(verbs, "delete", _delete, "Delete a compute target with its nodes.")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    for word, text in (("start", "Start"), ("stop", "Stop"), ("restart", "Restart")):
        one = one_named(verbs, word, _verb, f"{text} an instance.")
        one.set_defaults(what=word)
        _waiting(one)
    one_named(verbs, "keep", _verb, "Not stop an idle instance for an hour.").set_defaults(what="keep", wait=False)
    verb(verbs, "sizes", _sizes, "What a node of a cluster or an instance may have here.")
    placing.add_to_compute(verbs)
    compute_nodes.add(verbs)
    stock.add(verbs)
    attach.add(verbs)
    hosting.add(verbs)


def _waiting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="until it is ready, or says why not")
    parser.add_argument("--no-wait", action="store_false", dest="wait", help=argparse.SUPPRESS)


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--min-nodes", type=int, help="so many stay without work")
    parser.add_argument("--max-nodes", type=int, help="never more than these")
    parser.add_argument("--idle-seconds-before-scaledown", type=int, metavar="SECONDS")
    parser.add_argument("--idle-minutes", type=int, help="of an instance: stops after so long without work (0: never)")
    parser.add_argument("--vm-size", "-s", metavar="SIZE", help="a size of `zaffre compute sizes`")
    parser.add_argument("--priority", "--vm-priority", "-p", choices=("dedicated", "lowpriority"))
    for word in ("start", "stop"):
        text = f"of an instance: when it {word}s, as five parts of cron, such as '0 9 * * 1-5'"
        parser.add_argument(f"--schedule-{word}", metavar="CRON", help=text)
    parser.add_argument("--time-zone", metavar="NAME", help="of the schedule, such as Asia/Tokyo (default: UTC)")
    parser.add_argument("--provider", help="who starts the machines (default: process, on the studio's host)")
    parser.add_argument("--cpus", type=int, help="processors of each node (0: all of its machine)")
    parser.add_argument("--memory-gb", type=int, help="memory of each node (0: all of its machine)")
    parser.add_argument("--slots", type=int, help="runs that a node takes at the same time")


def _given(options: argparse.Namespace) -> Dict[str, Any]:
    found = {key: getattr(options, key) for key in (*_NUMBERS, *_WORDS) if getattr(options, key) is not None}
    size = {key: getattr(options, key) for key in ("cpus", "memory_gb", "slots") if getattr(options, key) is not None}
    schedule = {"start": options.schedule_start, "stop": options.schedule_stop, "time_zone": options.time_zone}
    told = {key: value for key, value in schedule.items() if value is not None}
    return {**found, **({"node": size} if size else {}), **({"schedule": told} if told else {})}


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute")
    rows = [
        (
            one["name"],
            one["kind"],
            _state(one),
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


def _state(found: Dict[str, Any]) -> str:
    """The word of the pages; `state` is that of the Azure ML SDK v1, for scripts."""
    return str(found.get("shown_state") or found.get("state") or "").replace("_", " ")


def _told(found: Dict[str, Any]) -> str:
    settings = found.get("settings") or {}
    lines = [("target", found["name"]), ("kind", found["kind"]), ("state", _state(found))]
    lines += [("description", found.get("description")), ("why", found.get("reason")), ("owner", found.get("owner"))]
    lines.append(("tags", ", ".join(f"{key}={value}" for key, value in (found.get("tags") or {}).items())))
    lines += [(key.replace("_", " "), settings.get(key)) for key in (*_NUMBERS, *_WORDS)]
    planned = settings.get("schedule") or {}
    if planned.get("start") or planned.get("stop"):
        told = (f"{word} {planned[word]}" for word in ("start", "stop") if planned.get(word))
        lines.append(("schedule", f"{', '.join(told)} ({planned.get('time_zone')})"))
    if found.get("stops_at"):
        lines.append(("stops", f"in {until(found['stops_at'])}, if nothing runs there until then"))
    return facts(lines)


def _show(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute/{segment(options.name)}")
    tell(options, found, lambda: f"{_told(found)}\n\n{compute_nodes.shown(found)}")
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
    if getattr(options, "wait", False):
        found = _waited(options)
    tell(options, found, lambda: _told(found))
    return 0


def _waited(options: argparse.Namespace) -> Dict[str, Any]:
    """The target when it is ready. Raises ComputeTargetException that says why it is not."""
    from zaffre.core.compute import ComputeTarget

    target = ComputeTarget(workspace_of(options), options.name)
    target.wait_for_completion(show_output=not options.json)
    target.refresh_state()
    return target.serialize()


def _update(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    body: Dict[str, Any] = {"settings": _given(options)}
    if options.description is not None:
        body["description"] = options.description
    if options.owner is not None:
        body["owner"] = options.owner
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
    if options.wait:
        found = _waited(options)
    tell(options, found, lambda: f"{options.name}: {_state(found)}")
    return 0


def _sizes(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/compute-sizes")
    rows = [(one["name"], one["vCPUs"], one["memoryGB"], one["gpus"]) for one in found["sizes"]]
    tell(options, found, lambda: table(("size", "processors", "memory GB", "GPUs"), rows, empty="There are none."))
    return 0
