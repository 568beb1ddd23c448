"""Scoring servers as real processes on unix sockets."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CLIENT = Path(__file__).resolve().parents[2] / "client" / "src"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`python -m zaffre.serve` around one script."""

    def __init__(self, folder: Path, script: str, sockets: Path, env: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "score.py").write_text(script)
        self.socket = sockets / "s.sock"
        self.log_path = folder.parent / "serve.log"
        words = [sys.executable, "-m", "zaffre.serve", "--socket", str(self.socket), "--script", "score.py"]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*words, "--parent", str(os.getpid())],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CLIENT), **env},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def ready(self) -> "Server":
        end = time.monotonic() + 60
        while True:
            try:
                assert self.ask("GET", "/").body == b"Healthy"
                return self
            except OSError:
                assert self.process.poll() is None, self.log
                assert time.monotonic() < end, self.log
                time.sleep(0.05)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        told = {"Content-Type": "application/json"} if data is not None else {}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("localhost", timeout=240)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.connect(str(self.socket))
            with contextlib.suppress(BrokenPipeError):  # it may answer and close before the body was sent
                connection.request(method, path, data, told)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def score(self, body: Any, **headers: str) -> Reply:
        return self.ask("POST", "/score", body, **headers)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(30)
        assert self.process.stdin is not None
        self.process.stdin.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`start(script)` starts a server; `.ready()` waits until init() is done."""
    begun: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="zs-") as sockets:

        def start(script: str, **env: str) -> Server:
            place = tmp_path / f"app{len(begun)}" / "code"
            short = Path(sockets, str(len(begun)))
            short.mkdir()
            begun.append(Server(place, script, short, env))
            return begun[-1]

        yield start
        for server in begun:
            server.end()
