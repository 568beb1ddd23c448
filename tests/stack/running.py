"""A real studio for tests: the processes of `make up`, on the tests' PostgreSQL and a Valkey of its own.

with running_studio(folder) as studio:
    run = studio.submit({"train.py": "print('hello')"})
    studio.wait_for(run, "completed")
"""

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import psycopg

from tests.engines import OUR_POSTGRES

ROOT = Path(__file__).resolve().parent.parent.parent
#: The test profile: H 1, U 3, L 8, P 120, S 1, G 3, B 5.
CLOCKS = {
    "ZAFFRE_HEARTBEAT": "1",
    "ZAFFRE_UNREACHABLE": "3",
    "ZAFFRE_LEASE": "8",
    "ZAFFRE_PATIENCE": "120",
    "ZAFFRE_SCAN": "1",
    "ZAFFRE_GRACE": "3",
    "ZAFFRE_RECHECK": "5",
    "ZAFFRE_SSH_LOOK": "1",
    # Attached machines of tests are this one.
    "ZAFFRE_SSH_NETWORKS": "127.0.0.0/8",
}
LEASE, GRACE = 8.0, 3.0
FINAL = {"completed", "failed", "canceled"}
#: How long a test waits for what must come. Longer than the slowest machine takes: who is quick is measured elsewhere.
PATIENCE = 240.0
#: A request may take so long; from SLOW on, what the studio does meanwhile is written down for whoever reads a failure.
ANSWER, SLOW = 120, 20


