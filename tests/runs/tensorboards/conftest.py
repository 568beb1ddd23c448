"""Runs with event files, nodes that say what an agent would say, and a server in the place of TensorBoard."""

import hashlib
import json
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from runs.artifacts.models import Artifact
from runs.tensorboards.models import Board
from runs.tensorboards.services import opening, tend
from studio.kernel import blobs
from studio.kernel.actors import SYSTEM
from tests.runs.control.conftest import FakeNode, bearer, join, yard  # noqa: F401 - fixtures of this folder
from tests.runs.telemetry import Running, app, code, make_run, person, running  # noqa: F401
from workspace.models import Workspace

WS = "/api/v1/workspaces/lab"
EVENTS = "logs/train/events.out.tfevents.1.host"


@pytest.fixture(autouse=True)
def nobody_looked() -> None:
    opening._noted.clear()


@pytest.fixture
def trained(make_run: Callable[..., Running], yard: Workspace) -> Callable[..., Running]:  # noqa: F811
    """`trained({path: bytes})`: a run that left these files; one event file when none is named."""

    def train(files: dict[str, bytes] | None = None, **more: Any) -> Running:
        made = make_run(**{"status": "completed", **more})
        for path, content in ({EVENTS: b"events"} if files is None else files).items():
            leave(made, path, content)
        return made

    return train


def leave(run: Running, path: str, content: bytes) -> str:
    """A file of the run, or its next content; returns the hash."""
    sha256, size = blobs.put([content], workspace_id=run.lab.pk)
    Artifact.objects.update_or_create(run_id=run.id, path=path, defaults={"sha256": sha256, "size": size})
    return sha256


def go() -> None:
    """One round of the relay."""
    tend(actor=SYSTEM)


def sync(node: FakeNode, *reports: dict[str, Any], epoch: str = "") -> Any:
    body = {"epoch": epoch or node.epoch, "boards": list(reports)}
    return bearer(node.token).post("/agent/v1/boards/sync", body, format="json")


def kept(node: FakeNode, *reports: dict[str, Any]) -> list[str]:
    """The boards that the studio wants of a node after its report."""
    answer = sync(node, *reports)
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["boards"]]


def board(**which: Any) -> Board:
    return Board.objects.get(**which)


@dataclass
class Fake:
    """A server on the socket of a board that answers with what it was asked."""

    folder: Path
    asked: list[dict[str, Any]]
    answer_headers: dict[str, str]
    page: bytes = b"<!doctype html><html><head><title>T</title></head></html>"

    def socket_of(self, board_id: str) -> str:
        return str(self.folder / "s" / f"{hashlib.sha256(f'board:{board_id}'.encode()).hexdigest()[:12]}.sock")

    def ready(self, board_id: str) -> dict[str, Any]:
        """What its node reports once it answers."""
        return {"id": board_id, "state": "ready", "address": f"unix:{self.socket_of(board_id)}"}


@pytest.fixture
def fake() -> Iterator[Callable[[str], Fake]]:
    """`fake(board_id)` listens on the socket of this board."""
    folder = Path(tempfile.mkdtemp(prefix="zb-", dir="/tmp"))
    (folder / "s").mkdir()
    found = Fake(folder, [], {})
    servers = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = {key.lower(): value for key, value in self.headers.items()}
            found.asked.append({"method": self.command, "path": self.path, "headers": told, "body": body.decode()})
            html = self.path.split("?")[0] in {"/", "/index.html"}
            content = found.page if html else json.dumps({"path": self.path}).encode()
            self.send_response(200)
            kind = "text/html; charset=utf-8" if html else "application/json"
            shown = {"Content-Type": kind, "Content-Length": str(len(content)), **found.answer_headers}
            for name, value in shown.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = serve

        def address_string(self) -> str:
            return "unix"

    def listen(board_id: str) -> Fake:
        server = socketserver.ThreadingUnixStreamServer(found.socket_of(board_id), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return found

    yield listen
    for server in servers:
        server.shutdown()
        server.server_close()
    shutil.rmtree(folder, ignore_errors=True)
