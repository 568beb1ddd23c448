"""zaffre secret list, set, show, delete, restore"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from zaffre.cli.common import age, facts, noun, sure, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.transport import segment


def add(nouns: Any) -> None:
    verbs = noun(nouns, "secret", "The key vault: passwords and tokens that runs use by name.")
    verb(verbs, "list", _list, "The names of the secrets.")
    text = "Keep a value: typed where nobody sees it, or from standard input. Never a word of the command line."
    setting = _one(verb(verbs, "set", _set, text))
    setting.add_argument("--description", metavar="TEXT", help="what it opens, and who can renew it")
    show = _one(verb(verbs, "show", _show, "What is known of a secret."))
    show.add_argument("--value", action="store_true", help="print the value alone; for owners, and written down")
    show.add_argument("--version", type=int, metavar="N", help="of an older version")
    delete = _one(verb(verbs, "delete", _delete, "Give it to nobody any more; it can be restored for seven days."))
    delete.add_argument("--yes", action="store_true", help="do not ask")
    _one(verb(verbs, "restore", _restore, "Bring a deleted secret back."))


def _one(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name", metavar="NAME")
    return parser


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/secrets")
    rows = [(one["name"], one["version"], age(one["updated"]), one["description"]) for one in found["secrets"]]
    empty = "There are no secrets yet: zaffre secret set NAME"
    tell(options, found, lambda: table(("name", "version", "changed", "description"), rows, empty=empty))
    return 0


def _set(options: argparse.Namespace) -> int:
    value = asked(f"Value of {options.name}: ")
    space = workspace_of(options)
    body = {"name": options.name, "value": value}
    if options.description is not None:
        body["description"] = options.description
    found = space.client.post(f"{space.path}/secrets", body)
    tell(options, found, lambda: f"Kept {found['name']}, version {found['version']}.")
    return 0


def asked(question: str, *, twice: bool = True) -> str:
    """A value that is typed unseen (twice), or all of standard input less its last line end.

    Raises UserErrorException when there is none, or the two differ.
    """
    if sys.stdin.isatty():
        value = getpass.getpass(question)
        if twice and value != getpass.getpass("Once more: "):
            raise UserErrorException("The two are not the same; nothing was kept.", code="usage")
    else:
        value = sys.stdin.read()
        value = value[:-1] if value.endswith("\n") else value
        value = value[:-1] if value.endswith("\r") else value
    if not value:
        raise UserErrorException("There was no value.", hint="Type it, or: zaffre secret set NAME < FILE", code="usage")
    return value


def _show(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    address = f"{space.path}/secrets/{segment(options.name)}"
    if options.value:
        query = {"version": options.version} if options.version else {}
        found = space.client.get(f"{address}/value", **query)
        tell(options, found, lambda: str(found["value"]))
        return 0
    found = space.client.get(address)
    head = facts(
        [
            ("secret", found["name"]),
            ("description", found["description"]),
            ("version", found["version"]),
            ("changed", age(found["updated"])),
        ]
    )
    rows = [(one["number"], age(one["created"])) for one in found["versions"]]
    tell(options, found, lambda: f"{head}\n\n{table(('version', 'created'), rows, empty='')}")
    return 0


def _delete(options: argparse.Namespace) -> int:
    sure(options, f"Runs that name {options.name} will not start. Deleting it")
    space = workspace_of(options)
    space.client.delete(f"{space.path}/secrets/{segment(options.name)}")
    again = f"zaffre secret restore {options.name}"
    tell(options, {"name": options.name, "deleted": True}, lambda: f"Deleted {options.name}. To undo it: {again}")
    return 0


def _restore(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.post(f"{space.path}/secrets/{segment(options.name)}/restore", {})
    tell(options, found, lambda: f"Restored {found['name']}.")
    return 0
