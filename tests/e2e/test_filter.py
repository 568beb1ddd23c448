"""The filter of the list of runs by the keyboard alone: suggestions, a mistake, a shared address."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_filter_is_completed_corrected_and_shared(page: "Page", studio: Studio):
    ws = studio.known["workspace"]
    for name, tag in (("one", "𝒳 day"), ("two", "night")):
        body = {"kind": "interactive", "experiment": "first", "name": name, "tags": {"time of day": tag}}
        assert studio.ask("POST", f"/api/v1/workspaces/{ws}/runs", body).status == 201
    page.goto(f"/w/{ws}/runs")
    box = page.get_by_role("combobox", name="Filter")
    options = page.get_by_role("option")
    page.keyboard.press("/")
    page.keyboard.type("time")
    options.get_by_text("tags.`time of day`").wait_for()
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    page.keyboard.press("Enter")
    assert box.input_value() == "tags.`time of day` "
    options.get_by_text("NOT IN").wait_for()
    page.keyboard.type("= ")
    options.get_by_text("'𝒳 day'").wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    assert box.input_value() == "tags.`time of day` = '𝒳 day' "
    page.keyboard.type("and stats = running")
    page.keyboard.press("Escape")
    assert box.get_attribute("aria-expanded") == "false"
    assert box.input_value().endswith("running")
    page.keyboard.press("Enter")
    # The mistake is marked, and chosen in the box to be typed over.
    page.locator(".filter-wrong mark", has_text="stats").wait_for()
    page.get_by_text("Did you mean 'status'?").wait_for()
    chosen = box.evaluate("box => box.value.slice(box.selectionStart, box.selectionEnd)")
    assert chosen == "stats"
    page.keyboard.type("status")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url("**filter=*status*")
    page.locator("#table").get_by_role("link", name="one").wait_for()
    assert page.locator("#table tbody tr").count() == 1
    page.goto(page.url)
    assert box.input_value() == "tags.`time of day` = '𝒳 day' and status = running"
    assert page.locator("#table tbody tr").count() == 1
    page.get_by_role("button", name="Help with filters").click()
    page.get_by_text("metrics.loss < 0.5").wait_for()
