"""Table G, live updates: from the log call to the frame in every watching socket, beside Channels' groups.

Ours is the run page's own socket with a browser's session, and each call's points are durable before they are told.
The peer stores nothing: a call is a `group_send` of the same text.
"""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.harness import Case, Measure, Sample
from bench.peer import installed
from bench.servers import Bench, Side, free_port, healthy, start, wait
from bench.sockets import Crowd, Watching
from bench.wire import Request, Target
from studio.stack.engines import prepare_valkey
from studio.stack.programs import Program

PEER = "Channels groups"
#: Calls of one measurement: apart from each other for latency, as fast as they are heard for throughput.
CALLS, FLOOD = 60, 200
PAUSE = 0.05
#: Callers, and calls that may be on their way at once, while throughput is measured.
AHEAD = 4


def cases(bench: Bench) -> list[Case]:
    """The rows; a crowd of each size is measured once a round for all of its rows."""
    known: dict[tuple[str, int, int], dict[str, Sample]] = {}

    def of(sockets: int, what: str) -> Measure:
        def measure(side: Side, number: int) -> Sample:
            key = (side.name, number, sockets)
            if key not in known:
                known[key] = _measured(side, sockets)
            return known[key][what]

        return measure

    less = {"less_is_better": True}
    return [
        Case("log call to frame, 1 socket", "ms", of(1, "latency"), most=5, **less),
        Case("log call to frame, 100 sockets", "ms", of(100, "latency"), 2, most=15, **less),
        Case("calls told, 100 sockets", "a second", of(100, "rate"), 10),
        Case("log call to frame, 500 sockets", "ms", of(500, "latency"), 3, **less),
        Case("calls told, 500 sockets", "a second", of(500, "rate"), 12),
        Case("CPU for 100,000 told, 500 sockets", "s", of(500, "cpu"), 8, **less),
    ]


@contextlib.contextmanager
def beside(bench: Bench) -> Iterator[Bench]:
    """The same bench with Channels' groups as its peer, on a Redis of their own."""
    home = bench.home / "groups"
    home.mkdir(mode=0o755)
    with contextlib.ExitStack() as cleanup:
        valkey = prepare_valkey(home / "valkey", home)
        engine = start(valkey.program(), home / "valkey.log", cleanup)
        wait(engine, home / "valkey.log", valkey.answers)
        port = free_port(1)
        python = installed("channels") / "bin" / "python"
        # Callers that wait for their turn while others are slow must not be hung up on.
        words = (str(python), "-m", "uvicorn", "groups:app", "--port", str(port), "--no-access-log")
        words += ("--timeout-keep-alive", "600")
        env = os.environ | {"REDIS": f"unix://{valkey.socket}"}
        begin = time.perf_counter()
        child = start(Program("groups", words, env=env, cwd=Path(__file__).parent), home / "groups.log", cleanup)
        wait(child, home / "groups.log", lambda: healthy(port, "/"))
        side = Side(PEER, Target(port), "", child.pid, time.perf_counter() - begin, {"engine": str(engine.pid)})
        yield dataclasses.replace(bench, theirs=side)


def _measured(side: Side, sockets: int) -> dict[str, Sample]:
    """Latency in ms, calls told to sockets a second, and CPU seconds of the side's processes for 100,000 of these.

    A frame may tell of several calls, where they were written in one transaction; each of them counts.
    """
    crowd, log = _ours(side, sockets) if side.name == "ours" else _theirs(side, sockets)
    try:
        crowd.hear({at: log(at) for at in range(10)}, pause=0)
        slow = crowd.hear({at: log(at) for at in range(10, 10 + CALLS)}, pause=PAUSE)
        before = _cpu(side)
        fast = crowd.hear({at: log(at) for at in range(1000, 1000 + FLOOD)}, pause=0, ahead=AHEAD)
        used = _cpu(side) - before
    finally:
        crowd.close()
    p50, p99 = slow.percentile(0.5) * 1e3, slow.percentile(0.99) * 1e3
    return {
        "latency": Sample(p50, p50, p99=p99),
        "rate": Sample(len(fast.each) / fast.whole),
        "cpu": Sample(used / len(fast.each) * 100_000),
    }


def _cpu(side: Side) -> float:
    """CPU seconds of the side's own processes so far, its Redis with them."""
    engine = [psutil.Process(int(side.known["engine"]))] if "engine" in side.known else []
    times = [one.cpu_times() for one in (*side.processes(), *engine)]
    return sum(one.user + one.system for one in times)


def _ours(side: Side, sockets: int) -> tuple[Crowd, "Log"]:
    workspace, run = side.known["workspace"], side.run(side.experiment(f"live {uuid.uuid4().hex}"))
    cookie = log_in(side)
    hello = json.dumps({"t": "hello", "seq": 0, "log": 0}).encode()
    watching = [Watching(side.target, f"/ws/w/{workspace}/runs/{run}", cookie, hello) for _ in range(sockets)]
    for one in watching:
        one.until(b'"items"')
    return Crowd(watching, side.target, AHEAD), Log(side.target, f"/api/v1/workspaces/{workspace}/runs/{run}/metrics")


def _theirs(side: Side, sockets: int) -> tuple[Crowd, "Log"]:
    watching = [Watching(side.target, "/ws", "", b"") for _ in range(sockets)]
    for one in watching:
        one.until(b'"items"')
    return Crowd(watching, side.target, AHEAD), Log(side.target, "")


@dataclasses.dataclass(frozen=True)
class Log:
    """Makes the call that logs one point whose step is the call's number."""

    target: Target
    #: Our door; empty for the peer, which is sent the frame itself.
    path: str

    def __call__(self, number: int) -> bytes:
        now = int(time.time() * 1000)
        if self.path:
            told = {"batch": uuid.uuid4().hex, "points": [["loss", 1 / (number + 1), number, now]]}
        else:
            data = {"loss": [[number], [1 / (number + 1)], [now]]}
            told = {"t": "points", "seq": number + 1, "prev": number, "data": data}
        return self.target.encode(Request("POST", self.path or "/", json.dumps(told, separators=(",", ":")).encode()))


def log_in(side: Side) -> str:
    """The Cookie header of a browser that has logged in as the administrator."""
    line = http.client.HTTPConnection("127.0.0.1", side.target.port, timeout=30)
    try:
        line.request("GET", "/login")
        answer = line.getresponse()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.read().decode())
        cookie = _cookies(answer)
        words = {"username": side.known["admin"], "password": side.known["password"]}
        form = urllib.parse.urlencode({**words, "csrfmiddlewaretoken": token[1] if token else ""})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookie,
            "Origin": f"http://127.0.0.1:{side.target.port}",
        }
        line.request("POST", "/login", form, headers)
        answer = line.getresponse()
        answer.read()
        found = _cookies(answer)
        if "sessionid" not in found:
            raise SystemExit(f"nobody could log in: {answer.status}")
        return found
    finally:
        line.close()


def _cookies(answer: http.client.HTTPResponse) -> str:
    return "; ".join(one.split(";", 1)[0] for one in answer.headers.get_all("Set-Cookie", []))
