"""The logs of a run and of those below it in one view, ordered by time, while they are written."""

import time
from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


PARENT = """
import socket
from zaffre.core import Run
run = Run.get_context()
children = [run.child_run(name=name) for name in ("fold-one", "fold-two")]
print("the folds begin")
print("ids", *[child.id for child in children])
socket.create_connection(("127.0.0.1", GATE)).recv(1)
print("the folds end")
for child in children:
    child.complete()
"""


def test_children_of_a_run_side_by_side(page: "Page", studio: Studio, gate):
    run = studio.submit({"train.py": PARENT.replace("GATE", str(gate.port))})
    studio.wait_for_log(run, b"ids ")
    ids = next(line for line in studio.log(run).decode().splitlines() if line.startswith("ids ")).split()[1:]
    token = studio.known["token"]
    begun = int(time.time() * 1000)

    def say(child: str, at: int, text: str, moment: int) -> int:
        data = text.encode() + b"\n"
        where = {"Content-Range": f"bytes {at}-{at + len(data) - 1}/*", "X-Log-Marks": f"0.{begun + moment}.1"}
        answer = studio.ask("PATCH", f"{studio.ws}/runs/{child}/log", data, token=token, headers=where)
        assert answer.status == 202, answer.body
        return at + len(data)

    places = [say(ids[0], 0, "one begins", 5000), say(ids[1], 0, "two begins", 5001)]
    places[0] = say(ids[0], places[0], "one learns", 5002)
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}/outputs")
    page.get_by_role("link", name="All runs together").click()
    rows = page.locator("merged-log .line")
    rows.get_by_text("one learns").wait_for()
    shown = "[...document.querySelectorAll('merged-log .line > span')].map((one) => one.textContent)"
    assert page.evaluate(shown)[-3:] == ["one begins", "two begins", "one learns"]
    assert rows.last.locator("b").inner_text() == "fold-one"
    # What is written while somebody looks appears below.
    say(ids[1], places[1], "two learns", 6000)
    rows.get_by_text("two learns").wait_for()
    # One run put aside, and back.
    page.get_by_role("checkbox", name="fold-one").uncheck()
    rows.get_by_text("one learns").wait_for(state="detached")
    rows.get_by_text("two learns").wait_for()
    page.get_by_role("checkbox", name="fold-one").check()
    rows.get_by_text("one learns").wait_for()
    # A search over all of them; a hit is a link to the line in its own log.
    page.get_by_label("Search all logs").fill("learns")
    page.keyboard.press("Enter")
    page.get_by_text("2 lines", exact=True).wait_for()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("[data-found] a").first.click()
    page.locator("log-view .line.picked").get_by_text("one learns").wait_for()
    gate.open()
    studio.wait_for_log(run, b"the folds end")
