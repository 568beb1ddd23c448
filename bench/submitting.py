"""Table D, submission: from the call that submits to the script's first line, and how many runs a second get through.

Ours is the SDK's `submit`: the snapshot is hashed and asked for, the run is recorded, claimed by a node over HTTP, its
code laid out, its log and result kept. The peer is `mlflow run` with the local environment manager, which records a run
and executes.
Both scripts write the clock as their first line; submitter and script read the same clock.
"""

import contextlib
import http.client
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from bench.harness import Case, Sample
from bench.peer import installed
from bench.servers import Bench, Side, start, wait
from studio.stack.engines import prepare_valkey
from studio.stack.programs import Program

PEER = "mlflow run"
#: Runs of one measurement: one after another for latency, all at once for throughput.
ONE_BY_ONE, AT_ONCE = 20, 60
#: `mlflow run` takes seconds: so many of each are enough for it.
PEER_ONE_BY_ONE, PEER_AT_ONCE, PEER_TOGETHER = 3, 4, 2
SLOTS = 4
_SECONDS, _LOOK = 300.0, 0.02

SCRIPT = """
import sys, time
now = time.time()
print(now, flush=True)
if len(sys.argv) > 1:
    open(sys.argv[1], "w").write(str(now))
"""
TASKS = """
import os, subprocess, sys
from celery import Celery
app = Celery("raw", broker=os.environ["REDIS"])
app.conf.task_ignore_result = True
@app.task(name="raw.run")
def run(script, clock):
    subprocess.run([sys.executable, script, clock], check=True)
"""


def cases(bench: Bench) -> list[Case]:
    floor, raw = bare(bench.home), _with_celery(bench.home)
    less = {"less_is_better": True}
    return [
        Case("submit to first line", "ms", _latency, 50, most=60, limit=floor[0], limit_of="a bare process", **less),
        Case(
            "submit to first line, beside raw Celery",
            "ms",
            _latency,
            only_ours=True,
            limit=raw[0],
            limit_of="Celery + subprocess",
            most=4 * raw[0],
            **less,
        ),
        Case("runs a second", "runs/s", _rate, 100, limit=floor[1], limit_of="bare processes, 2 at once"),
        Case(
            "runs a second, beside raw Celery",
            "runs/s",
            _rate,
            only_ours=True,
            limit=raw[1],
            limit_of="Celery + subprocess",
        ),
    ]


@contextlib.contextmanager
def beside(bench: Bench) -> Iterator[Bench]:
    """The same bench with a node on our side; the peer needs nothing but MLflow's server."""
    known = bench.ours.known
    made = bench.ours.target.ask("POST", f"/api/v1/workspaces/{known['workspace']}/compute/local/enrolments", {})
    url = f"http://127.0.0.1:{bench.ours.target.port}"
    words = (sys.executable, "-m", "zaffre.agent", "start", "--join", url, made["token"], "--name", "bench")
    words += ("--dir", str(bench.home / "node"), "--slots", str(SLOTS))
    with contextlib.ExitStack() as cleanup:
        log = bench.home / "node.log"
        child = start(Program("node", words, env=dict(os.environ), cwd=bench.home), log, cleanup)
        wait(child, log, lambda: b"works for" in log.read_bytes())
        for folder in ("ours", "theirs"):
            place = bench.home / folder
            place.mkdir(exist_ok=True)
            (place / "train.py").write_text(SCRIPT)
        told = "name: first\nentry_points:\n  main:\n    command: python train.py\n"
        (bench.home / "theirs" / "MLproject").write_text(told)
        _homes.update({side.name: bench.home for side in bench.sides})
        _databases[bench.ours.name] = bench.studio
        for _ in range(2):  # the first of all lay out and compile, which is not what is measured
            _ours(bench.ours, bench.home, 1)
        yield bench


def _latency(side: Side, number: int) -> Sample:
    home = _home(side)
    if side.var is None:
        times = [_theirs(side, home) for _ in range(PEER_ONE_BY_ONE)]
    else:
        times = [_ours(side, home, 1)[0] for _ in range(ONE_BY_ONE)]
    times.sort()
    middle = statistics.median(times) * 1e3
    return Sample(middle, middle, times[int(len(times) * 0.95) - 1] * 1e3)


def _rate(side: Side, number: int) -> Sample:
    home, begun = _home(side), time.perf_counter()
    if side.var is None:
        with ThreadPoolExecutor(PEER_TOGETHER) as pool:
            list(pool.map(lambda _: _theirs(side, home), range(PEER_AT_ONCE)))
        return Sample(PEER_AT_ONCE / (time.perf_counter() - begun))
    _ours(side, home, AT_ONCE)
    return Sample(AT_ONCE / (time.perf_counter() - begun))


