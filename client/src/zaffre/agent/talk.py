"""The words between an agent and its supervisors: one JSON line each way over a unix socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Callable, Dict, Optional

_SECONDS = 2.0
_MOST = 65536


def listen(path: Path) -> socket.socket:
    """A listening socket at `path` that only this user may reach; a stale one is replaced."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    path.chmod(0o600)
    server.listen(16)
    server.setblocking(False)
    return server


def answer(connection: socket.socket, handle: Callable[[Dict[str, Any]], Dict[str, Any]]) -> None:
    """Read one question and write its answer; a caller that is slow or wrong is dropped."""
    connection.settimeout(1.0)
    try:
        asked = json.loads(_line(connection))
        reply = handle(asked)
        connection.sendall(json.dumps(reply).encode() + b"\n")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return


def ask(path: Path, **question: Any) -> Optional[Dict[str, Any]]:
    """The answer of whoever listens at `path`; None when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(question).encode() + b"\n")
            reply = json.loads(_line(connection))
        except (OSError, ValueError):
            return None
    return reply if isinstance(reply, dict) and "error" not in reply else None


def _line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(4096)
        if not piece or len(data) > _MOST:
            raise ValueError("half a line")
        data += piece
    return data
