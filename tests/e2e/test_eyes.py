"""Which runs the charts of a table draw, which charts there are, in which order: in the address and in a view."""

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.e2e.test_table import fill
from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
DRAWN = "() => [...document.querySelector('.strip series-chart')?.lines || []].map((one) => one.name).sort().join()"


def said(page: "Page") -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_lines(page: "Page", *names: str) -> None:
    page.wait_for_function(f"({DRAWN})() === '{','.join(names)}'")


def test_eyes_charts_and_their_order(page: "Page", studio: Studio):
    experiment = f"eyes-{uuid4().hex[:6]}"
    runs = fill(studio, experiment)
    ws = studio.known["workspace"]
    page.goto(f"/w/{ws}/experiments/{experiment}")
    wait_for_lines(page, "ant", "bee", "cat", "dog")
    eye = page.get_by_role("button", name="Show bee in charts")
    assert eye.get_attribute("aria-pressed") == "true"
    eye.press("Enter")
    wait_for_lines(page, "ant", "cat", "dog")
    assert said(page)["eyes"] == f",-{runs['bee']}" and eye.get_attribute("aria-pressed") == "false"
    shown = page.locator(".strip chart-settings select[name=shown]")
    assert shown.evaluate("(one) => one.selectedOptions[0].textContent") == "As chosen"
    shown.select_option("going")
    wait_for_lines(page, "dog")
    assert page.locator("[data-eye][aria-pressed=true]").count() == 1
    # Scatter and parallel coordinates of what is shown, beside the lines; by keys to another place.
    shown.select_option("all")
    add = page.get_by_label("Add a chart")
    for kind in ("Scatter", "Parallel coordinates"):
        add.focus()
        add.select_option(label=kind)
        page.locator(f".plot-card:has-text('{kind}') svg [data-run]").first.wait_for(state="attached")
    assert page.locator(".plot-card svg circle[data-run]").count() == 4
    page.get_by_role("button", name="Move this chart: Scatter").press("ArrowLeft")
    assert said(page)["strip"] == "~scatter;loss;~parallel"
    assert page.evaluate("document.activeElement.ariaLabel") == "Move this chart: Scatter"
    page.get_by_role("button", name="Take this chart away: Scatter").click()
    assert said(page)["strip"] == "loss;~parallel"
    page.get_by_role("button", name="Move this chart: Parallel coordinates").hover()
    page.mouse.down()
    line = page.locator(".strip series-chart").bounding_box()
    assert line is not None
    page.mouse.move(line["x"] + 40, line["y"] + 60, steps=6)
    page.mouse.up()
    page.wait_for_function("() => location.search.includes('strip=%7Eparallel')")
    assert said(page)["strip"] == "~parallel;loss"
    # A range of an axis chooses runs, and these become the selection.
    page.locator("[data-axis='metrics.loss']").focus()
    for _ in range(10):
        page.keyboard.press("ArrowUp")
    page.get_by_role("button", name=re.compile("Select these")).click()
    page.locator("[data-many]", has_text="2 selected").wait_for()
    # A view keeps all of it, and an order that is asked for afterwards does not lose it.
    page.locator("details.drop summary", has_text="Views").press("Enter")
    page.get_by_role("button", name="Save this view…").press("Enter")
    page.locator("#view-save input[name=name]").fill(experiment)
    page.keyboard.press("Enter")
    page.wait_for_url("**view=*")
    assert said(page)["strip"] == "~parallel;loss" and said(page)["eyes"] == "all" and "brush" in said(page)["plots"]
    page.get_by_role("button", name="Show ant in charts").click()
    page.get_by_role("link", name="loss", exact=True).click()
    page.wait_for_url("**order_by=*")
    assert said(page)["eyes"] == f"all,-{runs['ant']}" and said(page)["strip"] == "~parallel;loss"
    wait_for_lines(page, "bee", "cat", "dog")
    # Groups are lines with a band, and their dots are those of the rows.
    page.goto(f"/w/{ws}/experiments/{experiment}?group=params.model&columns=metrics.loss")
    wait_for_lines(page, "cnn", "mlp")
    band = "() => document.querySelector('.strip series-chart').lines.every((one) => one.line.low[0] < one.line.y[0])"
    page.wait_for_function(band)
    page.locator(".strip chart-settings select[name=band]").select_option("std")
    page.wait_for_function(band)
    assert said(page)["std"] == "1"
    menu = page.locator(".strip series-chart .chart-menu")
    menu.locator("summary").click()
    with page.expect_download() as saved:
        menu.get_by_role("button", name="SVG").click()
    with open(saved.value.path()) as file:
        svg = file.read()
    assert svg.count("data-run=") == 2 and ">mlp</text>" in svg and "fill-opacity" in svg
    page.set_viewport_size({"width": 390, "height": 860})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_arrangement_is_found_again_without_its_address(page: "Page", studio: Studio):
    experiment = f"arranged-{uuid4().hex[:6]}"
    runs = fill(studio, experiment)
    for run in runs.values():
        body = {"batch": str(uuid4()), "points": [["accuracy", 0.5, 1]]}
        assert studio.ask("POST", f"{studio.ws}/runs/{run}/metrics", body).status in {200, 409}
    home = f"/w/{studio.known['workspace']}"
    page.goto(f"{home}/experiments/{experiment}")
    page.get_by_label("Add a chart").select_option(label="Scatter")
    page.get_by_role("button", name="Move this chart: Scatter").press("ArrowLeft")
    wanted = said(page)["strip"]
    assert wanted.endswith("~scatter;loss")
    page.goto(f"{home}/experiments/{experiment}")
    page.locator(".plot-card svg circle[data-run]").first.wait_for(state="attached")
    assert said(page)["strip"] == wanted
    # An address that says something else is the truth, and that of another experiment is not asked.
    page.goto(f"{home}/experiments/{experiment}?strip=loss")
    wait_for_lines(page, "ant", "bee", "cat", "dog")
    assert said(page)["strip"] == "loss" and page.locator(".plot-card").count() == 0
    # The cards of a run: moved in one, found so in another, and in a comparison of both.
    page.goto(f"{home}/runs/{runs['dog']}/metrics")
    names = page.locator("chart-board .chart-section:not([data-section='system/']) .chart-name")
    names.nth(1).wait_for()
    first, second = names.all_inner_texts()[:2]
    page.get_by_role("button", name=f"Move this chart: {second}").press("ArrowLeft")
    assert names.all_inner_texts()[:2] == [second, first]
    page.goto(f"{home}/compare?run={runs['dog']}&run={runs['cat']}")
    names.nth(1).wait_for()
    assert names.all_inner_texts()[:2] == [second, first] and said(page)["order"]
    page.get_by_role("button", name="Usual order").press("Enter")
    page.wait_for_function("!location.search.includes('order=')")
    assert names.all_inner_texts()[:2] == [first, second]


def test_groups_of_single_values_are_bars(page: "Page", studio: Studio):
    experiment = f"bars-{uuid4().hex[:6]}"
    for model, score in (("mlp", 0.2), ("mlp", 0.4), ("cnn", 0.6), ("cnn", 1)):
        run = studio.ask("POST", f"{studio.ws}/runs", {"kind": "interactive", "experiment": experiment}).json["id"]
        logged = {"batch": str(uuid4()), "points": [["score", score, 0]], "params": {"model": model}}
        assert studio.ask("POST", f"{studio.ws}/runs/{run}/metrics", logged).status == 200
    page.goto(f"/w/{studio.known['workspace']}/experiments/{experiment}?group=params.model&columns=metrics.score")
    bars = page.locator(".strip .chart-bar")
    page.wait_for_function("document.querySelectorAll('.strip .chart-bar').length === 2")
    assert sorted(bar.split() for bar in bars.all_inner_texts()) == [["cnn", "0.8"], ["mlp", "0.3"]]
    assert bars.first.get_attribute("title") in {"cnn: 0.6 – 1", "mlp: 0.2 – 0.4"}
