"""Charts: how long a short and a long series take to be read, and what 200 living runs do to the frames of a page.

Rows of tables B and H. A series is put into the database in the chunks that batches of 10,000 points would have been
merged to; what sums it up is the studio's own merge, when its run ends.
"""

import http.client
import json
import statistics
import threading
import time
import uuid
from dataclasses import dataclass

import numpy as np
import psutil
import psycopg

from bench.harness import Case, Measure, Sample
from bench.live import log_in
from bench.pages import CHROMIUM, FLAGS
from bench.servers import Bench, Side
from bench.wire import Request, closed_loop
from runs.metrics import columns
from runs.metrics.columns import Series

LENGTHS = (1_000, 1_000_000, 10_000_000)
POINTS = 800
CHUNK = 10_000
SPIKE = 99.0
#: Runs that log while their page is looked at, metrics on it, and seconds of looking.
RUNS, METRICS, SECONDS = 200, 4, 10.0
#: Batches of each run in a second.
RATE = 1.0
#: Collects the time between animation frames, in the page itself.
FRAMES = """(seconds) => new Promise((resolve) => {
  const found = [];
  const end = performance.now() + seconds * 1000;
  let last = performance.now();
  const next = (now) => {
    found.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(next);
    else resolve(found.slice(2));
  };
  requestAnimationFrame(next);
})"""
#: All runs are drawn, not only the first ten.
ALL = "() => document.querySelector('.chart-keys button:nth-of-type(2)').click()"
HELD = """() => [...document.querySelectorAll('series-chart')].flatMap((one) => [...one.whole.values()])
  .reduce((all, line) => all + line.count, 0)"""


def series(bench: Bench) -> list[Case]:
    """Rows of table B: the request of a chart, whole and zoomed, of series of growing length."""
    side = bench.ours
    runs: dict[int, str] = {}

    def run_of(length: int) -> str:
        if length not in runs:
            runs[length] = _stored(bench, length)
        return runs[length]

    def whole(length: int, *, summed: bool) -> Measure:
        def measure(_: Side, number: int) -> Sample:
            run = run_of(length)
            if summed:
                _sum_up(bench, run, length)
            return _chart(side, run, calls=20 if summed else 3)

        return measure

    def zoomed(length: int) -> Measure:
        def measure(_: Side, number: int) -> Sample:
            middle, width = _spike(length), length // 200
            return _chart(side, run_of(length), calls=20, more=f"&first={middle - width}&last={middle + width}")

        return measure

    def old(length: int) -> Measure:
        def measure(_: Side, number: int) -> Sample:
            path = f"{_api(side)}/runs/{run_of(length)}/series?key=loss&points={POINTS}"
            return Sample.latency(closed_loop(side.target, [[side.target.encode(Request("GET", path))] * 3]))

        return measure

    less = {"less_is_better": True, "only_ours": True}
    longest = LENGTHS[-1]
    rows = [Case(f"chart of {longest:,} points, read as a whole", "ms", old(longest), **less)]
    rows.append(Case(f"chart of {longest:,} points, before the merge", "ms", whole(longest, summed=False), **less))
    rows += [Case(f"chart of {length:,} points", "ms", whole(length, summed=True), **less) for length in LENGTHS]
    rows += [Case(f"a hundredth of {length:,} points", "ms", zoomed(length), **less) for length in LENGTHS[1:]]
    rows.append(Case(f"memory of the web for charts of {longest:,} points", "MB", _memory(side, run_of), **less))
    return rows


def _api(side: Side) -> str:
    return f"/api/v1/workspaces/{side.known['workspace']}"


def _spike(length: int) -> int:
    return length * 2 // 3 + 7


def _new_run(side: Side, name: str) -> str:
    made: str = side.target.ask("POST", f"{_api(side)}/runs", {"experiment": name, "kind": "interactive"})["id"]
    return made


