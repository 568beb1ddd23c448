"""A laptop that was closed over a run: what happened meanwhile is there when it opens, without a reload."""

from typing import TYPE_CHECKING

import pytest

from tests.e2e.waiting import LAST, has_lines, script
from tests.stack.running import Studio, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

POINTS, LINES = 12_000, 3000
#: The lid closes: frames are lost, nothing says that the connection is gone, and an hour passes.
SLEEP = """() => {
  const socket = document.querySelector('live-run').socket.socket;
  for (const kind of ['onmessage', 'onclose', 'onerror']) socket[kind] = null;
  window.asleep = socket;
  const real = Date.now;
  Date.now = () => real() + 3600_000;
}"""


def test_a_page_that_slept_for_an_hour_catches_up(page: "Page", studio: Studio):
    run = studio.submit({"train.py": script(POINTS, LINES)}, experiment="asleep")
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}")
    page.wait_for_function(f"({LAST})() === 0")
    page.wait_for_selector("log-tail .line >> text=line 0")
    page.evaluate("() => { window.stayed = true; clearInterval(document.querySelector('live-run').socket.looking); }")
    page.evaluate(SLEEP)
    assert studio.ask("PATCH", f"{studio.ws}/runs/{run}", {"tags": {"go": "1"}}).status == 200
    until(lambda: studio.ask("GET", f"{studio.ws}/runs/{run}").json["status"] == "completed", "it ends")
    assert page.evaluate(LAST) == 0
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function(f"({LAST})() === {POINTS - 1}")
    page.wait_for_selector("#run-head .pill.ok")
    page.wait_for_function(has_lines(LINES))
    assert page.evaluate("() => window.stayed && window.asleep.readyState >= 2")
