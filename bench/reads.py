"""Table B: what is read, through MLflow's wire on both sides. Seeded alike, so both find the same runs."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.harness import Case, Measure, Sample
from bench.seed import Seeded, seed
from bench.servers import Bench, Side
from bench.wire import Line, Request, Times, closed_loop

FILTER = "metrics.m3 > 0.5 and params.p5 = '7'"


@dataclass(frozen=True)
class Size:
    runs: int = 10_000
    points: int = 100_000
    #: Calls of one client of ours; MLflow's share is a fifth.
    calls: int = 20


def cases(bench: Bench, size: Size) -> list[Case]:
    held = seed(bench, size.runs, size.points)
    _same_answers(bench, held)

    def find(clients: int = 1, **more: object) -> Measure:
        def measure(side: Side, number: int) -> Sample:
            calls = max(size.calls // (1 if side.name == "ours" else 5), 2)
            work = [[_search(side, held[side.name], **more)] * calls for _ in range(clients)]
            times = closed_loop(side.target, work)
            return Sample.rate(times) if clients > 1 else Sample.latency(times)

        return measure

    def read(path: str, calls: int = 10) -> Measure:
        """`path` with the names of what is seeded in it."""

        def measure(side: Side, number: int) -> Sample:
            one = held[side.name]
            where = path.format(run=one.run, long=one.long, many="&".join(f"run_ids={run}" for run in one.many))
            count = calls if side.name == "ours" else max(calls // 3, 2)
            raw = side.target.encode(Request("GET", f"{side.prefix}{where}"))
            closed_loop(side.target, [[raw]])
            return Sample.latency(closed_loop(side.target, [[raw] * count]))

        return measure

    bulk = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?metric_key=loss&max_results=320&"
    best = ["metrics.m3 DESC"]
    less = {"less_is_better": True}
    return [
        Case("search: metric and param, by metric, 100", "ms", find(filter=FILTER, order_by=best), 12, **less),
        Case("search: by a metric only, 100", "ms", find(order_by=best), 20, **less),
        Case("search: newest first, 100", "ms", find(order_by=["attributes.start_time DESC"]), 25, **less),
        Case("search: tag and status, 100", "ms", find(filter="tags.model = 'm3' and status = 'FINISHED'"), 15, **less),
        Case("search: metric and param, 8 clients", "searches/s", find(8, filter=FILTER, order_by=best), 25),
        Case("walk all runs, 1000 a page", "s", _walk(held), 15, **less),
        Case("bytes of an answer of 100 runs", "kB", _bytes(held), 1 / 0.45, **less),
        Case("get run", "ms", read("/api/2.0/mlflow/runs/get?run_id={run}", 200), 6, **less),
        Case(f"history of {size.points:,} points", "ms", _history(held), 40, **less),
        Case(f"chart: 1 run x {size.points:,} to 320", "ms", read(bulk + "run_ids={long}"), 15, **less),
        Case(f"chart: 10 runs x {size.points // 10:,} to 320", "ms", read(bulk + "{many}"), 15, **less),
        Case(f"native series: {size.points:,} to 1000, thinned", "ms", _series(held), only_ours=True, **less),
    ]


def _search(side: Side, held: Seeded, **more: object) -> bytes:
    body = {"experiment_ids": [held.experiment], "max_results": 100, **more}
    return side.target.encode(Request("POST", f"{side.api}/runs/search", json.dumps(body).encode()))


def _same_answers(bench: Bench, held: dict[str, Seeded]) -> None:
    """Stop when the two sides do not find the same: then the figures would compare different work."""
    found = []
    for side in bench.sides:
        more = {"filter": FILTER, "order_by": ["metrics.m3 DESC"], "experiment_ids": [held[side.name].experiment]}
        runs = side.post("runs/search", max_results=100, **more)["runs"]
        found.append([run["info"]["run_name"] for run in runs])
    if found[0] != found[-1] or len(found[0]) < 20:
        raise SystemExit(f"the sides do not find the same runs: {[names[:5] for names in found]}")


def _pages(side: Side, path: str, body: dict[str, object], method: str) -> Iterator[tuple[float, int]]:
    """(seconds, bytes) of each page, following its token."""
    line, token = Line(side.target), ""
    try:
        while True:
            asked = body | ({"page_token": token} if token else {})
            raw = json.dumps(asked).encode() if method == "POST" else b""
            where = path if method == "POST" else f"{path}?{urlencode(asked)}"
            times, answer = _timed(line, side.target.encode(Request(method, where, raw)))
            yield times, len(answer)
            token = json.loads(answer).get("next_page_token") or ""
            if not token:
                return
    finally:
        line.close()


def _timed(line: Line, raw: bytes) -> tuple[float, bytes]:
    begin = time.perf_counter()
    answer = line.call(raw)
    return time.perf_counter() - begin, answer


def _walk(held: dict[str, Seeded]) -> Measure:
    def measure(side: Side, number: int) -> Sample:
        body: dict[str, object] = {
            "experiment_ids": [held[side.name].experiment],
            "max_results": 1000,
            "order_by": ["attributes.start_time DESC"],
        }
        return Sample(sum(took for took, _ in _pages(side, f"{side.api}/runs/search", body, "POST")))

    return measure


def _bytes(held: dict[str, Seeded]) -> Measure:
    def measure(side: Side, number: int) -> Sample:
        times: Times = closed_loop(side.target, [[_search(side, held[side.name])]])
        return Sample(times.received / 1e3)

    return measure


def _history(held: dict[str, Seeded]) -> Measure:
    def measure(side: Side, number: int) -> Sample:
        asked: dict[str, object] = {"run_id": held[side.name].long, "metric_key": "loss", "max_results": 25_000}
        return Sample(1e3 * sum(took for took, _ in _pages(side, f"{side.api}/metrics/get-history", asked, "GET")))

    return measure


def _series(held: dict[str, Seeded]) -> Measure:
    def measure(side: Side, number: int) -> Sample:
        path = f"/api/v1/workspaces/{side.known['workspace']}/runs/{held[side.name].long}/series?key=loss&points=1000"
        raw = side.target.encode(Request("GET", path))
        return Sample.latency(closed_loop(side.target, [[raw] * 20]))

    return measure
