"""The words for mpirun, and those of its own that another node may start. For `zaffre.mpi`."""

from __future__ import annotations

import ipaddress
import os
import shlex
import shutil
import subprocess
from typing import Any, Dict, List, Tuple

#: The daemon of Open MPI 4: all that a node starts for another.
DAEMON = "orted"
#: What mpirun takes for a remote shell.
SHELL = "zaffre-remote"


def mpirun_words(told: Dict[str, Any], version: str) -> List[str]:
    """mpirun's command line. Raises ValueError when this MPI cannot do it."""
    count, nodes = int(told["processes"]), len(told["addresses"])
    rank = ["/bin/sh", "-c", 'exec "$ZAFFRE_MPI_PYTHON" "$ZAFFRE_MPI_RANKS" "$ZAFFRE_MPI_PLAN" rank']
    if "Open MPI" not in version:
        if nodes > 1:
            raise ValueError(f"MPI over several nodes needs Open MPI 4, and this is: {version or 'unknown'}.")
        return ["mpirun", "-n", str(count), *rank]
    words = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(count * nodes)]
    if os.geteuid() == 0:
        words.append("--allow-run-as-root")
    if " 4." not in version:
        if nodes > 1:
            raise ValueError(f"MPI over several nodes needs Open MPI 4, and this is: {version}.")
        return [*words, *rank]
    # The rank's own launcher asks the code to end, once, and sees how it ends.
    settings = {"odls_base_signal_direct_children_only": "1", "odls_base_sigkill_timeout": "2"}
    if nodes > 1:
        settings.update(
            {
                "plm": "rsh",
                "plm_rsh_agent": SHELL,
                "plm_rsh_no_tree_spawn": "1",
                "orte_leave_session_attached": "1",
            }
        )
        if network := common_network(told["addresses"]):
            settings.update({"oob_tcp_if_include": network, "btl_tcp_if_include": network})
        # The names stand for the nodes by their number; nobody looks them up.
        words += ["--host", ",".join([f"localhost:{count}", *(f"zaffre-{n}:{count}" for n in range(1, nodes))])]
    for name, value in settings.items():
        words += ["--mca", name, value]
    return [*words, "--wdir", "/", *rank]


def common_network(addresses: List[str]) -> str:
    """The smallest network that holds all addresses, so that no other interface is tried; "" where none says more."""
    try:
        found = [ipaddress.IPv4Address(address) for address in addresses]
    except ValueError:
        return ""
    if any(address.is_loopback for address in found):
        return ""
    network = ipaddress.IPv4Network(f"{found[0]}/32")
    while not all(address in network for address in found):
        network = network.supernet()
    return str(network) if network.prefixlen else ""


def daemon_of(words: Any, path: str) -> Tuple[List[str], str]:
    """(argv, program) of the daemon that the first node asks for: ours by that name, whatever path it says.

    Raises ValueError when the words ask for anything else.
    """
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(word, str) and "\0" not in word for word in words)
    ):
        raise ValueError("The first node sent no command.")
    if words[0] != DAEMON:
        raise ValueError(f"The first node asked for {words[0][:100]!r}; only {DAEMON} is started for it.")
    found = shutil.which(DAEMON, path=path)
    if found is None:
        raise ValueError(f"{DAEMON} is not installed on this node.")
    return words, found


def command_in(words: List[str]) -> List[str]:
    """The daemon's argv in what was meant for a shell, which may be told to read a profile before it."""
    found = shlex.split(" ".join(words))
    if found[:1] == ["("]:
        found = found[found.index(DAEMON) :]
        return found[:-1] if found[-1] == ")" else found
    return found


def version_of(program: str) -> str:
    try:
        asked = [program, "--version"]
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30, check=False)
        return done.stdout.decode("utf-8", "replace").strip().split("\n", 1)[0][:200]
    except subprocess.SubprocessError:
        return ""
