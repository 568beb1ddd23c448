"""Boards on a real agent, with a server that lists its folder in TensorBoard's place; tests/stack has the real one."""

import contextlib
import http.client
import json
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from tests.agent.conftest import processes_in
from tests.stack.running import until

#: In the place of the package `tensorboard`: what `zaffre.serve.board` asks of it, and of werkzeug.
DEFAULT = "def get_plugins(): return []\n"
PROGRAM = """
class TensorBoard:
    def __init__(self, plugins, server_class):
        self.make = server_class
    def configure(self, words):
        self.told = dict(word.lstrip("-").split("=", 1) for word in words[1:])
    def main(self):
        server = self.make(self.told["logdir"], self.told)
        server.print_serving_message()
        server.serve_forever()
"""
SERVING = """
import json, os, pathlib, socketserver
from http.server import BaseHTTPRequestHandler

def make_server(address, port, root, threaded):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_): pass
        def do_GET(self):
            if self.path == "/die": os.abort()
            files = {str(p.relative_to(root)): p.read_text() for p in pathlib.Path(root).rglob("*") if p.is_file()}
            told = {"pid": os.getpid(), "files": files, "secret": os.environ.get("NODE_SECRET")}
            self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(told).encode())
    return socketserver.ThreadingUnixStreamServer(address.removeprefix("unix://"), Handler)
"""


@pytest.fixture
def package(tmp_path) -> Path:
    """A Python whose site has them; the node's own environment is this one."""
    site = tmp_path / "site"
    for name, files in {
        "tensorboard": {"__init__.py": "", "default.py": DEFAULT, "program.py": PROGRAM},
        "werkzeug": {"__init__.py": "", "serving.py": SERVING},
    }.items():
        (site / name).mkdir(parents=True)
        for file, text in files.items():
            (site / name / file).write_text(text)
    return site


@pytest.fixture
def bring(studio, bring_agent, package, monkeypatch):
    """An agent whose copies of the client bring the package along, as an environment would."""

    def start():
        agent = bring_agent(studio)
        cache = agent.folder / "cache" / "sdk"
        (found,) = studio.wait(lambda: list(cache.iterdir()) if cache.is_dir() else [], "the client's copy")
        for place in package.iterdir():
            os.symlink(place, found / place.name)
        return agent

    return start


def want(studio, name: str, **spec) -> None:
    with studio.changed:
        environment = {"spec": spec or {"kind": "system"}}
        studio.boards[name] = {"id": name, "workspace": "lab", "title": "t", "environment": environment}


def leave(studio, name: str, files: dict[str, str]) -> None:
    with studio.changed:
        studio.board_files[name] = studio.keep(files)


def last(studio, name: str) -> dict:
    return (studio.board_reports.get(name) or [{}])[-1]


def reported(studio, name: str, state: str) -> dict:
    return studio.wait(
        lambda: last(studio, name) if last(studio, name).get("state") == state else None, f"{name} is {state}", 90
    )


def look(address: str, path: str = "/") -> dict:
    connection = http.client.HTTPConnection("localhost", timeout=240)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.connect(address.removeprefix("unix:"))
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_a_board_shows_files_that_grow_and_ends_when_it_is_not_wanted(studio, bring):
    agent = bring()
    leave(studio, "B1", {"r/logs/a.tfevents": "one", "r/logs/b.tfevents": "two"})
    want(studio, "B1")
    ready = reported(studio, "B1", "ready")
    assert {"environment", "files", "server"} >= {one["stage"] for one in studio.board_reports["B1"][:-1]}
    found = look(ready["address"])
    assert (found["files"], found["secret"]) == ({"r/logs/a.tfevents": "one", "r/logs/b.tfevents": "two"}, None)
    leave(studio, "B1", {"r/logs/a.tfevents": "one and more", "c.tfevents": "new"})
    wanted = {"r/logs/a.tfevents": "one and more", "c.tfevents": "new"}

    def follow() -> bool:
        with contextlib.suppress(OSError):  # while the server is busy it may hang up, or be started anew
            return look(last(studio, "B1").get("address") or ready["address"])["files"] == wanted
        return False

    # Not while the studio in memory is held, which answers the agent.
    until(follow, "the files follow")
    found = look(last(studio, "B1")["address"])
    assert 3 in [start for _, start in studio.fetched], "only what was added is fetched"
    with studio.changed:
        studio.boards.clear()
    studio.wait(lambda: not psutil.pid_exists(found["pid"]), "the board ends")
    with pytest.raises(OSError):
        look(last(studio, "B1").get("address") or ready["address"])
    studio.wait(lambda: not (agent.folder / "state" / "boards" / "B1").exists(), "its files go")
    assert agent.stop() == 0


def test_a_board_that_dies_is_started_again_and_none_outlives_the_agent(studio, bring):
    agent = bring()
    leave(studio, "B1", {"r/a.tfevents": "one"})
    want(studio, "B1")
    address = reported(studio, "B1", "ready")["address"]
    pid = look(address)["pid"]
    with pytest.raises((OSError, http.client.HTTPException)):
        look(address, "/die")
    studio.wait(lambda: not psutil.pid_exists(pid), "it died")
    reported(studio, "B1", "starting")
    address = reported(studio, "B1", "ready")["address"]
    pid = look(address)["pid"]
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.process.wait()
    studio.wait(lambda: not psutil.pid_exists(pid), "it ends with its agent")
    assert [one for one in processes_in(agent.folder) if one.is_running()] == []


def test_what_fails_says_why(studio, bring_agent):
    bring_agent(studio)
    leave(studio, "B1", {"r/a.tfevents": "one"})
    want(studio, "B1")
    failed = reported(studio, "B1", "failed")
    assert "no TensorBoard that can be started" in failed["reason"]
    assert "No module named 'tensorboard'" in failed["log_tail"]
    want(studio, "B2", kind="pip", requirements=["--index-url=https://evil.example"])
    assert "is no package requirement" in reported(studio, "B2", "failed")["reason"]


def test_files_that_would_leave_the_folder_or_are_gone_are_left_out(studio, bring):
    agent = bring()
    leave(studio, "B1", {"r/a.tfevents": "one", "../../out.tfevents": "bad", "r/gone.tfevents": "x"})
    with studio.changed:
        del studio.blobs[next(one["sha256"] for one in studio.board_files["B1"] if "gone" in one["path"])]
    want(studio, "B1")
    ready = reported(studio, "B1", "ready")
    assert look(ready["address"])["files"] == {"r/a.tfevents": "one"}
    assert list(agent.folder.rglob("out.tfevents")) == []
    assert "is not a plain relative path" in last(studio, "B1")["log_tail"]
