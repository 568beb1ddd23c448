"""From a point of a run's chart to the lines of the log of that moment, and tables of several runs as one."""

import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def begin(studio: Studio, experiment: str, name: str) -> str:
    made = studio.ask("POST", f"{studio.ws}/runs", {"kind": "interactive", "experiment": experiment, "name": name})
    assert made.status == 201, made.body
    return made.json["id"]


def test_a_moment_of_a_chart_leads_to_its_lines_of_the_log(page: "Page", studio: Studio):
    run = begin(studio, f"moment-{uuid4().hex[:6]}", "ant")
    start = int(time.time() * 1000) - 100_000
    points = [["loss", 100 - step, step, start + step * 1000] for step in range(100)]
    logged = {"batch": str(uuid4()), "points": points}
    assert studio.ask("POST", f"{studio.ws}/runs/{run}/metrics", logged).status == 200
    lines = [b"step %d\n" % step for step in range(100)]
    marks = [f"{len(lines[step - 1]) if step else 0}.{1000 if step else start}.1" for step in range(100)]
    text = b"".join(lines)
    sent = {"Content-Range": f"bytes 0-{len(text) - 1}/*", "X-Log-Marks": " ".join(marks)}
    assert studio.ask("PATCH", f"{studio.ws}/runs/{run}/log", text, headers=sent).status == 202
    ws = studio.known["workspace"]
    for words in ("", "?x=relative", "?x=time"):
        page.goto(f"/w/{ws}/runs/{run}/metrics{words}")
        over = page.locator("main series-chart .u-over")
        over.wait_for()
        page.wait_for_function("() => document.querySelector('main series-chart')?.shown?.length")
        box = over.bounding_box()
        assert box is not None
        # A click in the middle of the chart: the middle of the log.
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        moment = page.get_by_role("dialog", name="Log at this moment")
        moment.locator(".now").wait_for()
        told = moment.locator(".now").inner_text()
        assert 45 <= int(told.split("step ")[1]) <= 55, told
        assert moment.locator("li").count() == 12
        page.keyboard.press("Escape")
        moment.wait_for(state="detached")
    # By keys: the crosshair to the first point, then its lines, then the log itself.
    page.goto(f"/w/{ws}/runs/{run}/metrics")
    page.wait_for_function("() => document.querySelector('main series-chart')?.shown?.length")
    page.locator("main series-chart .chart-place").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    link = page.get_by_role("link", name="Open the log at line")
    link.wait_for()
    number = int((link.text_content() or "").split()[-1])
    assert 2 <= number <= 6
    link.press("Enter")
    page.wait_for_url(f"**/outputs#L{number}")
    page.locator(".line.picked", has_text=f"step {number - 1}").wait_for()


def test_logged_tables_of_runs_are_one_table_with_a_step(page: "Page", studio: Studio):
    ids = [begin(studio, f"tables-{uuid4().hex[:6]}", name) for name in ("calm_heron", "bold_finch")]
    for run in ids:
        tables = [
            {"key": "errors", "kind": "table", "step": step, "value": {"class": ["cat", "dog"], "count": [step, 10]}}
            for step in (1, 2)
        ]
        logged = {"batch": str(uuid4()), "items": tables}
        assert studio.ask("POST", f"{studio.ws}/runs/{run}/metrics", logged).status == 200
    page.goto(f"/w/{studio.known['workspace']}/compare?run={ids[0]}&run={ids[1]}&tab=tables")
    rows = page.locator("table-steps tbody tr:visible")
    assert rows.count() == 8
    assert page.locator("table-steps td a.name", has_text="calm_heron").count() == 4
    # Ctrl with the arrow, wherever one is in the table: one step back, and one more.
    page.locator("table-steps .scroll").focus()
    page.keyboard.press("Control+ArrowLeft")
    page.locator("table-steps output", has_text="2").wait_for()
    assert rows.count() == 4
    page.keyboard.press("Control+ArrowLeft")
    page.locator("table-steps output", has_text="1").wait_for()
    assert next(row.split() for row in rows.all_inner_texts()) == ["calm_heron", "1", "cat", "1"]
