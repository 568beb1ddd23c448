"""A real studio with its node, and a real browser that has logged in."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gates import Gate
from tests.stack.running import Studio, running_studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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
#: Milliseconds that a page has on a slow machine.
PATIENCE = 180_000


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed (apt-get install chromium): no page was looked at in a browser.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def studio(chromium: "Browser", tmp_path_factory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture
def page(chromium: "Browser", studio: Studio) -> Iterator["Page"]:
    """Logged in as the administrator; an error that a script of ours throws fails the test."""
    # Playwright waits for conditions by `eval`, which the pages forbid; that they do is tested in tests/pages.
    context = chromium.new_context(viewport={"width": 1440, "height": 860}, base_url=studio.url, bypass_csp=True)
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    thrown: list[str] = []
    opened.on("pageerror", lambda error: thrown.append(str(error)))
    opened.goto("/login")
    opened.fill("[name=username]", studio.known["admin"])
    opened.fill("[name=password]", studio.known["password"])
    opened.click("main button[type=submit]")
    opened.wait_for_url("**/w/**")
    yield opened
    context.close()
    assert thrown == []


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Where a script waits until the test lets it go on."""
    found = Gate()
    yield found
    found.close()
