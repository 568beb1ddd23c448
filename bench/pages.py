"""Table H, pages: an experiment of 10,000 runs in a headless Chromium, cold and warm, beside MLflow's UI."""

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.harness import Case, Measure, Sample
from bench.live import log_in
from bench.seed import GROUP, seed
from bench.servers import Bench, Side

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RUNS = 10_000
#: Rows are visible when this many links to runs are laid out.
ROWS = 10
#: Seconds without a request after which a page has loaded, and seconds that it may take.
QUIET, PATIENCE = 2.0, 60.0
#: Notes in the page itself when its rows are there.
WATCH = f"""
(() => {{
  const look = () => {{
    const links = [...document.querySelectorAll('a[href*="/runs/"]')];
    if (links.filter((one) => one.getClientRects().length).length >= {ROWS}) window.rowsVisible = performance.now();
    else requestAnimationFrame(look);
  }};
  requestAnimationFrame(look);
}})();
"""
TOLD = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const nodes = document.getElementsByTagName("*").length;
  return {
    byte: performance.getEntriesByType("navigation")[0].responseStart,
    paint: paint ? paint.startTime : 0,
    rows: window.rowsVisible || 0,
    nodes,
  };
}"""


@dataclass(frozen=True)
class Visit:
    """One opening of the page. Times in ms since the navigation began, sizes in bytes as they came over the wire."""

    byte: float
    paint: float
    rows: float
    received: float
    requests: float
    nodes: float
    heap: float


def cases(bench: Bench) -> list[Case]:
    """The rows; none, and a line that says so, where no Chromium is installed."""
    if not CHROMIUM:
        print("Chromium is not installed (apt-get install chromium): table H was not measured.")
        return []
    held = seed(bench, RUNS, 1000)
    known: dict[tuple[str, int], tuple[Visit, Visit]] = {}

    def of(which: int, what: str, scale: float = 1) -> Measure:
        def measure(side: Side, number: int) -> Sample:
            key = (side.name, number)
            if key not in known:
                known[key] = _visits(side, held[side.name].experiment)
            return Sample(getattr(known[key][which], what) / scale)

        return measure

    cold, warm = 0, 1
    less = {"less_is_better": True}
    return [
        Case("first byte, cold", "ms", of(cold, "byte"), most=60, **less),
        Case("first byte, warm", "ms", of(warm, "byte"), most=60, **less),
        Case("first paint, cold", "ms", of(cold, "paint"), 5, **less),
        Case("first paint, warm", "ms", of(warm, "paint"), 5, **less),
        Case("rows visible, cold", "ms", of(cold, "rows"), 8, most=700, **less),
        Case("rows visible, warm", "ms", of(warm, "rows"), 10, **less),
        Case("transferred, cold", "kB", of(cold, "received", 1000), most=400, **less),
        Case("transferred, warm", "kB", of(warm, "received", 1000), most=60, **less),
        Case("requests, cold", "requests", of(cold, "requests"), most=15, **less),
        Case("requests, warm", "requests", of(warm, "requests"), most=15, **less),
        Case("elements in the page", "elements", of(cold, "nodes"), most=2500, **less),
        Case("JS heap", "MB", of(cold, "heap", 1e6), most=15, **less),
    ]


def _visits(side: Side, experiment: str) -> tuple[Visit, Visit]:
    """The page opened by a browser that knows nothing, and once more by the same one."""
    from playwright.sync_api import sync_playwright

    base = f"http://127.0.0.1:{side.target.port}"
    if side.name == "ours":
        address = f"{base}/w/{side.known['workspace']}/experiments/{GROUP}"
        pairs = (pair.split("=", 1) for pair in log_in(side).split("; "))
        cookies: list[Any] = [{"name": name, "value": value, "url": base} for name, value in pairs]
    else:
        address, cookies = f"{base}/#/experiments/{experiment}/runs", []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies(cookies)
            context.add_init_script(WATCH)
            # The browser's own first page is not what is measured.
            context.new_page().close()
            return _visit(context, address), _visit(context, address)
        finally:
            browser.close()


def _visit(context: "BrowserContext", address: str) -> Visit:
    page = context.new_page()
    line = context.new_cdp_session(page)
    seen = {"requests": 0, "bytes": 0, "at": time.monotonic()}

    def asked(event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("http"):
            seen["requests"] += 1
            seen["at"] = time.monotonic()

    def came(event: dict[str, Any]) -> None:
        seen["bytes"] += event["encodedDataLength"]
        seen["at"] = time.monotonic()

    line.on("Network.requestWillBeSent", asked)
    line.on("Network.loadingFinished", came)
    line.send("Network.enable")
    line.send("Performance.enable")
    try:
        page.goto(address, timeout=PATIENCE * 1e3)
        end = time.monotonic() + PATIENCE
        told = page.evaluate(TOLD)
        while not told["rows"] or time.monotonic() - seen["at"] < QUIET:
            if time.monotonic() > end:
                raise SystemExit(f"{address} showed no rows within {PATIENCE:.0f} s.")
            page.wait_for_timeout(100)
            told = page.evaluate(TOLD)
        used = {one["name"]: one["value"] for one in line.send("Performance.getMetrics")["metrics"]}
        sizes = (seen["bytes"], seen["requests"], told["nodes"], used["JSHeapUsedSize"])
        return Visit(told["byte"], told["paint"], told["rows"], *sizes)
    finally:
        page.close()
