"""Which addresses the studio may open an SSH connection to: it must not become a way to what only it can reach.

A name is resolved once, and what it resolved to is what is connected to.
"""

import asyncio
import ipaddress
import socket

from django.conf import settings

from studio.kernel.outgoing import is_public


class Refused(Exception):
    """The name leads to an address that is not allowed, or to none."""


async def address_of(host: str, port: int) -> str:
    """An address of the host that may be called. Raises Refused, and OSError when the name is unknown."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        if may_call(str(place[0]).partition("%")[0]):
            return str(place[0])
    raise Refused


def may_call(address: str) -> bool:
    """Whether it is an address of the world, or of a network that the operator allows."""
    one = ipaddress.ip_address(address)
    one = getattr(one, "ipv4_mapped", None) or one
    if any(one in ipaddress.ip_network(network, strict=False) for network in settings.SSH_NETWORKS):
        return True
    return is_public(one)
