"""The line between an agent and a supervisor that it has started: ready, go, output, and the end of either side.

One letter each way over a pair of sockets, so that neither has to look now and then what the other does. It is a
hint: without it (an agent that took a run over) the files in the run's folder say the same.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import Optional, Tuple

#: From the supervisor: everything is prepared; there is output; the result is written.
READY, OUTPUT, DONE = b"r", b"o", b"d"
#: From the agent: users' code may begin.
GO = b"g"


def pair() -> "Tuple[Cord, socket.socket]":
    """(the agent's end, what the supervisor gets)."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Cord(here), there


class Cord:
    """One end. Reading waits; writing never does: a letter that does not fit is one of many."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        link.setblocking(False)
        link.set_inheritable(False)  # it came to us through a start or a message; it is not for users' code

    def fileno(self) -> int:
        return self.link.fileno()

    def say(self, letter: bytes) -> None:
        with suppress(OSError):
            self.link.send(letter)

    def hear(self, seconds: float) -> Optional[bytes]:
        """What the other side has said; b"" when it has ended, None when it was silent for so long."""
        try:
            if not select.select([self.link], [], [], max(0.0, seconds))[0]:
                return None
            return self.link.recv(256)
        except BlockingIOError:
            return None
        except (OSError, ValueError):
            return b""

    def close(self) -> None:
        self.link.close()