def _stored(bench: Bench, length: int) -> str:
    run = _new_run(bench.ours, "charts")
    step = np.arange(length, dtype=np.int64)
    value = np.exp(-step / length) + np.random.default_rng(7).normal(0, 0.02, length)
    value[_spike(length)] = SPIKE
    whole = Series(step, 1_700_000_000_000 + step, value)
    with psycopg.connect(bench.studio, autocommit=True) as line:
        for at in range(0, length, CHUNK):
            piece = whole.take(slice(at, at + CHUNK))
            line.execute(
                "INSERT INTO metrics_metricchunk (run_id, key, count, first_step, last_step, data, parts) "
                "VALUES (%s, 'loss', %s, %s, %s, %s, '')",
                [run, len(piece), at, at + len(piece) - 1, columns.pack(piece)],
            )
        line.execute("ANALYZE metrics_metricchunk")
    return run


def _sum_up(bench: Bench, run: str, length: int) -> None:
    """End the run, and wait until the background has summed its series up."""
    with psycopg.connect(bench.studio, autocommit=True) as line:
        left = "SELECT count(*) FROM metrics_metricchunk WHERE run_id = %s AND fine IS NULL"
        if not _count(line, left, run):
            return
        bench.ours.target.ask("POST", f"{_api(bench.ours)}/runs/{run}/end", {"status": "completed"})
        deadline = time.monotonic() + 300
        while _count(line, left, run):
            if time.monotonic() > deadline:
                raise SystemExit(f"the series of {length:,} points was not summed up within 300 s.")
            time.sleep(0.2)


def _count(line: "psycopg.Connection[tuple[int]]", statement: str, run: str) -> int:
    row = line.execute(statement, [run]).fetchone()
    return row[0] if row else 0


def _chart(side: Side, run: str, *, calls: int, more: str = "") -> Sample:
    path = f"{_api(side)}/chart?run={run}&key=loss&points={POINTS}{more}"
    raw = side.target.encode(Request("GET", path))
    line = side.target.ask("GET", path)["series"]["loss"][run]
    highest = max(value for value in line.get("high", line["value"]) if isinstance(value, float))
    if highest != SPIKE:
        raise SystemExit(f"the spike is not in the chart: its highest value is {highest}.")
    return Sample.latency(closed_loop(side.target, [[raw] * calls]))


def _memory(side: Side, run_of: object) -> Measure:
    """How much larger the server's processes become while four clients read charts of the longest series."""

    def resident() -> float:
        found = 0.0
        for one in side.processes():
            try:
                found += one.memory_info().rss / 1e6
            except psutil.NoSuchProcess:
                continue
        return found

    def measure(_: Side, number: int) -> Sample:
        run = run_of(LENGTHS[-1])  # type: ignore[operator]
        path = f"{_api(side)}/chart?run={run}&key=loss&points={POINTS}"
        before, peak = resident(), [0.0]
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.02):
                peak[0] = max(peak[0], resident())

        looking = threading.Thread(target=look)
        looking.start()
        closed_loop(side.target, [[side.target.encode(Request("GET", path))] * 10] * 4)
        over.set()
        looking.join()
        return Sample(max(peak[0] - before, 0.0))

    return measure


# --- frames -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Looked:
    """Milliseconds between frames, how many points reached the page meanwhile, and of how many that were logged."""

    calm: list[float]
    busy: list[float]
    came: int
    logged: int