def _ours(side: Side, home: Path, count: int) -> list[float]:
    """Submit `count` runs and wait for their ends: the seconds from each submit to its first line."""
    from zaffre.core import Experiment, ScriptRunConfig, Workspace

    known = side.known
    workspace = Workspace.get(known["workspace"], url=f"http://127.0.0.1:{side.target.port}", token=known["token"])
    experiment = Experiment(workspace, "bench-d")
    config = ScriptRunConfig(str(home / "ours"), script="train.py", compute_target="local")
    begun = []
    runs = []
    for _ in range(count):
        begun.append(time.time())
        runs.append(experiment.submit(config).id)
    _await_ends(side, runs)
    return [_first_line(side, run) - moment for run, moment in zip(runs, begun, strict=True)] if count == 1 else []


def _await_ends(side: Side, runs: list[str]) -> None:
    """Look in the database: asking the studio would take a third of what it has for the runs themselves."""
    end = time.monotonic() + _SECONDS
    with psycopg.connect(_databases[side.name], autocommit=True) as line:
        while True:
            time.sleep(_LOOK)
            asked = line.execute("SELECT status, count(*) FROM runs_run WHERE id = ANY(%s) GROUP BY status", [runs])
            states = dict(asked.fetchall())
            if states == {"completed": len(runs)}:
                return
            assert not {"failed", "canceled"} & states.keys(), states
            assert time.monotonic() < end, f"{states} after {_SECONDS:g} s"


def _first_line(side: Side, run: str) -> float:
    line = http.client.HTTPConnection("127.0.0.1", side.target.port, timeout=30)
    try:
        path = f"/api/v1/workspaces/{side.known['workspace']}/runs/{run}/log"
        line.request("GET", path, headers=dict(side.target.headers))
        return float(line.getresponse().read().split()[0])
    finally:
        line.close()


def _theirs(side: Side, home: Path) -> float:
    folder = installed("mlflow")
    env = os.environ | {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{side.target.port}",
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HOME": str(home),
    }
    words = [str(folder / "bin" / "mlflow"), "run", str(home / "theirs"), "--env-manager", "local"]
    begun = time.time()
    done = subprocess.run(words, env=env, check=True, capture_output=True, timeout=_SECONDS, text=True)
    return next(float(line) for line in done.stdout.splitlines() if re.fullmatch(r"\d+\.\d+", line)) - begun


def bare(home: Path) -> tuple[float, float]:
    """(ms from the start of a process to its first line, processes a second two at a time)."""
    script = home / "bare.py"
    script.write_text(SCRIPT)

    def once(_: int = 0) -> float:
        begun = time.time()
        done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
        return float(done.stdout) - begun

    took = [once() for _ in range(ONE_BY_ONE)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(once, range(AT_ONCE)))
    return statistics.median(took) * 1e3, AT_ONCE / (time.perf_counter() - begun)


def _with_celery(home: Path) -> tuple[float, float]:
    """The same two of a Celery worker that does nothing but start a process, on a Valkey of its own."""
    place = home / "raw"
    place.mkdir(mode=0o755, exist_ok=True)
    (place / "raw_tasks.py").write_text(TASKS)
    (place / "first.py").write_text(SCRIPT)
    with contextlib.ExitStack() as cleanup:
        valkey = prepare_valkey(place / "valkey", place)
        engine = start(valkey.program(), place / "valkey.log", cleanup)
        wait(engine, place / "valkey.log", valkey.answers)
        env = os.environ | {"REDIS": f"redis+socket://{valkey.socket}", "PYTHONPATH": str(place)}
        words = (
            sys.executable,
            "-m",
            "celery",
            "-A",
            "raw_tasks",
            "worker",
            "--concurrency",
            "2",
            "--loglevel",
            "INFO",
        )
        log = place / "worker.log"
        worker = start(Program("raw", words, env=env, cwd=place), log, cleanup)
        wait(worker, log, lambda: b"ready." in log.read_bytes())
        from celery import Celery

        app = Celery("raw", broker=env["REDIS"])
        took = []
        for _ in range(ONE_BY_ONE):
            clock, begun = _clock(home), time.time()
            app.send_task("raw.run", [str(place / "first.py"), str(clock)])
            _until(clock.exists)
            time.sleep(0.02)
            took.append(float(clock.read_text()) - begun)
        clocks = [_clock(home) for _ in range(AT_ONCE)]
        started = time.perf_counter()
        for clock in clocks:
            app.send_task("raw.run", [str(place / "first.py"), str(clock)])
        _until(lambda: all(clock.exists() for clock in clocks))
        return statistics.median(took) * 1e3, AT_ONCE / (time.perf_counter() - started)


def _home(side: Side) -> Path:
    return _homes[side.name]


_homes: dict[str, Path] = {}
_databases: dict[str, str] = {}
_count = iter(range(10**9))


def _clock(home: Path) -> Path:
    """A file of its own for each run, in a folder that runs may write."""
    place = home / "clocks"
    place.mkdir(exist_ok=True)
    return place / f"{os.getpid()}-{next(_count)}"


def _until(what: Callable[[], bool], pause: float = 0.002) -> None:
    end = time.monotonic() + _SECONDS
    while not what():
        assert time.monotonic() < end, "a task did not end in time"
        time.sleep(pause)
