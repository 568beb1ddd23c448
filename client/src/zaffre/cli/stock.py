"""zaffre compute environments: what a node keeps, and having it removed."""

from __future__ import annotations

import argparse
from typing import Any, Dict, List

from zaffre.cli.common import age, note, sure, table, tell, workspace_of
from zaffre.cli.compute_nodes import node_meant, one_node
from zaffre.errors import UserErrorException
from zaffre.progress import size_text
from zaffre.transport import segment


def add(verbs: Any) -> None:
    """The verb of `zaffre compute`."""
    parser = one_node(verbs, "environments", _environments, "The environments that a node keeps, and removing one.")
    parser.add_argument(
        "--evict", metavar="ENVIRONMENT", help="remove this one: NAME:VERSION, or how its digest begins"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _environments(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    target = f"{space.path}/compute/{segment(options.name)}"
    node = node_meant(options, space.client.get(target))
    path = f"{target}/nodes/{segment(node['id'])}"
    found = space.client.get(f"{path}/environments")
    if options.evict:
        one = _environment_meant(found.get("kept") or [], options.evict, node["name"])
        sure(options, f"Removing {_names(one) or one['digest'][:12]}, {size_text(one['size'])}, from {node['name']}")
        space.client.delete(f"{path}/environments/{one['digest']}")
        note(f"{node['name']} removes it now; it is built again when a run needs it.")
        found = space.client.get(f"{path}/environments")
    tell(options, found, lambda: _rows(found))
    return 0


def _environment_meant(kept: List[Dict[str, Any]], word: str, node: str) -> Dict[str, Any]:
    fitting = [
        one for one in kept if word in _names(one).split(", ") or (len(word) > 3 and one["digest"].startswith(word))
    ]
    if len(fitting) != 1:
        text = f"{node} keeps {'several environments' if fitting else 'no environment'} {word}."
        hint = "There are: " + (", ".join(_names(one) or one["digest"][:12] for one in kept) or "none") + "."
        raise UserErrorException(text, hint=hint, code="usage")
    return fitting[0]


def _names(one: Dict[str, Any]) -> str:
    return ", ".join(f"{name}:{version}" for name, version in one["versions"])


def _rows(found: Dict[str, Any]) -> str:
    rows = [
        (
            one["digest"][:12],
            _names(one),
            one["python"],
            one["packages"],
            size_text(one["size"]),
            "being removed" if one["leaving"] else "in use" if one["busy"] else age(one["used"]),
        )
        for one in found.get("kept") or []
    ]
    heads = ("digest", "versions", "python", "packages", "size", "last used")
    return table(heads, rows, empty="It keeps none, or has not said so yet.")
