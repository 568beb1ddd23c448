"""The connection of an open page is lost, and comes back: what happened meanwhile is there, without a reload."""

from typing import TYPE_CHECKING

import pytest

from tests.e2e.waiting import LAST, has_lines, script
from tests.stack.running import Studio, until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route, WebSocketRoute

pytestmark = pytest.mark.browser

POINTS, LINES = 20, 200
TRAIN = script(POINTS, LINES) + 'raise SystemExit("Error: the disk of the moon is full")\n'
LOST = "The live connection is lost"


class Wire:
    """All that the page asks of the studio by itself; `cut` ends it until it is `mended`."""

    def __init__(self, page: "Page") -> None:
        self.down = False
        self.sockets: list[WebSocketRoute] = []
        page.route_web_socket("**/ws/**", self._socket)
        page.route("**/*", self._ask)

    def cut(self) -> None:
        self.down = True
        for socket in self.sockets:
            socket.close(code=1011)

    def mend(self) -> None:
        self.down = False

    def _socket(self, socket: "WebSocketRoute") -> None:
        if self.down:
            socket.close(code=1011)
        else:
            socket.connect_to_server()
            self.sockets.append(socket)

    def _ask(self, route: "Route") -> None:
        if self.down:
            route.abort("internetdisconnected")
        else:
            route.continue_()


def test_a_lost_connection_is_said_and_made_good(page: "Page", studio: Studio):
    run = studio.submit({"train.py": TRAIN}, experiment="lost")
    wire = Wire(page)
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}")
    page.wait_for_function(f"({LAST})() === 0")
    page.wait_for_selector("log-tail .line >> text=line 0")
    page.wait_for_selector("#run-head .pill.live")
    page.evaluate("() => void (window.stayed = true)")
    assert page.get_by_text(LOST).count() == 0
    wire.cut()
    page.get_by_text(LOST).wait_for()
    assert studio.ask("PATCH", f"{studio.ws}/runs/{run}", {"tags": {"go": "1"}}).status == 200
    until(lambda: studio.run(run)["status"] == "failed", "it ends")
    # Nothing came, what was there stays, and it is said still.
    assert page.evaluate(LAST) == 0 and page.get_by_text(LOST).is_visible()
    assert page.locator("#run-head .pill.live").count() == 1
    wire.mend()
    page.wait_for_function(f"({LAST})() === {POINTS - 1}")
    page.wait_for_selector("#run-head .pill.bad")
    page.get_by_text(LOST).wait_for(state="hidden")
    page.wait_for_function(has_lines(LINES))
    assert page.evaluate("() => window.stayed")
    # Why it failed leads to the line of the log that says so, by keyboard.
    page.get_by_text("The first error in the log").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/outputs**")
    picked = page.locator("log-view .line.picked")
    picked.get_by_text("Error: the disk of the moon is full").wait_for()
    assert picked.locator("a").first.inner_text() == str(LINES + 1)
