"""`zaffre node start` and `zaffre node status`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from zaffre.agent import config as configs
from zaffre.agent import machine
from zaffre.agent.config import ConfigError
from zaffre.agent.disk import is_locked
from zaffre.agent.environments.shelf import GB, Shelf
from zaffre.agent.environments.stock import stock
from zaffre.agent.rundir import RunDir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the words after `zaffre node`."""
    words = parser.add_subparsers(dest="node_command", required=True, metavar="start|status|drain")
    start = words.add_parser("start", help="work for a compute target until stopped")
    start.add_argument("--config", type=Path, metavar="FILE", help="a node.json with url and token")
    start.add_argument("--join", nargs=2, metavar=("URL", "TOKEN"), help="the studio and an enrolment token")
    start.add_argument("--name", help="what the studio calls this node (default: the host's name)")
    start.add_argument("--slots", type=int, help=f"runs at the same time (default: {configs.DEFAULT_SLOTS})")
    start.add_argument("--dir", type=Path, help="where state and cache are kept (default: beside --config)")
    start.add_argument("--label", action="append", dest="labels", metavar="K=V", help="what runs may ask for")
    start.add_argument("--cpus", type=float, help="processors that are for runs (default: all)")
    start.add_argument("--memory-gb", type=float, help="memory that is for runs (default: all)")
    start.add_argument("--max-processes", type=int, help=f"of one run, with threads (default: {configs.MAX_PROCESSES})")
    start.add_argument(
        "--isolation", choices=machine.ISOLATIONS, help="how runs are kept apart (auto: bubblewrap where it works)"
    )
    start.add_argument("--verbose", action="store_true", help="say more")
    status = words.add_parser("status", help="what this machine's node does")
    status.add_argument("--config", type=Path, metavar="FILE")
    status.add_argument("--dir", type=Path)
    status.add_argument("--json", action="store_true", help="one JSON document")
    drain = words.add_parser("drain", help="take nothing new; what runs here goes on")
    drain.add_argument("--config", type=Path, metavar="FILE")
    drain.add_argument("--dir", type=Path)
    drain.add_argument("--undo", action="store_true", help="take runs again")


def run(options: argparse.Namespace) -> int:
    """Do what the words say; returns the exit status."""
    try:
        return {"start": _start, "status": _status, "drain": _drain}[options.node_command](options)
    except (ConfigError, PermissionError) as error:
        sys.stderr.write(f"zaffre node: {error}\n")
        return 2


def main(words: Optional[List[str]] = None) -> int:
    """The command line without the `zaffre` command around it."""
    parser = argparse.ArgumentParser(prog="zaffre node", description="The agent of a compute target's node.")
    add_arguments(parser)
    return run(parser.parse_args(words))


def _start(options: argparse.Namespace) -> int:
    # Here, because `status` and `--help` need none of it.
    from zaffre.agent.node import Node
    from zaffre.agent.ownlog import TAIL

    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger().addHandler(TAIL)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    config = configs.read_config(
        file=options.config,
        join=options.join,
        name=options.name,
        slots=options.slots,
        folder=options.dir,
        labels=options.labels,
        cpus=options.cpus,
        memory_gb=options.memory_gb,
        isolation=options.isolation,
        max_processes=options.max_processes,
    )
    return Node(config).serve()


def _status(options: argparse.Namespace) -> int:
    folder = _folder(options)
    state = folder / "state"
    runs = []
    for path in sorted((state / "runs").glob("*")):
        place = RunDir(path)
        spec = place.spec
        if spec:
            runs.append({"run": spec["run"], "attempt": spec["attempt"], "executing": place.supervised})
    known = configs.read_json(state / "identity.json") or {}
    kept = _stock(folder, options.config or folder / "node.json")
    found = {
        "node": known.get("node_id"),
        "url": known.get("url"),
        "target": known.get("target"),
        "running": is_locked(state / "agent.lock"),
        "runs": runs,
        "environments": kept,
    }
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    elif not known:
        sys.stdout.write(f"No node is enrolled in {folder}.\n")
    else:
        word, count = "running" if found["running"] else "stopped", len(runs)
        said = f"{word}, {count} run{'' if count == 1 else 's'}"
        sys.stdout.write(f"Node {found['node']} of {found['target']} at {found['url']}: {said}\n")
        for one in runs:
            sys.stdout.write(f"  {one['run']} attempt {one['attempt']}\n")
        _write_stock(kept)
    return 0 if known else 1


def _stock(folder: Path, config: Path) -> Optional[Dict[str, Any]]:
    """What the node keeps of environments; None where there is nothing to look at. Raises ConfigError."""
    place = folder / "cache" / "environments"
    if not place.is_dir():
        return None
    told = configs.read_json(config) or {}
    limit = configs.gigabytes(told.get("environments_gb", configs.DEFAULT_ENVIRONMENTS_GB))
    return stock(Shelf(place, limit=limit * GB))


def _write_stock(found: Optional[Dict[str, Any]]) -> None:
    if found is None:
        return
    count = found["count"]
    said = f"{count} environment{'' if count == 1 else 's'}, {found['size'] / GB:.2f} of {found['limit'] / GB:g} GB"
    sys.stdout.write(f"Keeps {said}\n")
    for one in found["kept"]:
        used = "in use" if one["busy"] else f"used {one['idle_seconds'] // 60} min ago"
        what = f"Python {one['python']}, {one['packages']} packages, {one['size'] / GB:.2f} GB"
        sys.stdout.write(f"  {one['digest'][:12]} {what}, {used}\n")


def _folder(options: argparse.Namespace) -> Path:
    found = options.dir or (options.config.parent if options.config else Path.home() / ".zaffre" / "node")
    return Path(found).expanduser().absolute()


def _drain(options: argparse.Namespace) -> int:
    """Ask the studio as this node: whoever may read its folder may ask."""
    from zaffre.agent.door import Door, DoorError
    from zaffre.protocol import AGENT

    folder = _folder(options)
    known = configs.read_json(folder / "state" / "identity.json") or {}
    if not known.get("token"):
        raise ConfigError(f"No node is enrolled in {folder}.")
    try:
        Door(str(known["url"]), str(known["token"])).call(
            "POST", f"{AGENT}/nodes/drain", {"draining": not options.undo}, timeout=10.0
        )
    except DoorError as error:
        raise ConfigError(f"The studio did not take it: {error}") from None
    word = "takes runs again" if options.undo else "takes nothing new; what runs here goes on"
    sys.stdout.write(f"Node {known.get('node_id')} {word}.\n")
    return 0
