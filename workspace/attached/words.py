"""Why a machine is not ready, and what to do about it, in the page's language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from workspace.attached import states

#: What workspace/compute/words.py says by us: of machines of a pool, each [address, code of `reason`].
NO_HOST, HOST_FAILED = "no_host", "host_failed"


def of_hosts(why: Mapping[str, Any]) -> str:
    """What is wrong with each machine, on a line of its own."""
    asked = _("its key is not confirmed")
    told = [(address, asked if code == "host_key" else reason(code)["cause"]) for address, code in why["hosts"]]
    lines = [_("%(address)s: %(cause)s.") % {"address": address, "cause": cause} for address, cause in told]
    return "\n".join([_("No machine of the pool is free."), *lines] if why["code"] == NO_HOST else lines)


def of_machine(why: Mapping[str, Any]) -> str:
    """What keeps a machine from its work, and who can do what about it; empty when nothing does."""
    state, code = why["state"], why["reason"]
    if state in {states.DETACHING, states.LEFTOVER}:
        return _("It is being detached: no run starts there any more.")
    if state == states.CONFIRM or code == "host_key":
        return _("An owner has to confirm the key of the machine first, on its page.")
    if code:
        told = reason(code)
        return _("%(cause)s. %(advice)s") % told
    return _("The studio is setting it up.") if state in {states.CONNECTING, states.INSTALLING} else ""


def reason(code: str, about: str = "") -> dict[str, str]:
    """{cause, advice, about} of a code of `Attachment`; the cause is empty when nothing is wrong."""
    cause, advice = _known().get(code, (_("It failed"), _("Look at the log below.")) if code else ("", ""))
    return {"code": code, "cause": cause, "advice": advice, "about": about}


def _known() -> dict[str, tuple[str, str]]:
    again = _("The studio goes on trying.")
    return {
        **_of_ways(again),
        "no_python": (
            _("There is no Python 3.9 or newer on the machine"),
            _("Install one, such as with `sudo apt install python3 python3-venv`, then try again."),
        ),
        "no_venv": (
            _("Python on the machine cannot make virtual environments"),
            _("Install what is missing, such as with `sudo apt install python3-venv`, or put uv on its PATH."),
        ),
        "install_failed": (
            _("The client could not be installed on the machine"),
            _("It needs a package index, or a mirror in its pip.conf. The log below has what the installer said."),
        ),
        "no_shell": (_("The account has no usable shell"), _("It has to run `sh`; restricted accounts cannot serve.")),
        "no_home": (_("The account cannot write to its home folder"), _("Give it one, then try again.")),
        "no_copy": (
            _("Files could not be copied to the machine"),
            _("It needs SFTP (`Subsystem sftp` in sshd_config) and free space in the home folder."),
        ),
        "no_forwarding": (
            _("The machine does not let us forward a port"),
            _("Allow it (`AllowTcpForwarding yes` in sshd_config), or give an address at which it finds the studio."),
        ),
        "start_failed": (_("The agent did not start"), again),
        "agent_died": (_("The agent on the machine ended"), _("It is started again, with growing pauses.")),
        "not_online": (
            _("The agent runs, but the studio does not hear of it"),
            _("The machine may not reach the studio at this address. Let it come through our connection instead."),
        ),
        "no_wheel": (_("This studio has no client to install"), _("Run its set-up again: `make up`.")),
        "not_removed": (_("Something on the machine could not be removed"), again),
        "no_secret": (_("The password or key can no longer be read"), _("Give it again.")),
    }


def _of_ways(again: str) -> dict[str, tuple[str, str]]:
    """On the way to the machine."""
    return {
        "unknown_host": (_("The name of the machine is unknown here"), _("Correct the address, or the name server.")),
        "no_route": (_("There is no way to the machine"), _("Is it on, and is the network right?") + " " + again),
        "no_answer": (_("The machine does not answer"), _("Is it on? Does a firewall close its port?") + " " + again),
        "connection_refused": (
            _("Nothing listens at this port of the machine"),
            _("Is sshd running there, and is the port right?") + " " + again,
        ),
        "no_ssh": (_("What answers there does not speak SSH with us"), _("Is the port right?") + " " + again),
        "connection_lost": (_("The connection to the machine broke"), again),
        "script_hangs": (_("The machine is too slow to answer"), again),
        "forbidden_network": (
            _("The studio may not connect to this network"),
            _("Whoever runs the studio can allow it with ZAFFRE_SSH_NETWORKS."),
        ),
        "host_key": (
            _("Is this the machine?"),
            _("Compare the fingerprint with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints there."),
        ),
        "host_key_changed": (
            _("The machine shows another key than the one that was confirmed"),
            _("It was set up anew, or somebody is in between. Nothing was sent. Confirm only if you know why."),
        ),
        "denied": (
            _("The machine did not let us in"),
            _("Correct the user name, and the key in its authorized_keys or the password, then try again."),
        ),
        "bad_key": (_("The private key cannot be used"), _("Give it again, with its passphrase.")),
    }