def until(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE, every: float = 0.05) -> Any:
    """Return the first true value of `condition`; fail the test when there is none in time.

    It looks less often the longer it takes: answering ten times a second is most of what a waiting studio does.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
        every = min(every * 1.2, 0.4)


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Studio:
    """The doors of a running studio, and the means to hurt it."""

    var: Path
    port: int
    process: "subprocess.Popen[bytes]"
    env: dict[str, str]
    known: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.known["url"]

    @property
    def ws(self) -> str:
        return f"/api/v1/workspaces/{self.known['workspace']}"

    # --- doors ---------------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        port: int = 0,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request. `body` is bytes or JSON; `token=None` sends none, "" the administrator's."""
        wire = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=ANSWER)
        sent = {"Host": urlsplit(self.url).netloc, **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.known['token']}"
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if raw is not None:
            sent.setdefault(
                "Content-Type", "application/octet-stream" if isinstance(body, bytes) else "application/json"
            )
        late = threading.Timer(SLOW, self._write_down, (f"{method} {path} takes long.",))
        late.start()
        try:
            wire.request(method, path, body=raw, headers=sent)
            got = wire.getresponse()
            return Answer(got.status, got.read(), {key.lower(): value for key, value in got.getheaders()})
        finally:
            late.cancel()
            wire.close()

    def zaffre(self, *words: str, cwd: Path | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
        """The command line, as a user of this host has it."""
        own = {key: value for key, value in self.env.items() if key not in {"DATABASE_URL", "SECRET_KEY"}}
        return subprocess.run(
            [str(Path(sys.executable).parent / "zaffre"), *words],
            cwd=cwd or ROOT,
            env={**own, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def upload(self, files: dict[str, str | bytes]) -> str:
        """Make a snapshot of `files`; return its id."""
        entries = []
        for path, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            sha256 = hashlib.sha256(raw).hexdigest()
            put = self.ask("PUT", f"{self.ws}/blobs/{sha256}", raw)
            assert put.status in {200, 201}, put.body
            entries.append({"path": path, "sha256": sha256, "size": len(raw), "mode": 0o644})
        made = self.ask("POST", f"{self.ws}/snapshots", {"files": entries})
        assert made.status in {200, 201}, made.body
        return made.json["id"]

    def try_submit(self, files: dict[str, str | bytes], **config: Any) -> Answer:
        body = {
            "experiment": config.pop("experiment", "faults"),
            "snapshot": self.upload(files),
            "config": {"script": "train.py", "arguments": [], "target": "local", "environment": "system", **config},
        }
        return self.ask("POST", f"{self.ws}/runs", body, headers={"Idempotency-Key": str(uuid4())})

    def submit(self, files: dict[str, str | bytes], **config: Any) -> str:
        """Submit a run of `files` with `train.py` as its script; return its id."""
        made = self.try_submit(files, **config)
        assert made.status == 201, made.body
        return made.json["id"]

    def run(self, run: str) -> dict[str, Any]:
        got = self.ask("GET", f"{self.ws}/runs/{run}")
        assert got.status == 200, got.body
        return got.json

    def wait_for(self, run: str, *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait for one of `states` (any final one when none is named); any other final state is a failure."""
        wanted = set(states) or FINAL

        def look() -> dict[str, Any] | None:
            found = self.run(run)
            if found["status"] not in wanted and found["status"] in FINAL:
                raise AssertionError(f"{found['status']} ({found['reason']}), not {wanted}:\n{self.log(run).decode()}")
            return found if found["status"] in wanted else None

        return until(look, f"run {run} in {sorted(wanted)}", seconds=seconds)

    def log(self, run: str) -> bytes:
        got = self.ask("GET", f"{self.ws}/runs/{run}/log?offset=0&limit=8000000")
        assert got.status == 200, got.body
        return got.body

    def wait_for_log(self, run: str, text: bytes, *, seconds: float = PATIENCE) -> None:
        until(lambda: text in self.log(run), f"{text!r} in the log of {run}", seconds=seconds)

    # --- processes -------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        return json.loads((self.var / "run" / "processes.json").read_text())[name]

    def _write_down(self, what: str) -> None:
        with contextlib.suppress(Exception):  # it is being started again, and the test knows
            print(f"{what}\n{self.doing()}", file=sys.stderr)

    def doing(self, name: str = "web") -> str:
        """The stacks of a process and the statements of its database, to be read by whoever looks into a failure."""
        log = self.var / "log" / f"{name}.log"
        before = log.stat().st_size
        os.kill(self.pid(name), signal.SIGUSR2)
        with contextlib.suppress(AssertionError):  # nothing is said by one that cannot
            until(lambda: b"Current thread" in log.read_bytes()[before:], "the stacks", seconds=30)
        stacks = log.read_bytes()[before:].decode(errors="replace")
        if "DATABASE_URL" not in self.env:  # it has a PostgreSQL of its own
            return stacks
        question = "SELECT pid, state, wait_event, now() - xact_start, left(query, 200) FROM pg_stat_activity"
        with psycopg.connect(self.env["DATABASE_URL"], connect_timeout=5) as connection:
            rows = connection.execute(f"{question} WHERE datname = current_database()").fetchall()
        return "\n".join([stacks, *map(str, rows)])

    def restart(self, name: str, sig: signal.Signals = signal.SIGKILL) -> None:
        """Have a process of the stack die by `sig`; return when the supervisor started it again."""
        old = self.pid(name)
        os.kill(old, sig)
        until(lambda: self.pid(name) != old, f"{name} started again")

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            try:
                return self.ask("GET", "/readyz", token=None).status == 200
            except OSError:
                return False

        until(ready, "/readyz answers 200")

    def start_again(self) -> "subprocess.CompletedProcess[str]":
        """A second `make up` on the same folder, as somebody may try it."""
        words = [sys.executable, "manage.py", "up"]
        return subprocess.run(words, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60)

    def said(self) -> str:
        return (self.var / "said.txt").read_text(errors="replace")


@contextmanager
def running_studio(folder: Path, *, node: bool = True, own_postgres: bool = False, **env: str) -> Iterator[Studio]:
    """Start everything that `make up DEMO=0` starts in `folder`, and stop it as Ctrl-C would.

    With `own_postgres` it starts its embedded PostgreSQL, too, whose data stays in `folder` for the next start.
    """
    var = folder / "var"
    var.mkdir(parents=True, exist_ok=True)
    port = _two_free_ports()
    own = {**os.environ, **CLOCKS, "ZAFFRE_VAR": str(var), "PORT": str(port), "DEMO": "0", "NODE": str(int(node))}
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ZAFFRE_URL", "DJANGO_SETTINGS_MODULE"):
        own.pop(name, None)
    with contextlib.ExitStack() as cleanup:
        if not own_postgres:
            own["DATABASE_URL"] = cleanup.enter_context(_database())
        studio = Studio(var, port, _start({**own, **env}, var), {**own, **env})
        cleanup.callback(_end, studio.process)
        try:
            until(lambda: "\nready" in studio.said() or studio.process.poll() is not None, "ready", seconds=600)
            assert studio.process.poll() is None, "`make up` ended"
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{studio.said()}\n{_logs(var)}") from None
        studio.known = json.loads((var / "studio.json").read_text())
        yield studio


@contextmanager
def _database() -> Iterator[str]:
    """A database of its own on the tests' server."""
    name, server = f"stack_{uuid4().hex[:12]}", os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {_template(connection, server)}')
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _template(connection: "psycopg.Connection[Any]", server: str) -> str:
    """A database with every migration, made once for all workers: to migrate takes longer than all else of a start.

    On a server of ours only, with which it goes. A studio with a PostgreSQL of its own migrates from nothing.
    """
    if OUR_POSTGRES not in os.environ:
        return "template1"
    connection.execute("SELECT pg_advisory_lock(hashtext('migrated'))")  # until the connection is closed
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'migrated'").fetchone():
        connection.execute("DROP DATABASE IF EXISTS half_migrated")
        connection.execute("CREATE DATABASE half_migrated")
        env = os.environ | {"DATABASE_URL": urlsplit(server)._replace(path="/half_migrated").geturl()}
        words = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"]
        subprocess.run(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=True)
        connection.execute("ALTER DATABASE half_migrated RENAME TO migrated")
    return "migrated"


def _start(env: dict[str, str], var: Path) -> "subprocess.Popen[bytes]":
    with (var / "said.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )


def _logs(var: Path) -> str:
    return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in sorted(var.glob("log/*")))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and nothing may be left running; what is left is killed all the same, and a failure."""
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _, left = psutil.wait_procs(children, timeout=5)
        for one in left:
            one.kill()
        assert not left, f"left running after the stop: {left}"
        assert process.returncode == 0


def _two_free_ports() -> int:
    """Below the ports that the kernel gives to connections: some seconds pass until the studio takes them."""
    while True:
        port = random.randrange(20_000, 32_000, 2)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
