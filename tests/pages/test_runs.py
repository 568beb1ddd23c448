"""What the page of a run says of its steps, its node and its charts."""

import gzip
import re

from runs.models import Run
from runs.sections import tree
from tests.runs.telemetry import make_run  # noqa: F401 - a fixture


def test_a_script_that_failed_turns_its_own_step_red(make_run, browser):  # noqa: F811
    run = make_run(status="failed")
    steps = [
        {
            "name": name,
            "state": "done",
            "note": "1 file, 7 B",
            "started": "2026-01-01T00:00:00Z",
            "ended": "2026-01-01T00:00:01Z",
        }
        for name in ("snapshot", "running", "outputs")
    ]
    Run.objects.filter(pk=run.id).update(exit_code=3, steps=steps, reason="The script ended with exit code 3.")
    page = browser("olga").get(f"/w/lab/runs/{run.id}").content.decode()
    assert re.findall(r'<li class="(\w*)"', page) == ["done", "failed", "done"]
    assert "1 file, 7 B" in page
    assert "exit code 3" in page


SERIES = {"kind": "list", "last": 0.25, "last_step": 2, "latest": [2, 2, 0.25], "min": 0.25, "max": 0.5, "count": 2}


def test_what_was_sampled_of_the_machine_stands_apart(make_run, browser):  # noqa: F811
    run = make_run()
    found = {
        "loss": SERIES,
        "system/processes": {**SERIES, "last": 77},
        "who": {"kind": "text", "count": 1, "last": "x"},
    }
    Run.objects.filter(pk=run.id).update(metrics=found)
    page = browser("olga").get(f"/w/lab/runs/{run.id}/metrics").content.decode()
    assert re.findall(r"<tr><td[^>]*>([^<]*)</td>", page) == ["loss"]
    assert f'<chart-board ws="lab" run="{run.id}"' in page and "data-none" not in page
    assert f'<logged-items class="grid g2" ws="lab" run="{run.id}">' in page


def test_a_page_without_charts_says_why_and_for_how_long(make_run, browser):  # noqa: F811
    run = make_run()

    def why(**changes: object) -> str:
        Run.objects.filter(pk=run.id).update(**changes)
        page = browser("rio").get(f"/w/lab/runs/{run.id}/metrics").content.decode()
        return re.search(r'<section class="card" data-none>.*?</section>', page, re.DOTALL)[0]

    assert "has logged no number so far" in why() and "<for-time since=" in why()
    building = {"name": "environment", "state": "started", "started": "2026-01-01T00:00:00Z", "ended": None, "note": ""}
    said = why(status="preparing", steps=[building])
    assert "the run is at" in said and 'since="2026-01-01T00:00:00Z"' in said
    assert "has not begun" in why(status="queued", steps=[])
    assert "logged no metrics" in why(status="completed")


def test_child_runs_are_a_tree(make_run, browser):  # noqa: F811
    top, first, second, inner = (make_run(kind="interactive") for _ in range(4))
    for run, parent in ((first, top), (second, top), (inner, first)):
        Run.objects.filter(pk=run.id).update(parent=parent.id, name=f"run {run.id}", metrics={"loss": SERIES})
    page = browser("rio").get(f"/w/lab/runs/{top.id}/children").content.decode()
    found = re.findall(
        r'<td class="nest-(\d)">(?:<button[^>]*></button>)?<a class="name" href="/w/lab/runs/(\w+)">', page
    )
    assert found == [("0", first.id), ("1", inner.id), ("0", second.id)]
    assert page.count("0.25</td>") == 3
    empty = browser("rio").get(f"/w/lab/runs/{inner.id}/children").content.decode()
    assert "run.child_run" in empty
    assert browser("mallory").get(f"/w/lab/runs/{top.id}/children").status_code == 404


def test_a_tree_shows_every_run_once_also_where_a_parent_is_not_on_the_page():
    rows = [{"id": "b", "parent": "a"}, {"id": "d", "parent": "c"}, {"id": "e", "parent": "d"}]
    assert [(row["id"], row["depth"]) for row in tree(rows, "a")] == [("b", 0), ("d", 1), ("e", 2)]
    deep = [{"id": str(at + 1), "parent": str(at)} for at in range(30)]
    assert [row["depth"] for row in tree(deep, "0")] == [*range(9), *[8] * 21]


def test_a_table_is_compressed_for_a_browser_that_takes_it(make_run, browser):  # noqa: F811
    run = make_run()
    reader = browser("olga")
    packed = reader.get("/w/lab/runs", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert f"/runs/{run.id}" in gzip.decompress(packed.content).decode()
    assert "Content-Encoding" not in reader.get("/w/lab/runs").headers
    found = reader.get("/api/v1/workspaces/lab/runs", headers={"Accept-Encoding": "gzip"})
    assert found.json()["runs"][0]["id"] == run.id and "Content-Encoding" not in found.headers


def test_a_table_begins_with_a_hundred_rows_in_a_few_statements(make_run, browser, django_assert_max_num_queries):  # noqa: F811
    pattern = Run.objects.get(pk=make_run().id)
    for number in range(104):
        pattern.pk, pattern.number, pattern.name = f"{pattern.pk[:-3]}{number:03}", 1000 + number, f"run {number}"
        Run.objects.bulk_create([pattern])
    reader = browser("olga")
    with django_assert_max_num_queries(16):
        page = reader.get("/w/lab/runs").content.decode()
    assert page.count('<a class="name"') == 100
    older = re.search(r'href="(\?after=[^"]+)"', page)[1]
    assert reader.get(f"/w/lab/runs{older}").content.decode().count('<a class="name"') == 5