def frames(bench: Bench) -> list[Case]:
    """Rows of table H: the frames of a page that draws RUNS living runs, while all of them log."""
    if not CHROMIUM:
        return []
    known: dict[int, Looked] = {}

    def of(what: str) -> Measure:
        def measure(side: Side, number: int) -> Sample:
            looked = known.setdefault(number, looked_at(side)) if number not in known else known[number]
            found = {
                "calm": 1000 / statistics.fmean(looked.calm),
                "rate": 1000 / statistics.fmean(looked.busy),
                "p99": sorted(looked.busy)[int(0.99 * (len(looked.busy) - 1))],
                "late": 100 * sum(one > 25 for one in looked.busy) / len(looked.busy),
                "came": looked.came / SECONDS,
            }
            return Sample(found[what])

        return measure

    name = f"comparison of {RUNS} living runs, all drawn"
    less = {"less_is_better": True, "only_ours": True}
    return [
        Case(f"{name}: frames while nothing comes", "a second", of("calm"), only_ours=True),
        Case(f"{name}: frames while points come", "a second", of("rate"), only_ours=True),
        Case(f"{name}: points that came", "a second", of("came"), only_ours=True),
        Case(f"{name}: 99 of 100 frames within", "ms", of("p99"), **less),
        Case(f"{name}: frames later than 25 ms", "%", of("late"), **less),
    ]


def looked_at(side: Side) -> Looked:
    """Look at the comparison of RUNS runs, first while they are quiet and then while each logs RATE times a second."""
    from playwright.sync_api import sync_playwright

    base, workspace = f"http://127.0.0.1:{side.target.port}", side.known["workspace"]
    group = f"frames {uuid.uuid4().hex[:8]}"
    runs = [_new_run(side, group) for _ in range(RUNS)]
    metrics = [f"metric{at}" for at in range(METRICS)]
    for run in runs:
        _log(side, run, metrics, range(200))
    pairs = (pair.split("=", 1) for pair in log_in(side).split("; "))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = browser.new_context(viewport={"width": 1440, "height": 1000}, bypass_csp=True)
            context.add_cookies([{"name": name, "value": value, "url": base} for name, value in pairs])
            page = context.new_page()
            page.goto(f"{base}/w/{workspace}/compare?tab=charts&{'&'.join(f'run={run}' for run in runs)}")
            page.wait_for_selector("series-chart canvas")
            page.evaluate(ALL)
            page.wait_for_function(f"({HELD})() >= {RUNS * METRICS * 200}")
            page.wait_for_timeout(1500)
            calm = page.evaluate(FRAMES, SECONDS)
            before = page.evaluate(HELD)
            writer = _Writer(side, runs, metrics)
            writer.start()
            page.wait_for_timeout(1000)
            busy = page.evaluate(FRAMES, SECONDS)
            writer.over.set()
            writer.join()
            page.wait_for_timeout(1000)
            return Looked(calm, busy, page.evaluate(HELD) - before, writer.logged)
        finally:
            browser.close()


def _log(side: Side, run: str, metrics: list[str], steps: range) -> None:
    now = int(time.time() * 1000)
    points = [
        [name, float(np.sin(step / 40 + at)), step, now + step] for step in steps for at, name in enumerate(metrics)
    ]
    for at in range(0, len(points), 1000):
        told = {"batch": uuid.uuid4().hex, "points": points[at : at + 1000]}
        side.target.ask("POST", f"{_api(side)}/runs/{run}/metrics", told)


class _Writer(threading.Thread):
    """Logs one point of each metric to every run RATE times a second, one run after the other."""

    def __init__(self, side: Side, runs: list[str], metrics: list[str]) -> None:
        super().__init__(daemon=True)
        self.side, self.runs, self.metrics = side, runs, metrics
        self.over = threading.Event()
        self.logged = 0

    def run(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.side.target.port, timeout=30)
        headers = dict(self.side.target.headers) | {"Content-Type": "application/json"}
        pause, step, due = 1 / (RATE * len(self.runs)), 200, time.monotonic()
        while not self.over.is_set():
            for run in self.runs:
                now = int(time.time() * 1000)
                points = [[name, float(np.sin(step / 40 + at)), step, now] for at, name in enumerate(self.metrics)]
                body = json.dumps({"batch": uuid.uuid4().hex, "points": points})
                line.request("POST", f"{_api(self.side)}/runs/{run}/metrics", body, headers)
                line.getresponse().read()
                self.logged += len(points)
                due += pause
                if self.over.wait(max(0.0, due - time.monotonic())):
                    break
            step += 1
        line.close()
