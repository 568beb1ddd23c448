"""Three runs beside each other while one of them runs, and what was seen as a report that somebody else opens."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.e2e.conftest import PATIENCE
from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CODE = "def train(lr=0.1):\n    return lr\n"


def log(studio: Studio, run: str, **more: Any) -> None:
    answer = studio.ask("POST", f"{studio.ws}/runs/{run}/metrics", {"batch": str(uuid4()), **more})
    assert answer.status == 200, answer.body


@pytest.fixture
def three(studio: Studio) -> list[str]:
    ids = []
    for name, lr, loss in (("calm_heron", "0.1", 3), ("bold_finch", "0.2", 1), ("shy_lynx", "0.5", 2)):
        files = {"train.py": CODE.replace("0.1", lr), "same.py": "1\n"}
        body = {"kind": "interactive", "experiment": "side by side", "name": name, "snapshot": studio.upload(files)}
        made = studio.ask("POST", f"{studio.ws}/runs", body)
        assert made.status == 201, made.body
        ids.append(made.json["id"])
        points = [["loss", loss / (step + 1), step] for step in range(20)]
        tables = [{"key": "errors", "kind": "table", "value": {"n": [step]}, "step": step} for step in (1, 2)]
        log(studio, ids[-1], points=points, params={"lr": lr, "depth": "3"}, items=tables)
    for run in ids[:2]:
        assert studio.ask("POST", f"{studio.ws}/runs/{run}/end", {"status": "completed"}).status == 200
    return ids


def address(studio: Studio, ids: list[str], tab: str) -> str:
    return f"/w/{studio.known['workspace']}/compare?" + "&".join(f"run={one}" for one in ids) + f"&tab={tab}"


def test_differences_while_a_run_goes_on(page: "Page", studio: Studio, three: list[str]):
    page.goto(address(studio, three, "details"))
    rows = page.locator("#comparison tr[data-key]:visible")
    rows.first.wait_for()
    assert page.locator("#comparison tr[data-key=depth]").is_visible()
    page.get_by_label("Only differences").check()
    page.locator("#comparison tr[data-key=depth]").wait_for(state="hidden")
    assert page.locator("#comparison tr[data-key=lr]").is_visible()
    assert "only=1" in page.url
    page.reload()
    page.locator("#comparison tr[data-key=lr]").wait_for()
    assert not page.locator("#comparison tr[data-key=depth]").is_visible()
    page.get_by_label("Search the rows").fill("^(lr|depth)$")
    page.wait_for_function("document.querySelectorAll('#comparison tr[data-key]:not([hidden])').length === 1")
    page.get_by_label("Search the rows").fill("")
    page.locator("h1").click()
    page.keyboard.press("n")
    assert page.locator("#comparison tr[data-at]").count() == 1
    # Switches go along to the next tab, and stay while what runs writes new numbers into the table.
    page.get_by_role("link", name="Metrics").click()
    cell = page.locator("#comparison tr[data-key=loss] td").nth(2)
    cell.get_by_text("0.1").first.wait_for()
    assert page.get_by_label("Only differences").is_checked()
    log(studio, three[2], points=[["loss", 0.0125, 20], ["later", 1, 20]])
    cell.get_by_text("0.0125").wait_for()
    page.locator("#comparison tr[data-key=later]").wait_for()
    # A run is taken out and put in again by its name, with the keyboard.
    page.get_by_role("button", name="Take bold_finch out").click()
    page.locator("#compared li").nth(2).wait_for(state="detached")
    page.get_by_role("combobox", name="Add a run").fill("bold")
    page.get_by_role("option", name="bold_finch").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#compared li").nth(2).wait_for()
    assert "tab=metrics" in page.url and "only=1" in page.url


def test_an_eye_hides_a_run_on_every_tab_and_in_a_report(page: "Page", studio: Studio, three: list[str]):
    gone = three[1]
    page.goto(address(studio, three, "metrics"))
    heads = page.locator(".compare-table thead th[data-run]:visible")
    heads.nth(2).wait_for()
    eye = page.get_by_role("button", name="Show bold_finch")
    eye.press("Enter")
    page.get_by_text("1 run is hidden.").wait_for()
    assert heads.count() == 2 and f"-{gone}" in page.url and eye.get_attribute("aria-pressed") == "false"
    # What is read anew keeps it hidden.
    log(studio, three[2], points=[["loss", 0.0125, 20]])
    page.locator("#comparison").get_by_text("0.0125").wait_for()
    assert page.locator("#comparison tr[data-key=loss] td:visible").count() == 2
    page.get_by_role("link", name="Tables").click()
    rows = page.locator(".merged tbody tr:visible")
    rows.first.wait_for()
    assert rows.count() == 4
    page.get_by_text("4 rows", exact=True).wait_for()  # not those of the hidden run
    slider = page.get_by_label("Step")
    slider.press("Home")
    page.locator(".merged tbody tr:visible").nth(2).wait_for(state="detached")
    log(studio, three[2], items=[{"key": "errors", "kind": "table", "value": {"n": [3]}, "step": 3}])
    page.locator(".merged tbody tr").nth(6).wait_for(state="attached")
    page.get_by_text("2 rows", exact=True).wait_for()
    assert rows.count() == 2 and "step 1" in page.locator(".merged output").inner_text()
    for tab in ("Parallel coordinates", "Box", "Scatter"):
        page.get_by_role("link", name=tab).click()
        marks = page.locator("compare-plot :is(circle, polyline)[data-run]")
        marks.nth(1).wait_for(state="attached")
        assert marks.count() == 2 and page.locator(f"compare-plot [data-run='{gone}']").count() == 0
    page.get_by_label("Colour", exact=True).select_option("metrics.loss")
    page.get_by_label("Contours").check()
    page.locator("compare-plot [data-contours] rect").first.wait_for(state="attached")
    page.get_by_role("button", name="Save as report").click()
    page.fill("#save [name=title]", "Two of three")
    page.locator("#save button[type=submit]").click()
    page.wait_for_url("**/reports/*")
    page.locator("compare-plot circle[data-run]").nth(1).wait_for()
    assert page.locator(f"compare-plot [data-run='{gone}']").count() == 0
    page.go_back()
    page.locator("compare-plot circle[data-run]").nth(1).wait_for()
    page.get_by_role("button", name="Show all runs").press("Enter")
    page.locator("compare-plot circle[data-run]").nth(2).wait_for()
    assert page.locator("[data-unseen]").is_hidden()


@pytest.mark.parametrize("heard", [True, False])
def test_tables_read_when_something_was_logged_and_by_the_clock_without_a_socket(
    page: "Page", studio: Studio, three: list[str], heard: bool
):
    if not heard:
        page.route_web_socket("**/ws/w/*/chart", lambda socket: socket.close())
    asked: list[str] = []
    page.on("request", lambda request: "/compare?" in request.url and asked.append(request.url))
    page.goto(address(studio, three, "metrics"))
    page.wait_for_function("document.querySelector('compare-live')?.bell?.seqs.size" if heard else "true")
    page.wait_for_timeout(2500)
    asked.clear()
    page.wait_for_timeout(9000)
    assert bool(asked) is not heard
    log(studio, three[2], points=[["loss", 0.0125, 20]])
    page.locator("#comparison").get_by_text("0.0125").wait_for()


LINES = """() => {
  const chart = document.querySelector("main series-chart[metric=loss]");
  return Object.fromEntries((chart?.shown || []).map(({ name, line }) => [name, line.y.slice(0, 2)]));
}"""


def test_lines_as_differences_from_the_baseline(page: "Page", studio: Studio, three: list[str]):
    page.goto(address(studio, three, "charts"))
    chart = page.locator("main series-chart[metric=loss]")
    page.wait_for_function(f"({LINES})().shy_lynx?.[1] === 1")
    difference = page.get_by_label("Difference from the baseline")
    difference.focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"({LINES})().shy_lynx?.[1] === -0.5")
    assert page.evaluate(LINES) == {"calm_heron": [0, 0], "bold_finch": [-2, -1], "shy_lynx": [-1, -0.5]}
    assert chart.locator(".chart-less").text_content() == "− calm_heron"
    # Of what is logged meanwhile the baseline has nothing at this step: no difference is made up.
    log(studio, three[2], points=[["loss", 0.5, 20]])
    page.wait_for_function("document.querySelector('main series-chart[metric=loss]').lines[2].line.y[20] === null")
    # It is in the address, and needs the baseline's points only, not its line.
    page.get_by_role("button", name="Show calm_heron").click()
    page.wait_for_function(f"Object.keys(({LINES})()).length === 2")
    assert "diff=1" in page.url
    page.reload()
    page.wait_for_function(f"({LINES})().bold_finch?.[0] === -2 && !({LINES})().calm_heron")
    assert page.get_by_label("Difference from the baseline").is_checked()
    chart.locator(".chart-menu summary").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save data as CSV").click()
    rows = [line.split(",") for line in saved.value.path().read_text().splitlines()]
    assert rows[0][3:] == ["value", "low", "high", "difference"]
    assert next(row for row in rows if row[1:3] == ["shy_lynx", "1"])[3:] == ["1", "", "", "-0.5"]
    page.get_by_role("button", name="Take bold_finch as the baseline").click()
    page.wait_for_function(f"({LINES})().shy_lynx?.[0] === 1")
    assert page.locator("series-chart[metric=loss] .chart-less").text_content() == "− bold_finch"


def test_drawings_have_marks_and_a_brush_that_stays(page: "Page", studio: Studio, three: list[str]):
    page.goto(address(studio, three, "charts"))
    page.wait_for_selector("series-chart[metric=loss] canvas")
    page.goto(address(studio, three, "parallel"))
    # It may be drawn again with the width that it has got meanwhile.
    lines = "[...document.querySelectorAll('compare-plot polyline[data-run]')]"
    page.wait_for_function(f"() => {lines}.filter((one) => one.getBoundingClientRect().width > 100).length === 3")
    axis = page.locator("[data-axis='params.lr']")
    box = axis.bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] * 0.3, steps=4)
    page.mouse.move(middle, box["y"] + box["height"] * 0.85, steps=4)
    page.mouse.up()
    page.get_by_text("2 of 3 runs").wait_for()
    assert "brush=" in page.url
    log(studio, three[2], points=[["loss", 9.5, 30]])
    page.locator("compare-plot details summary").click()
    page.locator("compare-plot details td", has_text="9.5").wait_for()
    page.get_by_text("2 of 3 runs").wait_for()
    axis.focus()
    page.keyboard.press("Escape")
    page.get_by_text("3 of 3 runs").wait_for()
    with page.expect_download() as loading:
        page.get_by_role("button", name="CSV").click()
    assert b"calm_heron" in loading.value.path().read_bytes()
    for kind in ("SVG", "PNG"):
        with page.expect_download() as loading:
            page.get_by_role("button", name=kind).click()
        assert loading.value.path().stat().st_size > 1500
    for tab, mark in (("scatter", "circle[data-run]"), ("box", "circle[data-run]")):
        page.goto(address(studio, three, tab))
        page.locator(f"compare-plot {mark}").nth(2).wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in ("details", "metrics", "parallel", "scatter", "box", "code", "packages", "images"):
        page.goto(address(studio, three, tab))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_code_and_a_report_that_another_member_opens(
    page: "Page", studio: Studio, three: list[str], chromium: "Browser"
):
    page.goto(address(studio, three, "code"))
    page.locator(".code-diff ins", has_text="2").wait_for()
    page.get_by_role("link", name="Unified").click()
    page.locator(".code-diff.unified tr.added").wait_for()
    page.goto(address(studio, three, "parallel"))
    page.locator("compare-plot polyline[data-run]").nth(2).wait_for()
    page.get_by_label("loss: logarithmic").click()
    page.wait_for_url("**log=metrics.loss**")
    page.get_by_role("button", name="Save as report").click()
    page.fill("#save [name=title]", "Side by side")
    page.fill("#save textarea", "# Found\n\nThe *first* is the best. <script>alert(1)</script>")
    page.locator("#save button[type=submit]").click()
    page.wait_for_url("**/reports/*")
    page.get_by_role("heading", name="Found").wait_for()
    link = page.url
    password = "a long enough password"
    assert studio.ask("POST", "/api/v1/users", {"username": "rio", "password": password}).status == 201
    member = {"username": "rio", "role": "reader"}
    assert studio.ask("POST", f"{studio.ws}/members", member).status == 201
    # With the policy in force, as people have it: nothing of ours may need what it forbids.
    context = chromium.new_context(base_url=studio.url)
    context.set_default_timeout(PATIENCE)
    other = context.new_page()
    said: list[str] = []
    other.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    other.on("pageerror", lambda error: said.append(str(error)))
    other.goto(link)
    other.fill("[name=username]", "rio")
    other.fill("[name=password]", password)
    other.click("main button[type=submit]")
    other.get_by_role("heading", name="Found").wait_for()
    other.get_by_text("<script>alert(1)</script>").wait_for()
    other.locator("compare-plot polyline[data-run]").nth(2).wait_for()
    assert other.locator("compare-plot text", has_text="log").count() > 0
    assert other.get_by_role("link", name="Edit").count() == 0
    assert said == []
    context.close()
