"""From a submitted script to a scored request, as a person sees it."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

TRAIN = """
import pathlib, time
from zaffre.core import Run

run = Run.get_context()
for step in range(400):
    run.log("loss", 1 / (step + 1), step=step)
    print("step", step, flush=True)
    if pathlib.Path("never").exists():
        break
    time.sleep(0.05)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/model.txt").write_text("3")
"""
SCORE = """
import json

def init():
    pass

def run(raw_data):
    return {"sum": sum(json.loads(raw_data)["data"])}
"""
POINTS = "() => Number(document.querySelector('live-chart[key=loss]')?.dataset.points || 0)"
LOG_STEPS = r"""() => document.querySelector('log-tail').held.map((line) => Number(/^step (\d+)/.exec(line)?.[1]))
    .filter((step) => !Number.isNaN(step))"""


def watch(page: "Page", studio: Studio) -> str:
    run = studio.submit({"train.py": TRAIN, "score.py": SCORE}, experiment="browser")
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}")
    page.wait_for_function(f"({POINTS})() > 10")
    return run


def test_watch_register_deploy_and_score(page: "Page", studio: Studio):
    watch(page, studio)
    before = page.evaluate(POINTS)
    page.wait_for_function(f"({POINTS})() > {before + 20}")  # the chart moves, and nobody reloaded
    page.wait_for_selector("#run-head .pill.ok")
    assert page.evaluate(POINTS) == 400
    page.click("nav.tabs >> text=Outputs + logs")
    page.wait_for_selector("log-view .line >> text=step 399")
    page.get_by_role("tree").get_by_text("outputs", exact=True).click()
    page.wait_for_selector("#files >> text=model.txt")
    page.click("[data-dialog=register]")
    page.fill("#register [name=name]", "sums")
    page.click("#register button[type=submit]")
    page.wait_for_url("**/models/sums")
    page.click("[data-dialog=deploy]")
    page.select_option("#deploy [name=environment]", "system")
    page.click("#deploy button[type=submit]")
    page.wait_for_url("**/endpoints/sums")
    page.wait_for_selector("#endpoint-head .pill.ok")
    page.fill("score-form textarea", '{"data": [1, 2, 3]}')
    page.press("score-form textarea", "Control+Enter")
    page.wait_for_selector("score-form [data-head].ok")
    assert '"sum": 6' in page.inner_text("score-form [data-body]")
    page.fill("score-form textarea", '{"data": "x"}')
    page.click("score-form button[type=submit]")
    page.wait_for_selector("score-form [data-head].bad")
    page.wait_for_selector("#deployments pre:has-text('TypeError')", state="attached")
    page.click("#deployments details summary")
    with page.expect_response("**/endpoints/sums"):  # the page reads its parts anew, and what is open stays open
        pass
    page.wait_for_selector("#deployments details[open] pre:has-text('TypeError')")


def test_a_lost_connection_costs_no_line_and_no_point(page: "Page", studio: Studio):
    watch(page, studio)
    # Every new socket is refused until the page says that it is cut off.
    page.evaluate(
        """() => { window.Real = window.WebSocket;
        window.WebSocket = function (url) { return new window.Real(url.replace('/ws/', '/nowhere/')); };
        window.WebSocket.OPEN = 1;
        document.querySelector('live-run').socket.socket.close(); }"""
    )
    page.wait_for_selector("[data-lost]:not([hidden])")
    page.evaluate("() => { window.WebSocket = window.Real; }")
    page.wait_for_selector("[data-lost]", state="hidden")
    page.wait_for_selector("#run-head .pill.ok")
    page.wait_for_function(f"({LOG_STEPS})().length === 400")
    assert page.evaluate(LOG_STEPS) == list(range(400))
    page.wait_for_function(f"({POINTS})() === 400")
    steps = page.evaluate("() => document.querySelector('live-chart[key=loss]').x")
    assert steps == list(range(400))


PLACES = ["", "experiments", "runs", "data", "models", "endpoints", "compute", "environments", "settings", "activity"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(page: "Page", studio: Studio, scheme: str):
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme=scheme)
    wide = {}
    for place in PLACES:
        page.goto(f"/w/{studio.known['workspace']}/{place}")
        wide[place] = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    assert {place: by for place, by in wide.items() if by > 0} == {}
    page.click("[data-drawer]")
    page.wait_for_selector("#side.open")
