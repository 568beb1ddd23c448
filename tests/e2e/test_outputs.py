"""The outputs of a run that wrote very much: its log with what is left out, and its files folder by folder."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FLOOD = """
import os, pathlib, time
block = (b"z" * 99 + b"\\n") * 10000
os.write(1, b"the first line\\n")
for n in range(75):
    os.write(1, block)
os.write(1, b"the last line\\n")
for at in range(230):
    place = pathlib.Path(f"outputs/part{at % 3}/file{at}.txt")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(str(at))
"""


def test_a_flooded_log_and_many_files(page: "Page", studio: Studio, tmp_path):
    run = studio.submit({"train.py": FLOOD})
    ws = studio.known["workspace"]
    page.goto(f"/w/{ws}/runs/{run}/outputs")
    studio.wait_for(run, "completed")
    page.reload()
    lines = page.locator("log-tail .lines")
    lines.get_by_text("the last line").wait_for()
    page.get_by_role("link", name="outputs/").click()
    page.get_by_role("link", name="part1/").click()
    page.get_by_role("link", name="file4.txt").wait_for()
    assert page.locator("#files tbody tr").count() == 77
    # A browser that stands before the gap is told of it, and goes on behind it.
    tail = page.locator("log-tail")
    tail.evaluate("e => { e.from(33554000); e.push(33554000, new TextEncoder().encode('before the gap\\n')); }")
    whole = 75 * 1_000_000 + len("the first line\nthe last line\n")
    tail.evaluate("(e, end) => e.push(end - 6, new TextEncoder().encode('behind'), undefined, end - 6 - e.end)", whole)
    lines.get_by_text("before the gap").wait_for()
    lines.get_by_text("MB were left out here").wait_for()
    lines.get_by_text("behind", exact=True).wait_for()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        page.screenshot(path=str(tmp_path / f"outputs-{width}.png"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Scrolling up crosses the gap to what was before it.
    tail.evaluate("e => e.start()")
    lines.get_by_text("the last line").wait_for()
    first = tail.evaluate(
        "async e => { e.follow = false; e.shown = 0; "
        "e.first = e.gap[1]; await e.earlier(); return [e.first, e.gap[0]]; }"
    )
    assert first == [32 * 1024**2 - 256_000, 32 * 1024**2]
    assert tail.evaluate("e => e.held.some((one) => one.includes('left-out'))")
