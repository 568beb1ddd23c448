"""What a run says, as a person sees it: every kind drawn, and more while it goes on."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

COUNTS = [[[5, 5, 0, 0], [3, 1, 4, 2], [0, 0, 5, 5]]] * 2
CHARTS = {
    "confusion_matrix": {"class_labels": ["a", "b"], "matrix": [[3, 1], [0, 5]]},
    "accuracy_table": {
        "probability_tables": COUNTS, "percentile_tables": COUNTS, "class_labels": ["a", "b"],
        "probability_thresholds": [0.0, 0.5, 1.0], "percentile_thresholds": [0.0, 0.5, 1.0],
    },
    "residuals": {"bin_edges": [-1.0, 0.0, 1.0], "bin_counts": [7, 2]},
    "predictions": {"bin_averages": [0.2, 0.8], "bin_errors": [0.1, 0.1], "bin_counts": [1, 2], "bin_edges": [0, 1, 2]},
}  # fmt: skip
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf50"
    "0f0003860181d9b0a4c00000000049454e44ae426082"
)


@pytest.fixture
def run(studio, monkeypatch, tmp_path):
    from zaffre.core import Experiment, Workspace

    monkeypatch.setenv("HOME", str(tmp_path))
    space = Workspace.get(studio.known["workspace"], url=studio.url, token=studio.known["token"])
    with Experiment(space, "saying").start_logging() as found:
        yield found


def test_every_kind_is_drawn_and_more_appears_while_the_run_goes_on(page: "Page", run, tmp_path):
    Path(tmp_path, "p.png").write_bytes(PICTURE)
    run.log("once", 0.125)
    run.log_list("twice", [1, 2])
    run.log("who", "svm <b>")
    run.log_row("rows", x=1, y=2.5)
    run.log_row("rows", x=2, y=3.5)
    run.log_image("picture", path=str(tmp_path / "p.png"))
    for kind, data in CHARTS.items():
        getattr(run, f"log_{kind}")(kind, {"data": data})
    run.flush()
    page.goto(f"/w/main/runs/{run.id}/metrics")

    def card(key: str):
        return page.locator(f'.item[data-key="{key}"]')

    card("predictions").locator("canvas").wait_for()
    assert page.locator('series-chart[metric="once"] .said').text_content() == "0.125"
    page.locator('series-chart[metric="twice"] canvas').wait_for()
    assert card("who").locator(".said").text_content() == "svm <b>"
    assert card("rows").locator("tbody tr").count() == 2
    card("rows").locator("canvas").wait_for()
    assert page.evaluate("document.querySelector('.item img').complete")
    assert card("picture").locator("img").evaluate("one => one.naturalWidth") == 1
    for key in ("accuracy_table", "residuals"):
        card(key).locator("canvas").wait_for()
    assert re.search(r"a · AUC 0\.\d{3}", card("accuracy_table").locator(".legend").text_content() or "")
    cells = card("confusion_matrix").locator("tbody td")
    assert cells.all_text_contents() == ["3", "1", "0", "5"]
    card("confusion_matrix").get_by_role("button", name="Shares").click()
    assert card("confusion_matrix").locator("tbody td").all_text_contents() == ["0.75", "0.25", "0.00", "1.00"]
    run.log_row("rows", x=3, y=4.5)
    run.log("later", "now")
    page.locator('.item[data-key="later"]').wait_for()
    page.wait_for_function("document.querySelectorAll('.item[data-key=rows] tbody tr').length === 3")
    child = run.child_run("fold 1")
    page.goto(f"/w/main/runs/{run.id}/children")
    page.get_by_role("link", name="fold 1").wait_for()
    run.child_run("fold 2").complete()
    page.get_by_role("link", name="fold 2").wait_for()
    child.complete()
    page.wait_for_function("document.querySelectorAll('#children .pill.ok').length >= 2")
