"""Metric ingest over HTTP beside what the same PostgreSQL does with bare chunks: `python -m bench.ingest`.

Starts its own durable engines and one web process in a temporary folder, prints points and calls per
second with their share of the limit measured in the same run, and reads everything back to count it.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import timedelta
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import psycopg

from studio.stack.engines import ROOT_HOME, prepare_postgres, prepare_valkey, wait_until
from studio.stack.programs import Program, signal_group, spawn_options

KEYS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(program: Program, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            program.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **spawn_options(program)
        )


def limit_of_chunks(url: str, seconds: float = 3) -> float:
    """Points per second when one client inserts bytea chunks of 1000 points, each with its durable commit."""
    data = os.urandom(24_000)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_chunk (id bigserial PRIMARY KEY, data bytea)")
        done, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            connection.execute("INSERT INTO bench_chunk (data) VALUES (%b)", [data])
            done += 1
        took = time.perf_counter() - begin
        connection.execute("DROP TABLE bench_chunk")
    return done * 1000 / took


def write(port: int, run: str, token: str, calls: int, points: int) -> list[float]:
    """One client that logs `calls` batches; returns the seconds that each took."""
    line = http.client.HTTPConnection("127.0.0.1", port)
    line.connect()
    line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    took = []
    for call in range(calls):
        batch = [[f"metric{at % KEYS}", at / 7 + call, call * points + at, 1_700_000_000_000] for at in range(points)]
        body = json.dumps({"batch": str(uuid.uuid4()), "points": batch}).encode()
        begin = time.perf_counter()
        line.request("POST", f"/agent/v1/runs/{run}/metrics", body, {"Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        answer.read()
        took.append(time.perf_counter() - begin)
        if answer.status != 200:
            raise SystemExit(f"the studio answered {answer.status}")
    return took


def measure(port: int, runs: list[tuple[str, str]], clients: int, calls: int, points: int, limit: float) -> int:
    """Run the clients, each in a process and on a run of its own; print the row, return the points written."""
    with multiprocessing.get_context("spawn").Pool(clients) as pool:
        pool.starmap(write, [(port, *runs[at], 2, 1) for at in range(clients)])  # connections and caches are warm
        begin = time.perf_counter()
        waiting: list[AsyncResult[list[float]]] = [
            pool.apply_async(write, (port, *runs[at], calls, points)) for at in range(clients)
        ]
        times = sorted(second for one in waiting for second in one.get())
        took = time.perf_counter() - begin
    rate = clients * calls * points / took
    share = f"{rate / limit:6.1%} of the chunk limit" if points > 1 else ""
    print(
        f"{clients:2} clients x {points:4} points: {rate:10,.0f} points/s {clients * calls / took:8,.0f} calls/s  "
        f"p50 {statistics.median(times) * 1e3:6.1f} ms  p95 {times[int(len(times) * 0.95)] * 1e3:6.1f} ms  {share}"
    )
    return clients * (calls * points + 2)


def make_runs(count: int) -> list[tuple[str, str]]:
    """Running runs with the token of their code, straight in the database: the bench is about ingest."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from runs.models import Attempt, Experiment, Run
    from studio.kernel import tokens
    from studio.kernel.ids import ulid
    from workspace.models import Workspace

    call_command("migrate", verbosity=0)
    workspace = Workspace.objects.create(slug="bench", name="Bench")
    experiment = Experiment.objects.create(workspace=workspace, name="ingest")
    made = []
    for number in range(1, count + 1):
        run = Run.objects.create(
            id=ulid(),
            workspace=workspace,
            experiment=experiment,
            number=number,
            name="bench",
            status="running",
            attempt_no=1,
        )
        token_id = ulid()
        token, kept = tokens.new("run", token_id)
        now = timezone.now()
        Attempt.objects.create(
            run=run, no=1, token_id=token_id, secret_hash=kept, lease_until=now + timedelta(hours=1), last_seen=now
        )
        made.append((run.pk, token))
    return made


def stored_points(url: str) -> int:
    with psycopg.connect(url) as connection:
        row: Any = connection.execute("SELECT sum(count) FROM metrics_metricchunk").fetchone()
        return int(row[0])


def bench(home: Path, rounds: int) -> None:
    postgres, valkey = prepare_postgres(home / "postgres"), prepare_valkey(home / "valkey", home / "valkey")
    children: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
    try:
        for engine in (postgres, valkey):
            program = engine.program()
            child = start(program, home / f"{program.name}.log")
            children.append((child, program.stop_signal))
            wait_until(engine.answers, seconds=60, alive=lambda child=child: child.poll() is None, what=program.name)
        postgres.make_database()
        os.environ |= {
            "DATABASE_URL": postgres.url(),
            "REDIS_URL": valkey.url,
            "ZAFFRE_VAR": str(home / "var"),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DJANGO_SETTINGS_MODULE": "studio.settings",
        }
        runs, port = make_runs(8), free_port()
        argv = (sys.executable, "-m", "uvicorn", "studio.asgi:application", "--port", str(port), "--no-access-log")
        web = start(Program(name="web", argv=argv, cwd=Path.cwd()), home / "web.log")
        children.append((web, signal.SIGTERM))

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(answers, seconds=60, alive=lambda: web.poll() is None, what="web")
        limit = limit_of_chunks(postgres.url())
        print(f"limit: {limit:,.0f} points/s as bare bytea chunks of 1000, one durable commit each, one client")
        written = 0
        for clients, calls, points in [(1, 60, 1000), (4, 40, 1000), (8, 30, 1000), (1, 300, 1), (8, 200, 1)] * rounds:
            written += measure(port, runs, clients, calls, points, limit)
        stored = stored_points(postgres.url())
        verdict = "none lost" if stored == written else "WRONG"
        print(f"{written:,} points were acknowledged, {stored:,} are stored: {verdict}")
        if stored != written:
            raise SystemExit(1)
    finally:
        for child, stop in reversed(children):
            signal_group(child.pid, stop)
            child.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    rounds = parser.parse_args().rounds
    parent = ROOT_HOME if os.geteuid() == 0 else None
    if parent is not None:
        parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    home.chmod(0o755)
    try:
        bench(home, rounds)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
