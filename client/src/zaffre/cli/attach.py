"""zaffre compute attach, detach: machines over SSH."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Dict

from zaffre.cli.common import note, sure, tell, verb, workspace_of
from zaffre.cli.secret import asked
from zaffre.errors import UserErrorException


def add(verbs: Any) -> None:
    """The two verbs of `zaffre compute`."""
    text = "Have the studio keep an agent on a machine that it reaches over SSH."
    attach = verb(verbs, "attach", _attach, text)
    attach.add_argument("name", metavar="NAME", help="what scripts call it")
    attach.add_argument("--address", "-a", required=True, help="its host name or IP address")
    attach.add_argument("--username", "-u", required=True, help="the account that runs work under")
    attach.add_argument("--ssh-port", type=int, default=22, metavar="N")
    attach.add_argument("--private-key-file", metavar="FILE", help="without it a password is asked for")
    attach.add_argument("--passphrase", action="store_true", help="the key has one: ask for it")
    attach.add_argument("--slots", type=int, default=1, metavar="N", help="runs at the same time (default: 1)")
    attach.add_argument("--studio-url", metavar="URL", help="where the machine finds the studio")
    attach.add_argument("--forward", action="store_true", help="it reaches the studio through the SSH connection")
    attach.add_argument("--host-key", metavar="SHA256:…", help="the fingerprint of its key; else it is asked for")
    attach.add_argument("--yes", action="store_true", help="trust the key that it shows now")
    detach = verb(verbs, "detach", _detach, "Stop the agent on an attached machine and remove it from there.")
    detach.add_argument("name", metavar="NAME")
    detach.add_argument("--yes", action="store_true", help="do not ask")


def _attach(options: argparse.Namespace) -> int:
    from zaffre.core.remote_compute import RemoteCompute

    body: Dict[str, Any] = {"ssh_port": options.ssh_port, "slots": options.slots, "forward": options.forward}
    if options.private_key_file:
        body["private_key_file"] = options.private_key_file
        body["private_key_passphrase"] = asked("Passphrase: ", twice=False) if options.passphrase else ""
    else:
        body["password"] = asked(f"Password of {options.username}@{options.address}: ", twice=False)
    # "ask" is no fingerprint: the key waits until it is confirmed below.
    known = None if options.yes else options.host_key or "ask"
    config = RemoteCompute.attach_configuration(
        username=options.username, address=options.address, studio_url=options.studio_url, host_key=known, **body
    )
    made = config._attach(workspace_of(options), options.name)
    made._host_key = options.host_key
    note(f"Attaching {options.name}: it goes on by itself, also when this command is stopped.")
    if known == "ask":
        _confirm(made)
    made.wait_for_completion(show_output=not options.json)
    found = made.get_attachment()
    tell(options, found, lambda: f"{options.name} is ready: zaffre run submit --target {options.name} …")
    return 0


def _confirm(made: Any) -> None:
    """Show the key and ask. Raises UserErrorException when nobody says yes."""
    import time

    while True:
        found = made.get_attachment()
        if found["state"] in ("confirm", "failed"):
            break
        time.sleep(0.5)
    shown = found["shown_key"]
    if not shown:
        return
    note(f"The machine shows the key {shown}.")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = f"If it is the right one: --host-key {shown}, or confirm it on the page of {made.name}."
        raise UserErrorException("Nobody has confirmed the key of the machine.", hint=hint, code="usage")
    sys.stderr.write("Type yes if it is the right one: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() != "yes":
        raise UserErrorException("Nothing was sent to the machine.", code="canceled")
    made.confirm(shown)


def _detach(options: argparse.Namespace) -> int:
    from zaffre.core.remote_compute import RemoteCompute

    sure(options, f"Detaching {options.name} removes the agent and everything that is only on its disk")
    RemoteCompute(workspace_of(options), options.name).detach()
    tell(
        options,
        {"name": options.name, "detached": True},
        lambda: f"Detached {options.name}; nothing of it is left there.",
    )
    return 0
