"""The log of a run as a person reads it: when lines were written and by which stream, and the newest first."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


SCRIPT = """
import socket, sys, time
for number in range(40):
    print("step", number)
    if number % 10 == 5:
        print("warning", number, file=sys.stderr)
    time.sleep(0.05)
socket.create_connection(("127.0.0.1", GATE)).recv(1)
print("a late line")
time.sleep(0.2)
print("a late warning", file=sys.stderr)
time.sleep(0.3)
raise SystemExit(1)
"""


def test_streams_times_and_the_newest_line_first(page: "Page", studio: Studio, gate):
    run = studio.submit({"train.py": SCRIPT.replace("GATE", str(gate.port))})
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}/outputs")
    rows = page.locator("log-view .line")
    rows.get_by_text("step 39").wait_for()
    # A line of stderr says so in words, and not by its colour alone.
    assert page.locator("log-view .line.err").count() == 4
    assert page.locator("log-view .line.err").first.locator("i").inner_text() == "err"
    page.get_by_label("Times of lines").select_option("elapsed")
    stamps = page.locator("log-view .line time").all_inner_texts()
    assert len(stamps) == 44 and all(re.fullmatch(r"\+\d+:\d\d\.\d{3}", stamp) for stamp in stamps)
    assert stamps == sorted(stamps) and len(set(stamps)) > 30
    page.get_by_label("Times of lines").select_option("clock")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", page.locator("log-view .line time").first.inner_text())
    # One stream alone, with the numbers of the whole log, while the run goes on. Which line of two streams that come at
    # the same moment is first, nobody says.
    early = warnings(page)
    page.get_by_label("Stream").select_option("err")
    numbered(page, *early)
    assert "stream=err" in page.url
    page.get_by_label("Search the whole log").fill("step")
    page.keyboard.press("Enter")
    page.get_by_text("Nothing found", exact=True).wait_for()
    page.get_by_label("Search the whole log").fill("warning 25")
    page.keyboard.press("Enter")
    page.get_by_text("1 of 1", exact=True).wait_for()
    assert page.locator("log-view .line.picked > a").inner_text() == str(early[2])
    gate.open()
    page.locator("log-view .line.err").nth(4).wait_for()
    every = warnings(page)
    assert every[:4] == early and len(every) == 5
    # The address has it: another look shows the same.
    studio.wait_for(run, "failed")
    page.reload()
    numbered(page, *every)
    page.get_by_role("button", name="Show all lines").click()
    numbered(page, *range(1, 47))
    # A part of the time: the two seconds at the end hold the late lines alone.
    newest_first(page)
    part_of_the_time(page)


def warnings(page: "Page") -> list[int]:
    return [int(number) for number in page.locator("log-view .line.err > a").all_inner_texts()]


def numbered(page: "Page", *lines: int) -> None:
    """Wait until these lines are shown and no others."""
    shown = "String([...document.querySelectorAll('log-view .line > a')].map((one) => one.textContent))"
    page.wait_for_function(f"(wanted) => {shown} === wanted", arg=",".join(map(str, lines)))


def newest_first(page: "Page") -> None:
    page.get_by_role("button", name="Newest first").click()
    tops = page.evaluate(
        "[...document.querySelectorAll('log-view .line')].map((row) => row.getBoundingClientRect().top)"
    )
    assert tops == sorted(tops, reverse=True), "the newest line is not on top"
    late = page.locator("log-view .line").last
    assert "a late warning" in late.inner_text()
    page.get_by_role("textbox", name="Go to line").fill("2")
    page.keyboard.press("Enter")
    page.locator("log-view .line.picked").get_by_text("step 1", exact=True).wait_for()
    page.get_by_role("button", name="Newest first").click()


def part_of_the_time(page: "Page") -> None:
    times = page.evaluate(
        "[...document.querySelectorAll('log-view [data-time]')].map((row) => Number(row.dataset.time))"
    )
    page.locator("[data-range] > summary").click()
    since = page.locator("[data-range] [name=from]")
    # What is there is filled in; somebody moves the beginning to the second of the last line.
    page.wait_for_function("document.querySelector('[data-range] [name=from]').value")
    last = page.evaluate(
        "(ms) => new Date(ms - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 19)", times[-1]
    )
    since.fill(last)
    page.locator("[data-range]").get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Show all lines").wait_for()
    numbered(page, *(at for at, time in enumerate(times, 1) if time >= times[-1] // 1000 * 1000))
    page.get_by_role("button", name="Show all lines").click()
