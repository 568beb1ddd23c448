"""Heads and rows of a table as a person uses them: filters below heads, widths, the menu of a row, runs below runs."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.e2e.test_table import fill, names
from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def said(page: "Page") -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(page.url).query).items()}


def head(page: "Page", column: str):
    return page.locator(f'#table th[data-column="{column}"]')


def width(page: "Page", column: str) -> int:
    return round(head(page, column).evaluate("(one) => one.offsetWidth"))


def test_heads_filter_and_change_their_width(page: "Page", studio: Studio):
    experiment = f"heads-{uuid4().hex[:6]}"
    fill(studio, experiment)
    ws = studio.known["workspace"]
    page.goto(f"/w/{ws}/experiments/{experiment}")
    # By keys alone: open, choose, apply. The box of the filter says it, too.
    opener = page.get_by_role("button", name="Filter and order by model")
    opener.press("Enter")
    menu = page.get_by_role("dialog", name="Filter and order by model")
    menu.get_by_label("mlp").press("Space")
    menu.get_by_role("button", name="Apply").press("Enter")
    page.wait_for_url("**filter=*")
    assert page.locator("filter-box input").input_value() == "params.model = 'mlp'"
    assert names(page) == ["bee", "ant"]
    page.get_by_role("button", name="Filter and order by loss").click()
    menu = page.get_by_role("dialog", name="Filter and order by loss")
    menu.get_by_label("From").fill("1")
    menu.get_by_label("From").press("Enter")
    page.wait_for_url("**metrics.loss*")
    assert names(page) == ["ant"]
    # The chip of one part takes it away, and the other stays.
    page.get_by_role("link", name="Without params.model").click()
    page.wait_for_function("() => !location.search.includes('model')")
    assert said(page)["filter"] == "metrics.loss >= 1" and names(page) == ["ant"]
    page.get_by_role("button", name="Filter and order by loss").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    page.wait_for_function("() => !location.search.includes('filter')")
    assert names(page) == ["dog", "cat", "bee", "ant"]
    # Escape gives the focus back to where it was.
    opener = page.get_by_role("button", name="Filter and order by Run")
    opener.press("Enter")
    page.get_by_role("dialog").get_by_label("Contains").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.activeElement?.closest('th')?.dataset.column === 'name'")
    # Widths: by the pointer, by keys, and as wide as what is in it; the address keeps them.
    grip = head(page, "metrics.loss").locator(".grip").bounding_box()
    assert grip is not None
    before = width(page, "metrics.loss")
    page.mouse.move(grip["x"] + 3, grip["y"] + 12)
    page.mouse.down()
    page.mouse.move(grip["x"] + 93, grip["y"] + 12, steps=5)
    page.mouse.up()
    assert width(page, "metrics.loss") == before + 90
    assert said(page)["widths"] == f"{before + 90}:metrics.loss"
    page.get_by_role("button", name="Filter and order by model").click()
    page.get_by_role("button", name="Change the width").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert said(page)["widths"].endswith(":params.model")
    page.reload()
    page.wait_for_function(
        f"() => document.querySelector('th[data-column=\"metrics.loss\"]').offsetWidth === {before + 90}"
    )
    head(page, "metrics.loss").locator(".grip").dblclick()
    page.wait_for_function(
        f"() => document.querySelector('th[data-column=\"metrics.loss\"]').offsetWidth < {before + 60}"
    )
    # A filter that is typed afterwards keeps them.
    page.locator("filter-box input").fill("bee")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url("**filter=bee*")
    assert "params.model" in said(page)["widths"]


def test_the_menu_of_a_row_and_the_runs_below_it(page: "Page", studio: Studio):
    experiment = f"rows-{uuid4().hex[:6]}"
    runs = fill(studio, experiment)
    made = studio.ask(
        "POST",
        f"{studio.ws}/runs",
        {"kind": "interactive", "experiment": experiment, "name": "pup", "parent": runs["dog"]},
    )
    assert made.status == 201, made.body
    page.goto(f"/w/{studio.known['workspace']}/experiments/{experiment}?nest=1")
    assert names(page) == ["dog", "cat", "bee", "ant"]
    # Opened in place, also when the table is read anew meanwhile.
    page.get_by_role("button", name="Runs below dog").press("Enter")
    page.locator("tr[data-depth] a.name", has_text="pup").wait_for()
    assert names(page) == ["dog", "pup", "cat", "bee", "ant"]
    assert studio.ask("POST", f"{studio.ws}/runs/{made.json['id']}/end", {"status": "completed"}).status == 200
    page.locator("tr[data-depth] .pill", has_text="Completed").wait_for()
    assert names(page) == ["dog", "pup", "cat", "bee", "ant"]
    # By the pointer: the row under it; Escape gives the focus to it.
    page.get_by_role("link", name="bee").click(button="right")
    menu = page.get_by_role("menu", name="What can be done to bee")
    menu.wait_for()
    page.keyboard.press("Escape")
    menu.wait_for(state="detached")
    page.wait_for_function("() => document.activeElement?.title === 'bee'")
    # By the key: what is selected, together.
    page.keyboard.press("Escape")
    page.locator("tr", has_text="cat").locator("input").check()
    page.get_by_role("link", name="ant").focus()
    page.keyboard.press("x")
    page.locator("[data-many]", has_text="2 selected").wait_for()
    page.keyboard.press("Shift+F10")
    page.get_by_role("menu").wait_for()
    page.keyboard.press("T")
    page.keyboard.press("Enter")
    page.locator("#bulk-tag input[name=tag-key]").fill("team")
    page.locator("#bulk-tag input[name=tag-value]").fill("vision")
    page.keyboard.press("Enter")
    page.locator("[data-note]", has_text="Tagged: 2").wait_for()
    found = {name: studio.ask("GET", f"{studio.ws}/runs/{run}").json["tags"] for name, run in runs.items()}
    assert {name for name, tags in found.items() if tags.get("team") == "vision"} == {"ant", "cat"}
    # Both get a colour, which the table shows at once and the page of a run, too.
    page.get_by_role("button", name="Colour…").press("Enter")
    page.get_by_role("dialog", name="Colour of runs").get_by_role("button", name="Colour 8").press("Enter")
    page.locator("td.first.dot-7", has_text="ant").wait_for()
    page.locator("td.first.dot-7", has_text="cat").wait_for()
    assert {studio.ask("GET", f"{studio.ws}/runs/{runs[name]}").json["colour"] for name in ("ant", "cat")} == {7}
    # Who comes back finds the table where it was.
    page.set_viewport_size({"width": 390, "height": 860})
    page.locator("#table .scroll").evaluate("(one) => one.scrollTo({ left: 90, behavior: 'instant' })")
    page.goto(f"/w/{studio.known['workspace']}/experiments")
    page.go_back()
    page.wait_for_function("() => document.querySelector('#table .scroll')?.scrollLeft === 90")
