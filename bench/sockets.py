"""Many watching sockets and one caller, driven by one selector: when each call's points reached each socket."""

import base64
import json
import os
import selectors
import socket
import struct
import time
import zlib
from dataclasses import dataclass, field

from bench.wire import Line, Target

#: Seconds that one frame may take before the bench gives up.
PATIENCE = 60.0


class Watching:
    """One WebSocket as a browser opens it: it offers permessage-deflate and takes what the server chooses."""

    def __init__(self, target: Target, path: str, cookie: str, hello: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", target.port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{target.port}",
            f"Origin: http://127.0.0.1:{target.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            *([f"Cookie: {cookie}"] if cookie else []),
        ]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        self._held = bytearray()
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            self._read()
        if b" 101 " not in self._held[:20]:
            raise SystemExit(f"no socket: {bytes(self._held[:500])!r}")
        del self._held[: end + 4]
        self._inflate = zlib.decompressobj(-15)
        if hello:
            self._say(1, hello)

    def _read(self) -> None:
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise SystemExit("a watching socket was closed")
        self._held += piece

    def _say(self, opcode: int, text: bytes) -> None:
        # Masked with zeros: the mask is for proxies between, and there is none.
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0]) + text)

    def feed(self) -> list[bytes]:
        """The texts that came."""
        self._read()
        return self._whole()

    def _whole(self) -> list[bytes]:
        held, at, found = self._held, 0, []
        while len(held) >= at + 2:
            size, begin = held[at + 1] & 0x7F, at + 2
            if size == 126 and len(held) >= at + 4:
                size, begin = struct.unpack_from("!H", held, begin)[0], begin + 2
            elif size == 127 and len(held) >= at + 10:
                size, begin = struct.unpack_from("!Q", held, begin)[0], begin + 8
            elif size > 125:
                break
            if len(held) < begin + size:
                break
            first, body = held[at], bytes(held[begin : begin + size])
            at = begin + size
            if first & 0x0F == 9:
                self._say(10, body)
            elif first & 0x0F == 8:
                raise SystemExit(f"a watching socket was closed: {body!r}")
            elif first & 0x0F == 1:
                found.append(self._inflate.decompress(body + b"\x00\x00\xff\xff") if first & 0x40 else body)
        del held[:at]
        return found

    def until(self, part: bytes) -> None:
        """Wait for a text with `part` in it."""
        found = self._whole()
        while not any(part in text for text in found):
            found = self.feed()

    def close(self) -> None:
        self.socket.close()


def calls_in(text: bytes) -> list[int]:
    """The calls whose points are in a frame: each call logs its own number as the step of `loss`."""
    told = json.loads(text)
    return list(told["data"]["loss"][0]) if told.get("t") == "points" and "loss" in told["data"] else []


@dataclass
class Heard:
    """What the sockets heard of some calls. Seconds."""

    whole: float
    #: From each call's beginning to the moment when a socket had its points: one a call and socket.
    each: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.each)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Crowd:
    """All sockets of one run, and the lines on which points are logged."""

    def __init__(self, sockets: list[Watching], target: Target, lines: int) -> None:
        self.sockets = sockets
        self._selector = selectors.DefaultSelector()
        self._free = [Line(target) for _ in range(lines)]
        self._lines = tuple(self._free)
        for line in self._lines:
            self._selector.register(line.socket, selectors.EVENT_READ, line)
        for one in sockets:
            self._selector.register(one.socket, selectors.EVENT_READ, one)
        self._known: dict[bytes, list[int]] = {}

    def close(self) -> None:
        self._selector.close()
        for one in (*self._lines, *self.sockets):
            one.close()

    def hear(self, calls: dict[int, bytes], *, pause: float, ahead: int = 1) -> Heard:
        """Make the calls, each when at most `ahead` are not with every socket yet, and `pause` seconds apart."""
        left, begun, missing = list(calls.items())[::-1], {}, {}
        each, next_at = [], 0.0
        begin = time.perf_counter()
        while left or missing or len(self._free) < len(self._lines):
            now = time.perf_counter()
            may = bool(left) and bool(self._free) and len(missing) < ahead
            if may and now >= next_at:
                number, raw = left.pop()
                missing[number], begun[number], next_at = len(self.sockets), now, now + pause
                self._free.pop().send(raw)
                continue
            ready = self._selector.select(next_at - now if may else PATIENCE)
            if not ready and not may:
                raise SystemExit(f"points did not come to everybody: {missing}")
            for key, _ in ready:
                if isinstance(key.data, Line):
                    if key.data.feed() is not None:
                        self._free.append(key.data)
                    continue
                for number in self._numbers(key.data.feed()):
                    each.append(time.perf_counter() - begun[number])
                    missing[number] -= 1
                    if not missing[number]:
                        del missing[number]
        return Heard(time.perf_counter() - begin, each)

    def _numbers(self, texts: list[bytes]) -> list[int]:
        return [number for text in texts for number in self._calls(text)]

    def _calls(self, text: bytes) -> list[int]:
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = calls_in(text)
        return found
