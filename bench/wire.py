"""A raw HTTP client: closed loops over kept connections, cheap enough not to be what is measured.

One process drives all connections with a selector, so that the load costs both servers the same little.
"""

import json
import selectors
import socket
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: Acknowledge at once: takes out the 40 ms that a delayed acknowledgement adds where a server keeps Nagle on.
QUICKACK = getattr(socket, "TCP_QUICKACK", None)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes = b""


@dataclass
class Times:
    """What one closed loop took: all together, and each call, in seconds."""

    whole: float
    each: list[float]
    received: int = 0

    @property
    def rate(self) -> float:
        return len(self.each) / self.whole

    def percentile(self, share: float) -> float:
        ordered = sorted(self.each)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    @property
    def median(self) -> float:
        return statistics.median(self.each)


@dataclass(frozen=True)
class Target:
    """One server: where it listens and what every request carries."""

    port: int
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, request: Request) -> bytes:
        lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if request.body or request.method != "GET":
            lines += ["Content-Type: application/json", f"Content-Length: {len(request.body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + request.body

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call, decoded. For setting up; raises SystemExit with the answer for anything but success."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        line = Line(self)
        try:
            return json.loads(line.call(self.encode(Request(method, path, raw))) or b"null")
        finally:
            line.close()


class Line:
    """One kept connection. `feed` returns the body once an answer is whole."""

    def __init__(self, target: Target, *, quick: bool = True) -> None:
        self.quick = quick
        self.socket = socket.create_connection(("127.0.0.1", target.port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = bytearray()
        self._acknowledge()

    def _acknowledge(self) -> None:
        # The kernel forgets it after a while, so it is said with each read.
        if self.quick and QUICKACK is not None:
            self.socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)

    def send(self, raw: bytes) -> None:
        self._held.clear()
        self._acknowledge()
        self.socket.sendall(raw)

    def feed(self) -> bytes | None:
        piece = self.socket.recv(1 << 20)
        self._acknowledge()
        if not piece:
            raise SystemExit(f"the server hung up in an answer: {bytes(self._held[:300])!r}")
        self._held += piece
        return _body(self._held)

    def call(self, raw: bytes) -> bytes:
        self.send(raw)
        while (body := self.feed()) is None:
            pass
        return body

    def close(self) -> None:
        self.socket.close()


def _body(held: bytearray) -> bytes | None:
    """The body of the answer in `held`, None while it is not whole. Anything but success ends the bench."""
    end = held.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(held[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        size = int(head[at + 17 :].split(b"\r\n", 1)[0])
        body = bytes(held[end + 4 :]) if len(held) >= end + 4 + size else None
    else:
        body = _chunked(bytes(held[end + 4 :]))
    if body is not None and head.split(b" ", 2)[1] not in (b"200", b"201", b"206"):
        raise SystemExit(f"not a success: {bytes(held[: end + 500])!r}")
    return body


def _chunked(rest: bytes) -> bytes | None:
    found, at = [], 0
    while True:
        line = rest.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(rest[at:line].split(b";")[0], 16)
        if len(rest) < line + 2 + size + 2:
            return None
        if size == 0:
            return b"".join(found)
        found.append(rest[line + 2 : line + 2 + size])
        at = line + 2 + size + 2


def swallow(target: Target, raw: bytes) -> tuple[float, int]:
    """(seconds, bytes) of one large answer, read into one buffer and thrown away: joining it would cost as much.

    The bytes are those of the body, with the frames of its chunks where it has no length. SystemExit unless it is 200.
    """
    line = Line(target, quick=False)
    try:
        begin = time.perf_counter()
        line.socket.sendall(raw)
        buffer = memoryview(bytearray(1 << 20))
        head = b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            head += buffer[: _into(line, buffer)]
        told = head[:end].lower()
        if not told.startswith(b"http/1.1 200"):
            raise SystemExit(f"not a success: {head[:500]!r}")
        _, _, length = told.partition(b"\r\ncontent-length:")
        size = int(length.split(b"\r\n")[0]) if length else None
        received, last = len(head) - end - 4, head[-5:]
        while received != size and (size is not None or last != b"0\r\n\r\n"):
            received += (got := _into(line, buffer))
            last = (last + bytes(buffer[max(0, got - 5) : got]))[-5:]
        return time.perf_counter() - begin, received
    finally:
        line.close()


def _into(line: Line, buffer: memoryview) -> int:
    got = line.socket.recv_into(buffer)
    if not got:
        raise SystemExit("the server hung up in an answer")
    return got


def closed_loop(target: Target, work: Sequence[Iterable[bytes]], *, quick: bool = True) -> Times:
    """Each of `work` is one client's requests, encoded: the next one goes out when the last one is answered.

    Connections are made, and each used once for a cheap call, before the clock starts.
    """
    selector = selectors.DefaultSelector()
    lines = [Line(target, quick=quick) for _ in work]
    left: dict[Line, Iterator[bytes]] = {line: iter(items) for line, items in zip(lines, work, strict=True)}
    each: list[float] = []
    received = 0
    begun: dict[Line, float] = {}
    try:
        begin = time.perf_counter()
        for line in lines:
            selector.register(line.socket, selectors.EVENT_READ, line)
            if _next(line, left, begun):
                selector.unregister(line.socket)
        while begun:
            for key, _ in selector.select(120):
                line = key.data
                body = line.feed()
                if body is None:
                    continue
                now = time.perf_counter()
                each.append(now - begun.pop(line))
                received += len(body)
                if _next(line, left, begun):
                    selector.unregister(line.socket)
        return Times(time.perf_counter() - begin, each, received)
    finally:
        selector.close()
        for line in lines:
            line.close()


def _next(line: Line, left: dict[Line, Iterator[bytes]], begun: dict[Line, float]) -> bool:
    """Send the line's next request; True when it has none left."""
    raw = next(left[line], None)
    if raw is None:
        return True
    begun[line] = time.perf_counter()
    line.send(raw)
    return False
