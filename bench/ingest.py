"""Table A: what is logged, through MLflow's wire on both sides, and through our own door beside it."""

import itertools
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil
import psycopg

from bench import limits
from bench.harness import Case, Measure, Sample
from bench.servers import Bench, Side
from bench.wire import Request, closed_loop

KEYS = 20


@dataclass(frozen=True)
class Size:
    """How much one round of each case does; MLflow's share is smaller, for it takes so much longer."""

    batches: int = 60
    calls: int = 400
    #: MLflow's part of the same work.
    share: float = 0.2

    def of(self, side: Side, count: int, clients: int) -> int:
        """Calls of one client."""
        mine = count if side.name == "ours" else max(int(count * self.share), 4)
        return max(mine // clients, 4)


def cases(bench: Bench, size: Size) -> list[Case]:
    durable, chunk = limits.commits(bench.database), limits.chunks(bench.database)
    groups = {side.name: side.experiment("ingest") for side in bench.sides}
    batch, single, parameter = (_Logged(groups, size, kind) for kind in ("batch", "metric", "parameter"))
    single_limit = {"limit": durable, "limit_of": "durable commits/s"}
    chunk_limit = {"limit": chunk, "limit_of": "points/s as bare bytea"}
    return [
        Case("log-batch of 1000, 1 client", "metrics/s", batch(1), 30, **chunk_limit),
        Case("log-batch of 1000, 4 clients", "metrics/s", batch(4), 35, **chunk_limit),
        Case("log-batch of 1000, 8 clients", "metrics/s", batch(8), 40, **chunk_limit),
        Case("native batch of 1000, 1 client", "metrics/s", _native(1000, size.batches, 1), only_ours=True),
        Case("native batch of 1000, 8 clients", "metrics/s", _native(1000, size.batches, 8), only_ours=True),
        Case("CPU for a million metrics", "s", _cpu(groups), 30, less_is_better=True),
        Case("log-metric, 1 client", "calls/s", single(1), 5, **single_limit),
        Case("log-metric, 1 client, as real clients see it", "calls/s", single(1, quick=False), 25),
        Case("log-metric, 8 clients", "calls/s", single(8), 12, **single_limit),
        Case("native single point, 1 client", "calls/s", _native(1, size.calls, 1), only_ours=True),
        Case("log-parameter, 1 client", "calls/s", parameter(1), 5, **single_limit),
        Case("log-parameter, 8 clients", "calls/s", parameter(8), 15, **single_limit),
        Case("create-run, 1 client", "runs/s", _create(groups, size, 1), 8, **single_limit),
        Case("create-run, 8 clients", "runs/s", _create(groups, size, 8), 20, **single_limit),
        Case("whole short run of 13 calls, 4 clients", "runs/s", _short(groups, size), 10),
        Case("memory of all processes without engines", "MB", _memory, 5, less_is_better=True),
        Case("start", "s", lambda side, _: Sample(side.started), 4, less_is_better=True),
    ]


def points(run: str, calls: int, count: int, *, begin: int = 0) -> Iterator[bytes]:
    """Bodies of log-batch with `count` metrics each under KEYS keys."""
    for call in range(begin, begin + calls):
        metrics = [
            {
                "key": f"metric{at % KEYS}",
                "value": at / 7 + call,
                "timestamp": 1_700_000_000_000 + call,
                "step": call * count // KEYS + at // KEYS,
            }
            for at in range(count)
        ]
        yield json.dumps({"run_id": run, "metrics": metrics}).encode()


def one_metric(run: str, at: int) -> bytes:
    return json.dumps(
        {"run_id": run, "key": "loss", "value": 1 / (at + 1), "timestamp": 1_700_000_000_000 + at, "step": at}
    ).encode()


class _Logged:
    """Calls of one kind by some clients, each on a run of its own."""

    def __init__(self, groups: dict[str, str], size: Size, kind: str) -> None:
        self.groups, self.size, self.kind = groups, size, kind

    def __call__(self, clients: int, *, quick: bool = True) -> Measure:
        def measure(side: Side, number: int) -> Sample:
            # Without quick acknowledgements MLflow's server needs 50 ms a call.
            count = self.size.batches if self.kind == "batch" else self.size.calls
            calls = self.size.of(side, count, clients)
            work = [self._work(side, side.run(self.groups[side.name]), calls) for _ in range(clients)]
            warm = [self._work(side, side.run(self.groups[side.name]), 2) for _ in range(clients)]
            closed_loop(side.target, warm)
            times = closed_loop(side.target, work, quick=quick)
            return Sample.rate(times, each=1000 if self.kind == "batch" else 1)

        return measure

    def _work(self, side: Side, run: str, calls: int) -> list[bytes]:
        if self.kind == "batch":
            call, bodies = "log-batch", list(points(run, calls, 1000))
        elif self.kind == "metric":
            call, bodies = "log-metric", [one_metric(run, at) for at in range(calls)]
        else:
            named = ({"run_id": run, "key": f"p{at}", "value": f"{at}"} for at in range(calls))
            call, bodies = "log-parameter", [json.dumps(one).encode() for one in named]
        return encoded(side, call, bodies)


def encoded(side: Side, call: str, bodies: Sequence[bytes]) -> list[bytes]:
    return [side.target.encode(Request("POST", f"{side.api}/runs/{call}", body)) for body in bodies]


def _native(count: int, calls: int, clients: int) -> Measure:
    """Our own door of interactive runs."""

    def measure(side: Side, number: int) -> Sample:
        group = side.experiment(f"native {uuid.uuid4().hex}")
        work = []
        for _ in range(clients):
            run = side.run(group)
            path = f"/api/v1/workspaces/{side.known['workspace']}/runs/{run}/metrics"
            work.append(
                [side.target.encode(Request("POST", path, _batch(at, count))) for at in range(calls // clients)]
            )
        return Sample.rate(closed_loop(side.target, work), each=count)

    return measure


def _batch(call: int, count: int) -> bytes:
    found = [[f"metric{at % KEYS}", at / 7 + call, call * count + at, 1_700_000_000_000] for at in range(count)]
    return json.dumps({"batch": uuid.uuid4().hex, "points": found}).encode()


def _create(groups: dict[str, str], size: Size, clients: int) -> Measure:
    def measure(side: Side, number: int) -> Sample:
        calls = size.of(side, size.calls, clients)
        body = json.dumps(
            {
                "experiment_id": groups[side.name],
                "user_id": "bench",
                "start_time": int(time.time() * 1000),
                "run_name": "bench",
                "tags": [{"key": f"mlflow.source.{name}", "value": name} for name in ("name", "type", "user")],
            }
        ).encode()
        return Sample.rate(closed_loop(side.target, [encoded(side, "create", [body] * calls)] * clients))

    return measure


def _short(groups: dict[str, str], size: Size) -> Measure:
    """Runs that begin, log two batches, five metrics, two parameters and two tags, and end."""

    def measure(side: Side, number: int) -> Sample:
        each = size.of(side, 80, 4)
        begin = time.perf_counter()
        # A call needs the id that the first one returned, so the loop is one of runs and not of requests.
        done = closed_loop(side.target, [_life(side, groups[side.name], each) for _ in range(4)])
        return Sample(4 * each / (time.perf_counter() - begin), done.median * 1e3, done.percentile(0.95) * 1e3)

    return measure


def _life(side: Side, group: str, runs: int) -> Iterator[bytes]:
    for _ in range(runs):
        # Made beside the loop: the twelve calls after it are what the loop sends.
        run = side.run(group)
        yield from encoded(side, "log-batch", list(points(run, 2, 100)))
        yield from encoded(side, "log-metric", [one_metric(run, at) for at in range(5)])
        for call, key in itertools.product(("log-parameter", "set-tag"), ("a", "b")):
            yield from encoded(side, call, [json.dumps({"run_id": run, "key": key, "value": "x"}).encode()])
        yield from encoded(side, "update", [json.dumps({"run_id": run, "status": "FINISHED", "end_time": 2}).encode()])


def _cpu(groups: dict[str, str]) -> Measure:
    """Seconds of CPU that the server's processes use for a million metrics; the database counts for neither."""

    def measure(side: Side, number: int) -> Sample:
        calls = 100 if side.name == "ours" else 12
        work = encoded(side, "log-batch", list(points(side.run(groups[side.name]), calls, 1000)))
        before = _used(side)
        closed_loop(side.target, [work])
        return Sample((_used(side) - before) * 1000 / calls)

    return measure


def _used(side: Side) -> float:
    return sum(one.cpu_times().user + one.cpu_times().system for one in _servers(side))


def _servers(side: Side) -> list[psutil.Process]:
    return [one for one in side.processes() if not one.name().startswith(("valkey", "postgres"))]


def _memory(side: Side, number: int) -> Sample:
    return Sample(sum(one.memory_full_info().pss for one in _servers(side)) / 1e6)


def stored(bench: Bench) -> int:
    """How many points ours holds."""
    with psycopg.connect(bench.studio) as line:
        row = line.execute("SELECT coalesce(sum(count), 0) FROM metrics_metricchunk").fetchone()
    return int(row[0]) if row else 0
