"""The real web process, killed in the middle: what was acknowledged is stored, what was repeated is stored once."""

import asyncio
import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
import websockets
from django.db import connection
from psycopg.conninfo import make_conninfo

from runs.metrics import queries
from studio.kernel import db
from studio.kernel.actors import SYSTEM
from tests.runs.telemetry import Running

pytestmark = pytest.mark.stack
PATIENCE = 240


class Server:
    """`uvicorn studio.asgi:application` on the test's own database."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        parts = connection.settings_dict
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        url = make_conninfo("", **{key: str(parts[name]) for key, name in names.items() if parts[name]})
        self.env = {**os.environ, "DATABASE_URL": url}
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [
            sys.executable,
            "-m",
            "uvicorn",
            "studio.asgi:application",
            "--port",
            str(self.port),
            "--no-access-log",
        ]
        self.child = subprocess.Popen(words, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.child.poll() is None and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)

    def stop(self, how: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(how)
        self.child.wait(PATIENCE)


@pytest.fixture
def server(transactional_db) -> Iterator[Server]:
    found = Server()
    try:
        found.start()
        yield found
    finally:
        if found.child is not None and found.child.poll() is None:
            found.stop(signal.SIGKILL)


def push(server: Server, run: Running, method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
    """Repeat a request until it is answered, as the agent does."""
    deadline = time.monotonic() + PATIENCE
    while True:
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        try:
            with closing(line):
                line.request(method, f"{run.agent}{path}", body, {"Authorization": f"Bearer {run.token}", **headers})
                answer = line.getresponse()
                text = answer.read()
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
            time.sleep(0.1)
            continue
        if answer.status in {200, 202}:
            return {key.lower(): value for key, value in answer.getheaders()}
        assert answer.status == 503 and time.monotonic() < deadline, text
        time.sleep(0.1)


def write_all(server: Server, run: Running, text: bytes, steps: int, reached) -> None:
    """Log every step and every byte once, whatever happens to the server meanwhile."""
    size = len(text) // steps
    for step in range(steps):
        body = json.dumps({"batch": str(uuid.uuid4()), "points": [["x", step, step, 1]]}).encode()
        push(server, run, "POST", "/metrics", body, {"Content-Type": "application/json"})
        piece = text[step * size : (step + 1) * size]
        span = f"bytes {step * size}-{(step + 1) * size - 1}/*"
        push(server, run, "PATCH", "/log", piece, {"Content-Range": span})
        reached(step)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_dies_loses_nothing_and_doubles_nothing(server: Server, running, person, how):
    steps, text = 120, bytes(range(256)) * 300
    progress: list[int] = []
    loop = asyncio.get_running_loop()
    writer = loop.run_in_executor(None, write_all, server, running, text, steps, progress.append)
    for at in (20, 60):
        async with asyncio.timeout(PATIENCE):
            while len(progress) < at:
                await asyncio.wait({writer}, timeout=0.05)
        await loop.run_in_executor(None, server.stop, how)
        await loop.run_in_executor(None, server.start)
    await writer
    await db.run(check, running, steps)
    whole = await person("rio").get(f"{running.user}/log")
    assert hashlib.sha256(whole.body).digest() == hashlib.sha256(text).digest()
    assert await watched(server, running, person("rio").headers["cookie"]) == text


def check(running: Running, steps: int) -> None:
    found = queries.points_since(running.id, actor=SYSTEM).series["x"]
    assert found.step.tolist() == list(range(steps))


async def watched(server: Server, running: Running, cookie: str) -> bytes:
    """The whole log through a real socket."""
    got = b""
    url = f"ws://127.0.0.1:{server.port}{running.ws}"
    origin = websockets.Origin(f"http://127.0.0.1:{server.port}")
    async with (
        asyncio.timeout(PATIENCE),
        websockets.connect(url, origin=origin, additional_headers={"Cookie": cookie}) as line,
    ):
        await line.send(json.dumps({"t": "hello", "seq": 0, "log": 0}))
        while True:
            frame = json.loads(await line.recv())
            if frame["t"] == "log":
                assert frame["offset"] == len(got)
                got += base64.b64decode(frame["text"])
                await line.send(json.dumps({"t": "ack"}))
                if len(got) == frame["length"]:
                    return got
