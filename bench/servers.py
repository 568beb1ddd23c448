"""The servers that are measured: ours as `make up` starts it, MLflow's with its defaults, on one PostgreSQL."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.peer import installed
from bench.wire import Target
from studio.stack.engines import ROOT_HOME, Postgres, prepare_postgres, wait_until
from studio.stack.programs import Program, signal_group, spawn_options

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Side:
    """One of the two servers, as MLflow's wire finds it."""

    name: str
    target: Target
    #: What stands before `/api/2.0/…`.
    prefix: str
    pid: int
    #: Seconds from the start of its command to its first answer.
    started: float
    #: Ours only: what `make up` tells of itself (workspace, token, admin, password), and its folder.
    known: dict[str, str]
    var: Path | None = None

    @property
    def api(self) -> str:
        return f"{self.prefix}/api/2.0/mlflow"

    def post(self, call: str, **body: Any) -> Any:
        return self.target.ask("POST", f"{self.api}/{call}", body)

    def get(self, call: str) -> Any:
        return self.target.ask("GET", f"{self.api}/{call}")

    def experiment(self, name: str) -> str:
        made: str = self.post("experiments/create", name=name)["experiment_id"]
        return made

    def run(self, experiment: str) -> str:
        made: str = self.post("runs/create", experiment_id=experiment, start_time=1)["run"]["info"]["run_id"]
        return made

    def processes(self) -> list[psutil.Process]:
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]


@dataclass(frozen=True)
class Bench:
    """Everything that stands while tables are measured."""

    ours: Side
    theirs: Side | None
    #: The server's own database for limits, on the same PostgreSQL.
    database: str
    home: Path

    @property
    def studio(self) -> str:
        """The studio's own database, beside that one."""
        return self.database.replace("/limits", "/zaffre")

    @property
    def sides(self) -> list[Side]:
        return [self.ours] if self.theirs is None else [self.ours, self.theirs]


@contextlib.contextmanager
def standing(*, peer: bool) -> Iterator[Bench]:
    """Start both servers in a temporary folder; stop all and remove it whatever happens."""
    parent = ROOT_HOME if os.geteuid() == 0 else None
    if parent is not None:
        parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    home.chmod(0o755)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, home, ignore_errors=True)
        cluster = _postgres(home, cleanup)
        for name in ("limits", "mlflow", "zaffre"):
            with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
        ours = _ours(home, cluster.url("zaffre"), cleanup)
        theirs = _theirs(home, cluster.url("mlflow"), cleanup) if peer else None
        settle()
        yield Bench(ours, theirs, cluster.url("limits"), home)


def settle(seconds: float = 300) -> None:
    """Wait until the machine is calm: what a start leaves to do must not be in the first figures.

    MLflow's server goes on starting processes for more than a minute after its first answer, with moments of rest.
    """
    deadline, calm = time.monotonic() + seconds, 0
    while calm < 5 and time.monotonic() < deadline:
        calm = calm + 1 if psutil.cpu_percent(1) < 25 else 0


def _postgres(home: Path, cleanup: contextlib.ExitStack) -> Postgres:
    cluster = prepare_postgres(home / "postgres")
    program = cluster.program()
    child = start(program, home / "postgres.log", cleanup)
    wait_until(cluster.answers, seconds=60, alive=lambda: child.poll() is None, what="postgres")
    return cluster


def start(program: Program, log: Path, cleanup: contextlib.ExitStack) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        child = subprocess.Popen(
            program.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **spawn_options(program)
        )
    cleanup.callback(_end, child, program.stop_signal)
    return child


def _end(child: "subprocess.Popen[bytes]", stop: signal.Signals) -> None:
    family = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    signal_group(child.pid, stop)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(60)
    _, left = psutil.wait_procs(family, timeout=10)
    for one in left:
        one.kill()


def _ours(home: Path, database: str, cleanup: contextlib.ExitStack) -> Side:
    port = free_port(2)
    var = home / "var"
    env = {key: value for key, value in os.environ.items() if key not in {"REDIS_URL", "SECRET_KEY", "ZAFFRE_URL"}}
    env |= {"DATABASE_URL": database, "ZAFFRE_VAR": str(var), "PORT": str(port), "DEMO": "0", "NODE": "0"}
    program = Program("ours", (sys.executable, "manage.py", "up"), env=env, cwd=ROOT)
    begin = time.perf_counter()
    child = start(program, home / "ours.log", cleanup)
    wait(child, home / "ours.log", lambda: healthy(port, "/readyz") and (var / "studio.json").exists())
    started = time.perf_counter() - begin
    known = json.loads((var / "studio.json").read_text())
    target = Target(port, (("Authorization", f"Bearer {known['token']}"),))
    return Side("ours", target, f"/mlflow/{known['workspace']}", child.pid, started, known, var)


def _theirs(home: Path, database: str, cleanup: contextlib.ExitStack) -> Side:
    folder = installed("mlflow")
    port = free_port(1)
    artifacts = home / "mlflow-artifacts"
    words = (
        *(str(folder / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", database, "--artifacts-destination", str(artifacts)),
    )
    env = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HOME": str(home),
    }
    program = Program("theirs", words, env=env, cwd=home)
    begin = time.perf_counter()
    child = start(program, home / "theirs.log", cleanup)
    wait(child, home / "theirs.log", lambda: healthy(port, "/health"))
    return Side("MLflow", Target(port), "", child.pid, time.perf_counter() - begin, {})


def wait(child: "subprocess.Popen[bytes]", log: Path, ready: Callable[[], bool]) -> None:
    try:
        wait_until(ready, seconds=240, alive=lambda: child.poll() is None, what=log.stem)
    except Exception as error:
        raise SystemExit(f"{error}\n{log.read_text(errors='replace')[-4000:]}") from error


def healthy(port: int, path: str) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        line.request("GET", path)
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def free_port(in_a_row: int) -> int:
    """A port that is free together with those after it."""
    while True:
        with contextlib.ExitStack() as held:
            try:
                first = held.enter_context(socket.socket())
                first.bind(("127.0.0.1", 0))
                port = int(first.getsockname()[1])
                for more in range(1, in_a_row):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port + more))
            except OSError:
                continue
            return port
