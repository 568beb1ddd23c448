"""Charts as a person uses them: one zoom for all, smoothing that changes no value, settings in the address, keys."""

import csv
import math
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

STEPS = 3000
SPIKE = 2000
READY = "(name) => document.querySelector(`series-chart[metric='${name}']`)?.whole?.size > 0"
#: The range of the x axis of each chart, and what it holds in it.
SHOWN = """() => {
  const charts = [...document.querySelectorAll('main series-chart')].filter((one) => one.plot && one.lines.length);
  return Object.fromEntries(charts.map((one) => {
    const [{ line }] = one.lines;
    const { min, max } = one.plot.scales.x;
    const high = Math.max(...(line.high || line.y));
    return [one.metric, { x: [min, max], points: line.x.length, high, soft: Boolean(one.soft(line)) }];
  }));
}"""


@pytest.fixture
def run(studio, monkeypatch, tmp_path):
    from zaffre.core import Experiment, Workspace

    monkeypatch.setenv("HOME", str(tmp_path))
    space = Workspace.get(studio.known["workspace"], url=studio.url, token=studio.known["token"])
    with Experiment(space, "charts").start_logging() as found:
        for step in range(STEPS):
            found.log("train/loss", 9.0 if step == SPIKE else math.exp(-step / 900), step=step)
            found.log("train/accuracy", 1 - math.exp(-step / 900), step=step)
        found.log("score <b>", 0.25)
        found.flush()
        yield found


def chart(page: "Page", name: str):
    return page.locator(f'main series-chart[metric="{name}"]')


def test_zoom_smoothing_settings_and_keys(page: "Page", run, tmp_path):
    page.goto(f"/w/main/runs/{run.id}/metrics")
    for name in ("train/loss", "train/accuracy"):
        page.wait_for_function(READY, arg=name)
        chart(page, name).locator("canvas").wait_for()
    assert page.locator("details[data-section=train] h2").first.text_content() == "train"
    assert chart(page, "score <b>").locator(".said").text_content() == "0.25"
    page.wait_for_function(f"({SHOWN})()['train/accuracy'].x[1] === {STEPS - 1}")
    before = page.evaluate(SHOWN)
    assert before["train/loss"]["points"] <= 800 and before["train/loss"]["high"] == 9
    # A part is dragged out in one chart: both show it, and both read it anew, with all its points and the spike.
    over = chart(page, "train/loss").locator(".u-over")
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 55, steps=6)
    page.mouse.up()
    page.wait_for_function(
        f"() => Object.values(({SHOWN})()).every((one) => one.x[0] > 1700 && one.x[1] < 2300 && one.points > 400)"
    )
    zoomed = page.evaluate(SHOWN)
    assert zoomed["train/loss"]["x"] == zoomed["train/accuracy"]["x"]
    assert zoomed["train/loss"]["high"] == 9
    # What comes meanwhile is said, and does not move the picture.
    for at in range(3):
        run.log("train/loss", 1.0, step=STEPS + at)
    run.flush()
    chart(page, "train/loss").get_by_role("button", name="3 new points").wait_for()
    assert page.evaluate(SHOWN)["train/loss"]["x"] == zoomed["train/loss"]["x"]
    over.dblclick()
    page.wait_for_function(
        f"({SHOWN})()['train/accuracy'].x[0] === 0 && ({SHOWN})()['train/loss'].x[1] === {STEPS + 2}"
    )
    # Smoothing is drawn; what is saved is what was logged.
    page.fill("chart-settings [name=by]", "0.9")
    page.check("chart-settings [name=logy]")
    page.wait_for_function(f"({SHOWN})()['train/loss'].soft")
    menu = chart(page, "train/loss").locator(".chart-menu")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    with page.expect_download() as saved:
        menu.get_by_role("button", name="CSV").click()
    with open(saved.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert max(float(row["high"]) for row in rows) == 9 and float(rows[0]["step"]) == 0
    assert page.url.endswith("?smooth=ema%3A0.9&logy=1")
    # The address brings all of it back.
    page.fill("[data-charts-find] input", "^train/(loss|nothing)$")
    page.wait_for_function("() => document.querySelectorAll('main series-chart').length === 1")
    page.reload()
    page.wait_for_function(f"({SHOWN})()['train/loss']?.soft")
    assert page.locator("main series-chart").count() == 1
    assert page.input_value("chart-settings [name=by]") == "0.9" and page.is_checked("chart-settings [name=logy]")
    page.fill("[data-charts-find] input", "train")
    page.wait_for_function("() => document.querySelectorAll('main series-chart canvas').length === 2")
    # By keys alone: crosshair, zoom, back, full screen, the next chart.
    chart(page, "train/loss").locator(".chart-place").focus()
    page.keyboard.press("ArrowRight")
    chart(page, "train/loss").locator(".chart-tip:not([hidden])").wait_for()
    assert "step" in (chart(page, "train/loss").locator(".chart-tip").text_content() or "")
    page.keyboard.press("+")
    page.wait_for_function(f"({SHOWN})()['train/accuracy'].x[1] < {STEPS - 500}")
    page.keyboard.press("0")
    page.wait_for_function(f"({SHOWN})()['train/accuracy'].x[1] >= {STEPS - 1}")
    page.keyboard.press("f")
    full = page.locator("dialog.chart-full")
    full.locator("canvas").wait_for()
    first = full.locator("series-chart").get_attribute("metric")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => document.querySelector('dialog.chart-full series-chart').metric !== '{first}'")
    page.keyboard.press("Escape")
    full.wait_for(state="hidden")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        page.screenshot(path=str(tmp_path / f"charts-{width}.png"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
