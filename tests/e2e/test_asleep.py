"""A laptop that was closed over a run: what happened meanwhile is there when it opens, without a reload."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

POINTS, LINES = 12_000, 3000
TRAIN = f"""
import pathlib, time
from zaffre.core import Run

run = Run.get_context()
run.log("loss", 1.0, step=0)
print("line 0", flush=True)
while not run.get_tags().get("go"):
    time.sleep(0.1)
for step in range(1, {POINTS}):
    run.log("loss", 1 / (step + 1), step=step)
for line in range(1, {LINES}):
    print("line", line)
"""
#: The lid closes: frames are lost, nothing says that the connection is gone, and an hour passes.
SLEEP = """() => {
  const socket = document.querySelector('live-run').socket.socket;
  for (const kind of ['onmessage', 'onclose', 'onerror']) socket[kind] = null;
  window.asleep = socket;
  const real = Date.now;
  Date.now = () => real() + 3600_000;
}"""
LAST = "() => document.querySelector('live-chart[key=loss]')?.x?.at(-1)"


def test_a_page_that_slept_for_an_hour_catches_up(page: "Page", studio: Studio):
    run = studio.submit({"train.py": TRAIN}, experiment="asleep")
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}")
    page.wait_for_function(f"({LAST})() === 0")
    page.wait_for_selector("log-tail .line >> text=line 0")
    page.evaluate("() => { window.stayed = true; clearInterval(document.querySelector('live-run').socket.looking); }")
    page.evaluate(SLEEP)
    assert studio.ask("PATCH", f"{studio.ws}/runs/{run}", {"tags": {"go": "1"}}).status == 200
    until(lambda: studio.ask("GET", f"{studio.ws}/runs/{run}").json["status"] == "completed", "it ends", seconds=60)
    assert page.evaluate(LAST) == 0
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function(f"({LAST})() === {POINTS - 1}")
    page.wait_for_selector("#run-head .pill.ok")
    page.wait_for_function(
        f"() => document.querySelector('log-tail').held.filter((one) => one.startsWith('line ')).length === {LINES}"
    )
    assert page.evaluate("() => window.stayed && window.asleep.readyState >= 2")
