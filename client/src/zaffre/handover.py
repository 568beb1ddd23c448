"""Words between the nodes of a run: each end proves that it knows the run's secret, and so does every word.

The connection is not hidden from who is on the way, but nobody can speak, change, repeat or leave out a word on it
without the secret: all words carry a code of the connection's own key, its direction and their number. Standard library
alone, for `zaffre.mpi`, which is started by its path.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import socket
import struct
from contextlib import suppress
from typing import Any, Dict

#: What a stranger may make us read before it has proven anything, and what a word of the run may have.
_MOST_GREETING, _MOST = 1024, 1 << 20
_GREETING_SECONDS = 10.0
_CODE_BYTES = 32


class Broken(Exception):
    """The other end has gone, or says what it cannot prove."""


class Line:
    """One end of a proven connection."""

    def __init__(self, link: socket.socket, key: bytes, *, lead: bool, role: str, rank: int) -> None:
        self.role, self.rank = role, rank
        self._link, self._key = link, key
        self._mine, self._theirs = (b"lead", b"join") if lead else (b"join", b"lead")
        self._said = self._heard = 0
        link.settimeout(None)
        # A machine that is switched off says no goodbye.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def say(self, **words: Any) -> None:
        """Raises Broken."""
        body = json.dumps(words).encode()
        _write(self._link, self._code(self._mine, self._said, body) + body)
        self._said += 1

    def hear(self) -> Dict[str, Any]:
        """Wait for the next word. Raises Broken."""
        found = _read(self._link, _MOST)
        code, body = found[:_CODE_BYTES], found[_CODE_BYTES:]
        if not hmac.compare_digest(code, self._code(self._theirs, self._heard, body)):
            raise Broken("A word came that its sender could not prove.")
        self._heard += 1
        return _object(body)

    def close(self) -> None:
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for a word
        self._link.close()

    def _code(self, side: bytes, number: int, body: bytes) -> bytes:
        return hmac.new(self._key, side + struct.pack(">Q", number) + body, hashlib.sha256).digest()


def welcome(link: socket.socket, *, secret: str, run: str) -> Line:
    """The line with whoever has connected to us. Raises Broken when it does not know the secret of this run."""
    link.settimeout(_GREETING_SECONDS)
    nonce = secrets.token_hex(16)
    _write(link, json.dumps({"nonce": nonce}).encode())
    told = _object(_read(link, _MOST_GREETING))
    role, rank, theirs = told.get("role"), told.get("rank"), told.get("nonce")
    if not isinstance(role, str) or not isinstance(rank, int) or not isinstance(theirs, str):
        raise Broken("A stranger spoke.")
    facts = (run, role, rank, nonce, theirs)
    if not hmac.compare_digest(_proof(secret, "join", *facts), str(told.get("proof")).encode("utf-8", "replace")):
        raise Broken("A stranger spoke.")
    _write(link, json.dumps({"proof": _proof(secret, "lead", *facts).decode()}).encode())
    return Line(link, _proof(secret, "line", *facts), lead=True, role=role, rank=rank)


def join(address: str, port: int, *, secret: str, run: str, role: str, rank: int) -> Line:
    """The line to who listens there. Raises OSError when nobody does, Broken when it is not of this run."""
    link = socket.create_connection((address, port), timeout=_GREETING_SECONDS)
    try:
        nonce = secrets.token_hex(16)
        facts = (run, role, rank, str(_object(_read(link, _MOST_GREETING)).get("nonce")), nonce)
        told = {"role": role, "rank": rank, "nonce": nonce, "proof": _proof(secret, "join", *facts).decode()}
        _write(link, json.dumps(told).encode())
        answered = str(_object(_read(link, _MOST_GREETING)).get("proof")).encode("utf-8", "replace")
        if not hmac.compare_digest(_proof(secret, "lead", *facts), answered):
            raise Broken("Who listens there is not of this run.")
    except BaseException:
        link.close()
        raise
    return Line(link, _proof(secret, "line", *facts), lead=False, role=role, rank=rank)


def _proof(secret: str, what: str, *facts: Any) -> bytes:
    # As JSON, so that no two lists of facts are the same bytes.
    return hmac.new(secret.encode(), json.dumps([what, *facts]).encode(), hashlib.sha256).hexdigest().encode()


def _object(body: bytes) -> Dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Broken("What came is no word of a run.")
    return found


def _write(link: socket.socket, body: bytes) -> None:
    try:
        link.sendall(struct.pack(">I", len(body)) + body)
    except OSError as error:
        raise Broken(str(error)) from None


def _read(link: socket.socket, most: int) -> bytes:
    size = struct.unpack(">I", _exactly(link, 4))[0]
    if size > most:
        raise Broken("What came is no word of a run.")
    return _exactly(link, size)


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            found = link.recv(size - len(data))
        except OSError as error:
            raise Broken(str(error)) from None
        if not found:
            raise Broken("The other end has gone.")
        data += found
    return data
