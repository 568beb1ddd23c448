"""zaffre endpoint deploy, list, show, score, keys, delete"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict

from zaffre.cli.common import age, facts, note, noun, sure, table, tell, verb, workspace_of
from zaffre.errors import NotFound, UserErrorException
from zaffre.transport import segment

_KEY = "ZAFFRE_KEY"


def add(nouns: Any) -> None:
    verbs = noun(nouns, "endpoint", "Models that answer requests.")
    deploy = verb(verbs, "deploy", _deploy, "Put a model behind an endpoint, which is made when there is none.")
    deploy.add_argument("name", metavar="NAME")
    deploy.add_argument("--model", required=True, metavar="NAME[:V]")
    deploy.add_argument(
        "--source", default=".", metavar="DIR", help="the folder of the scoring code (default: this one)"
    )
    deploy.add_argument("--entry", default="score.py", metavar="FILE", help="the script with init() and run()")
    deploy.add_argument("--environment", default="system", metavar="NAME[:V]", help="default: the node's own Python")
    deploy.add_argument("--target", default="local", help="the compute target (default: local)")
    deploy.add_argument("--replicas", type=int, default=1, metavar="N")
    deploy.add_argument("--wait", action="store_true", help="until it answers, or failed")
    verb(verbs, "list", _list, "The endpoints of the workspace.")
    _one(verb(verbs, "show", _show, "The deployments of an endpoint."))
    scoring = _one(verb(verbs, "score", _score, "Ask an endpoint."))
    scoring.add_argument("--data", required=True, metavar="JSON|@FILE|-", help="the request")
    keys = _one(verb(verbs, "keys", _keys, "The keys of an endpoint; looking leaves a line in the activity."))
    keys.add_argument("--regenerate", choices=("primary", "secondary"), help="make this one new")
    delete = _one(verb(verbs, "delete", _delete, "Delete an endpoint; its models stay."))
    delete.add_argument("--yes", action="store_true", help="do not ask")


def _one(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name", metavar="NAME")
    return parser


def _deploy(options: argparse.Namespace) -> int:
    from zaffre.core.webservice import wait_for_deployment
    from zaffre.snapshot import make_snapshot

    space = workspace_of(options)
    snapshot = make_snapshot(space.client, space.name, Path(options.source), script=options.entry)
    address = f"{space.path}/endpoints"
    try:
        space.client.get(f"{address}/{segment(options.name)}")
    except NotFound:
        space.get_details()  # a missing workspace is another error
        space.client.post(address, {"name": options.name})
    body = {
        "model": options.model,
        "snapshot": snapshot["id"],
        "entry_script": options.entry,
        "environment": options.environment,
        "target": options.target,
        "replicas": options.replicas,
    }
    made = space.client.post(f"{address}/{segment(options.name)}/deployments", body)
    if options.wait:
        number = made["number"]
        found = wait_for_deployment(space, options.name, note=lambda text: note(f"· {text}"), number=number)
        tell(options, found, lambda: f"{options.name} answers at {found['score_url']}")
        return 0
    tell(options, made, lambda: f"Deployment {made['number']} of {options.name} is {made['state']}.")
    return 0


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/endpoints")
    rows = [(one["name"], one.get("state"), one.get("score_url")) for one in found["endpoints"]]
    empty = "There are no endpoints yet: zaffre endpoint deploy NAME --model NAME --source ."
    tell(options, found, lambda: table(("name", "state", "address"), rows, empty=empty))
    return 0


def _show(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/endpoints/{segment(options.name)}")
    tell(options, found, lambda: _facts(found))
    return 0


def _facts(found: Dict[str, Any]) -> str:
    head = facts(
        [
            ("endpoint", found["name"]),
            ("description", found.get("description")),
            ("state", found.get("state")),
            ("address", found.get("score_url")),
        ]
    )
    rows = []
    for one in found.get("deployments") or []:
        traffic, made = f"{one['traffic']} %", age(one.get("created"))
        rows.append((one["number"], one["state"], one["model"], one["environment"], traffic, made, one.get("reason")))
    heads = ("deployment", "state", "model", "environment", "traffic", "created", "reason")
    return f"{head}\n\n{table(heads, rows, empty='There is no deployment yet.')}"


def _score(options: argparse.Namespace) -> int:
    from zaffre.core.webservice import score

    data = _data(options.data)
    space = workspace_of(options)
    address = f"{space.path}/endpoints/{segment(options.name)}"
    found = space.client.get(address)
    key = os.environ.get(_KEY) or space.client.get(f"{address}/keys")["primary"]
    answer = score(space, found["score_url"], key, data)
    tell(options, answer, lambda: answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False))
    return 0


def _data(word: str) -> bytes:
    """The request: JSON itself, @FILE, or - for standard input. Raises UserErrorException when it is no JSON."""
    if word == "-":
        data = sys.stdin.buffer.read()
    elif word.startswith("@"):
        data = Path(word[1:]).expanduser().read_bytes()
    else:
        data = word.encode()
    try:
        json.loads(data)
    except ValueError as error:
        raise UserErrorException(
            f"The data is no JSON: {error}.", hint="Give JSON, @FILE, or - for standard input."
        ) from None
    return data


def _keys(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    address = f"{space.path}/endpoints/{segment(options.name)}/keys"
    if options.regenerate:
        found = space.client.call("POST", address, {"which": options.regenerate}, repeat=False).json()
    else:
        found = space.client.get(address)
    tell(options, found, lambda: facts([("primary", found["primary"]), ("secondary", found["secondary"])]))
    return 0


def _delete(options: argparse.Namespace) -> int:
    sure(options, f"Deleting the endpoint {options.name}")
    space = workspace_of(options)
    space.client.delete(f"{space.path}/endpoints/{segment(options.name)}")
    tell(options, {"name": options.name, "deleted": True}, lambda: f"Deleted {options.name}.")
    return 0
