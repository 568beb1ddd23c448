"""TensorBoard in its frame, as a person opens, sees and stops it, and what the frame cannot do."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

WRITES = """
import time
from pathlib import Path
from zaffre.tensorboard.events import EventFile

with EventFile(Path("logs/train")) as file:
    for step in range(100):
        file.add_scalar("loss", 1 / (step + 1), step=step, wall_time=time.time())
"""
#: What a hostile answer would try: each has to fail.
TRIES = """async () => {
  const tried = {};
  tried.origin = window.origin;
  try { tried.page = parent.document.title; } catch (error) { tried.page = error.name; }
  tried.read = await fetch("/api/v1/me", {credentials: "include"}).then((one) => one.status, () => "refused");
  tried.cookie = document.cookie;
  return tried;
}"""


def test_open_look_and_stop(page: "Page", studio: Studio, tmp_path):
    run = studio.submit({"train.py": WRITES})
    studio.wait_for(run, "completed")
    ws = studio.known["workspace"]
    failed: list[str] = []
    page.goto(f"/w/{ws}/runs/{run}")
    # Only now: what the page before was still asking for is given up when it is left.
    page.on("requestfailed", lambda one: failed.append(f"{one.url} {one.failure}"))
    page.get_by_role("link", name="TensorBoard").click()
    button = page.get_by_role("button", name="Open TensorBoard")
    button.focus()
    page.keyboard.press("Enter")
    # A first start builds the environment, which is told step by step.
    page.locator("#board-head").get_by_text("Build the environment").wait_for()
    page.screenshot(path=str(tmp_path / "starting.png"))
    frame = page.frame_locator("tensor-board iframe")
    frame.get_by_text("loss", exact=True).first.wait_for(timeout=300_000)
    # The line is drawn: its card tells the last value of the run.
    frame.locator("scalar-card").first.get_by_text("99", exact=True).first.wait_for()
    inside = next(one for one in page.frames if "/tb/" in one.url)
    page.screenshot(path=str(tmp_path / "tensorboard.png"))
    assert failed == []
    tried = inside.evaluate(TRIES)
    assert tried == {"origin": "null", "page": "SecurityError", "read": "refused", "cookie": ""}

    # The head is read anew meanwhile; the frame stays what it is.
    inside.evaluate("window.marked = true")
    with page.expect_response(lambda one: one.url.endswith("/tensorboard")):
        page.locator("live-run").evaluate("e => e.refresh()")
    page.locator("#board-head:not(.htmx-request)").wait_for()
    assert inside.evaluate("window.marked") is True

    # The older part of TensorBoard works in the frame, too.
    frame.get_by_role("tab", name="Scalars").click()
    frame.locator("tf-scalar-card").first.wait_for()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=str(tmp_path / f"tensorboard-{width}.png"))
    page.set_viewport_size({"width": 1440, "height": 860})
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Open again").wait_for()
    page.screenshot(path=str(tmp_path / "stopped.png"))
    assert page.locator("tensor-board iframe").count() == 0
