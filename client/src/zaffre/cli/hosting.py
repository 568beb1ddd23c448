"""zaffre compute hosts, and the words of `create` for clusters of machines over SSH."""

from __future__ import annotations

import argparse
from typing import Any, Dict, List

from zaffre.cli.common import age, note, table, tell, verb, workspace_of
from zaffre.cli.secret import asked
from zaffre.errors import UserErrorException
from zaffre.transport import segment


def add_to_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        action="append",
        metavar="[USER@]HOST[:PORT][ secret=NAME]",
        help="take nodes from this machine over SSH, logged in to by a secret of the workspace if one is named",
    )
    parser.add_argument("--admin-username", metavar="USER", help="the account to log in to the machines with")
    parser.add_argument("--private-key-file", metavar="FILE", help="without it a password is asked for")
    parser.add_argument("--passphrase", action="store_true", help="the key has one: ask for it")
    parser.add_argument("--forward", action="store_true", help="the machines reach the studio through the connection")
    parser.add_argument("--yes", action="store_true", help="trust the key that each machine shows first")


def machines(options: argparse.Namespace) -> Dict[str, Any]:
    """What `create` sends for a pool; empty when no machine is named. Raises UserErrorException."""
    if not options.host:
        return {}
    from zaffre.core.remote_compute import read_key

    found = {"hosts": options.host, "username": options.admin_username or "", "trust_first": options.yes}
    found["forward"] = options.forward
    if options.private_key_file:
        found["private_key"] = read_key(options.private_key_file)
        found["private_key_passphrase"] = asked("Passphrase: ", twice=False) if options.passphrase else ""
    else:
        found["password"] = asked(f"Password of {options.admin_username} on the machines: ", twice=False)
    return found


def add(verbs: Any) -> None:
    """The verb of `zaffre compute`."""
    parser = verb(verbs, "hosts", _hosts, "The machines that a cluster takes its nodes from, and changing them.")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--add", action="append", metavar="[USER@]HOST[:PORT][ secret=NAME]", help="another machine")
    parser.add_argument("--forward", action="store_true", help="the added ones reach the studio through the connection")
    parser.add_argument("--login", action="append", metavar="HOST=[USER][,SECRET]", help="log in to it so from now on")
    parser.add_argument("--confirm", action="append", metavar="HOST=SHA256:…", help="trust the key that it shows")
    parser.add_argument("--again", action="append", metavar="HOST", help="try a machine again now")
    parser.add_argument("--remove", action="append", metavar="HOST", help="take a machine out of the pool")


def _hosts(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    path = f"{space.path}/compute/{segment(options.name)}/hosts"
    found = space.client.get(path)
    if options.add:
        found = space.client.post(path, {"hosts": options.add, "forward": options.forward})
    for word in options.login or []:
        host, _, way = word.partition("=")
        user, _, secret = way.partition(",")
        found = space.client.patch(f"{path}/{_id(found, host)}", {"username": user, "secret": secret})
    for word in options.confirm or []:
        host, _, shown = word.partition("=")
        if not shown:
            raise UserErrorException("Give --confirm as HOST=SHA256:…, its fingerprint.", code="usage")
        found = space.client.post(f"{path}/{_id(found, host)}/confirm", {"fingerprint": shown})
    for host in options.again or []:
        found = space.client.post(f"{path}/{_id(found, host)}/again", {})
    for host in options.remove or []:
        space.client.delete(f"{path}/{_id(found, host)}")
        found = space.client.get(path)
    tell(options, found, lambda: _rows(found))
    for one in found["hosts"]:
        if one["shown_key"] and not options.json:
            note(f"{_name(one)} shows the key {one['shown_key']}. If it is the right one:")
            note(f"  zaffre compute hosts {options.name} --confirm {_name(one)}={one['shown_key']}")
    return 0


def _name(one: Dict[str, Any]) -> str:
    return str(one["address"]) if one["port"] == 22 else f"{one['address']}:{one['port']}"


def _id(found: Dict[str, Any], host: str) -> int:
    named = [one for one in found["hosts"] if host in (_name(one), str(one["id"]))]
    if len(named) != 1:
        names = ", ".join(_name(one) for one in found["hosts"]) or "none"
        raise UserErrorException(f"The pool has no machine {host}.", hint=f"There are: {names}.", code="usage")
    return int(named[0]["id"])


def _rows(found: Dict[str, Any]) -> str:
    rows: List[Any] = [
        (
            f"{one['username']}@{_name(one)}",
            one.get("secret") or "",
            one["state"],
            one["node"] or "",
            age(one["since"]),
            (one["reason"] or {}).get("cause", ""),
        )
        for one in found["hosts"]
    ]
    return table(("machine", "secret", "state", "node", "since", "why"), rows, empty="There are none.")
