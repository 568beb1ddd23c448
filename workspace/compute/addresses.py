"""Which addresses of services are believed. A node says where its replica or its board listens, and the studio will
call there: so a node must not be able to point it at anything else."""

import hashlib
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

#: The folders in which a node's agent makes its sockets (zaffre.agent.rundir).
_FOLDER = re.compile(r"s|zaffre-\d+-[0-9a-f]{10}")
MAX_SOCKET = 107


def believable(address: str, *, noun: str, name: str, caller: str) -> bool:
    """True for the socket that an agent makes for this service, and for a port of the machine that called.

    `noun` is what kind of service it is, `name` its id.
    """
    if address.startswith("unix:"):
        return is_socket_of(address.removeprefix("unix:"), noun=noun, name=name)
    return _is_port_of(address, caller)


def is_socket_of(path: str, *, noun: str, name: str) -> bool:
    """True for the socket that an agent makes for this service."""
    # Its name follows from the service's id, so it can be no other service's socket.
    expected = hashlib.sha256(f"{noun}:{name}".encode()).hexdigest()[:12] + ".sock"
    if not path.startswith("/") or not path.isprintable() or len(path.encode("utf-8", "replace")) > MAX_SOCKET:
        return False
    *above, folder, last = path[1:].split("/")
    plain = all(part not in {"", ".", ".."} for part in above)
    return plain and bool(_FOLDER.fullmatch(folder)) and last == expected


def _is_port_of(address: str, caller: str) -> bool:
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
        same = bool(host) and ip_address(host or "") == ip_address(caller)
    except ValueError:
        return False
    plain = parts.scheme == "http" and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return same and plain and port is not None and 1024 <= port <= 65535
