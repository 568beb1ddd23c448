"""A wire between a node and the studio that a test can cut, clog and slow down."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

#: Our end of the cable to another host, of a range that is for such tests; the studio answers there, too.
NEAR = f"198.18.{os.getpid() % 250}.1"
#: Bytes that are passed on at once.
_PIECE = 1 << 16
#: Pieces so close behind each other were on the wire together: they are late once.
_TOGETHER = 0.1


class Link:
    """A proxy on `host`: `mode` is "pass", "refuse" (the connection is reset), "swallow" (nothing comes back), or "cut"
    (the request arrives, the answer does not). `loss` refuses that share of connections, `delay` holds each way up."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self.target = port
        self.mode = "pass"
        self.loss = 0.0
        self.delay = 0.0
        self._chance = random.Random(7)
        self._open: set[socket.socket] = set()
        self._server = socket.create_server((host, 0))
        self.url = f"http://{host}:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, mode: str) -> None:
        """Change the mode for connections that are open, too."""
        self.mode = mode
        if mode == "refuse":
            for one in list(self._open):
                _close(one)

    def close(self) -> None:
        self._server.close()
        self.set("refuse")

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self.mode == "refuse" or self._chance.random() < self.loss:
                _close(near)
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                _close(near)
                continue
            far.settimeout(None)
            self._open |= {near, far}
            for source, sink, back in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._carry, args=(source, sink, back), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        passed = 0.0
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                if self.delay and time.monotonic() - passed > _TOGETHER:
                    time.sleep(self.delay)
                if self.mode == "swallow" or (self.mode == "cut" and back):
                    while self.mode in ("swallow", "cut"):
                        time.sleep(0.05)
                    break  # what was lost on the way is not sent later
                sink.sendall(data)
                passed = time.monotonic()
        for one in (source, sink):
            self._open.discard(one)
            _close(one)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset, no orderly end
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def other_host() -> Iterator["Host"]:
    """A network namespace with one cable to this one. Skips the test where none can be made."""
    host = Host()
    try:
        host.make()
    except (OSError, subprocess.CalledProcessError) as error:
        host.remove()
        pytest.skip(f"network namespaces cannot be made here: {error}")
    try:
        yield host
    finally:
        host.remove()


class Host:
    """What a node that is started with `words` before its command takes for its machine."""

    def __init__(self) -> None:
        mark = uuid4().hex[:6]
        self.name, self._here, self._there = f"zaf-{mark}", f"zh{mark}", f"zn{mark}"
        self.near, self.far = NEAR, f"{NEAR[:-1]}2"
        self.words = ["ip", "netns", "exec", self.name]

    def make(self) -> None:
        if shutil.which("ip") is None:
            raise OSError("there is no `ip`")
        _ip("netns", "add", self.name)
        _ip("link", "add", self._here, "type", "veth", "peer", "name", self._there, "netns", self.name)
        _ip("addr", "add", f"{self.near}/24", "dev", self._here)
        _ip("link", "set", self._here, "up")
        for words in (("addr", "add", f"{self.far}/24", "dev", self._there), ("link", "set", self._there, "up")):
            _ip("-n", self.name, *words)
        _ip("-n", self.name, "link", "set", "lo", "up")

    def cut(self) -> None:
        _ip("link", "set", self._here, "down")

    def mend(self) -> None:
        _ip("link", "set", self._here, "up")

    def remove(self) -> None:
        for words in (("netns", "del", self.name), ("link", "del", self._here)):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                _ip(*words)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
