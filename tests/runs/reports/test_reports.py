"""Reports: who writes and reads them, what becomes of their text, and of runs that have gone."""

import html
import json
import re
from urllib.parse import parse_qs

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from runs.reports.models import Report
from studio.kernel.markdown import render
from tests.pages.conftest import languages  # noqa: F401 - a fixture
from tests.pages.test_pages import clean
from tests.runs.compare.conftest import series, told  # noqa: F401 - a fixture
from tests.runs.telemetry import make_run  # noqa: F401 - a fixture
from workspace.audit.models import Entry


def form(*blocks, title="What we learnt", **more):
    kinds = ["comparison" if block.startswith("run=") or "/compare?" in block else "text" for block in blocks]
    return {"title": title, "kind": kinds, "block": list(blocks), **more}


@pytest.fixture
def written(told, browser):  # noqa: F811
    """A report of olga's about two runs; (its address, the ids of the runs)."""
    one = told(name="calm_heron", params={"lr": "0.1"}, metrics={"loss": series(0.5)})
    two = told(name="bold_finch", params={"lr": "0.2"}, metrics={"loss": series(0.25)})
    blocks = ("# Results\n\nThe **second** is better.", f"run={one}&run={two}&tab=details&only=1")
    answer = browser("olga").post("/w/lab/reports/new", form(*blocks))
    assert answer.status_code == 302, answer.content.decode()
    return answer.url, [one, two]


def test_a_report_is_written_and_read_by_its_link(written, browser):
    place, (one, two) = written
    page = browser("rio").get(place).content.decode()
    clean(page)
    assert "<h1>Results</h1>" in page
    assert "The <strong>second</strong> is better." in page
    assert 'data-key="lr"' in page
    assert f'href="/w/lab/compare?run={one}&amp;run={two}' in page
    assert f"{place}/edit" not in page
    listed = browser("rio").get("/w/lab/reports").content.decode()
    assert "What we learnt" in listed and "/w/lab/reports/new" not in listed
    assert "What we learnt" in browser("rio").get("/w/lab/find?q=learnt").content.decode()
    assert Entry.objects.filter(action="report.create").exists()


def test_readers_read_contributors_write_strangers_see_nothing(written, browser, api):
    place, _ids = written
    report = place.rsplit("/", 1)[1]
    for who, read, write in (("rio", 200, 403), ("carl", 200, 200), ("mallory", 404, 404), (None, 302, 302)):
        client = browser(who)
        assert client.get(place).status_code == read
        assert client.get(f"{place}/edit").status_code == write
        assert client.get("/w/lab/reports").status_code == read
    assert browser("rio").post("/w/lab/reports/new", form("x")).status_code == 403
    assert browser("rio").post(f"{place}/edit", form("x", version=1)).status_code == 403
    assert browser("rio").post(f"{place}/delete").status_code == 403
    assert browser("mallory").get(f"/w/den/reports/{report}").status_code == 404
    url = f"/api/v1/workspaces/lab/reports/{report}"
    assert [api(who).get(url).status_code for who in ("rio", "mallory", None)] == [200, 404, 401]
    assert api("rio").patch(url, {"version": 1, "title": "mine"}, format="json").status_code == 403
    assert api("mallory").delete(url.replace("lab", "den")).status_code == 404
    assert Report.objects.get().version == 1


def test_who_writes_over_another_is_told_and_loses_nothing(written, browser):
    place, _ids = written
    assert browser("carl").post(f"{place}/edit", form("Carl's words", version=1)).status_code == 302
    answer = browser("olga").post(f"{place}/edit", form("Olga's words", title="Mine", version=1))
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Carl has changed this report while you wrote" in page
    assert "Olga&#x27;s words" in page and "Carl&#x27;s words" in page and 'value="Mine"' in page
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    again = browser("olga").post(f"{place}/edit", form("Both words", title="Mine", version=version))
    assert again.status_code == 302
    kept = Report.objects.get()
    assert (kept.title, kept.version, kept.blocks) == ("Mine", 3, [{"kind": "text", "text": "Both words"}])
    assert kept.author.username == "olga"


def test_runs_that_were_deleted_keep_their_names(written, browser):
    place, (one, two) = written
    Run.objects.filter(pk=one).delete()
    page = browser("rio").get(place).content.decode()
    assert "calm_heron was deleted." in page
    assert "Only one of the runs is left" in page
    # Also after somebody edits the text.
    report = Report.objects.get()
    blocks = ["New text", report.blocks[1]["query"]]
    assert browser("carl").post(f"{place}/edit", form(*blocks, version=1)).status_code == 302
    assert "calm_heron was deleted." in browser("rio").get(place).content.decode()
    Run.objects.filter(pk=two).update(deleted="2026-01-01T00:00:00Z")
    assert "bold_finch was deleted." in browser("rio").get(place).content.decode()


def test_runs_of_another_workspace_are_not_shown(told, browser, people):  # noqa: F811
    one, two = told(name="secret"), told(name="other secret")
    made = browser("mallory").post("/w/den/reports/new", form(f"run={one}&run={two}"))
    assert made.status_code == 302
    page = browser("mallory").get(made.url).content.decode()
    assert "secret" not in page and one in page


@pytest.mark.parametrize("tab", ["charts", "metrics", "parallel", "box", "code", "packages", "images"])
def test_every_kind_of_comparison_stands_in_a_report(tab, told, browser):  # noqa: F811
    ids = [told(params={"lr": str(n)}, metrics={"loss": series(n)}, files={"a.py": b"%d" % n}) for n in range(2)]
    address = f"https://elsewhere.example/w/lab/compare?run={ids[0]}&run={ids[1]}&tab={tab}"
    made = browser("carl").post("/w/lab/reports/new", form(address))
    page = browser("rio").get(made.url).content.decode()
    clean(page)
    assert f"run={ids[0]}&amp;run={ids[1]}&amp;tab={tab}" in page
    wanted = {"charts": "<chart-board", "parallel": '<compare-plot kind="parallel"', "box": '<compare-plot kind="box"'}
    assert wanted.get(tab, "dot-") in page


def test_a_block_keeps_how_its_charts_were_drawn_and_shows_the_code_line_by_line(told, browser):  # noqa: F811
    one = told(name="one", files={"train.py": b"lr = 0.1\nprint(lr)\n"}, metrics={"loss": series(1)})
    two = told(name="two", files={"train.py": b"lr = 0.2\nprint(lr)\n"}, metrics={"loss": series(2)})
    how = f"eyes=all,-{two}&smooth=ema:0.9&logy=1&zoom=10,20&x=step&order=loss"
    blocks = (f"run={one}&run={two}&tab=charts&{how}", f"run={one}&run={two}&tab=code", f"run={one}&run={two}&tab=code")
    place = browser("olga").post("/w/lab/reports/new", form(*blocks)).url
    page = browser("rio").get(place).content.decode()
    clean(page)
    kept = html.unescape(re.search(r'data-chart-scope="([^"]*)"', page)[1])
    assert {name: values[-1] for name, values in parse_qs(kept).items() if name != "run"} == {
        "tab": "charts",
        **{name: values[-1] for name, values in parse_qs(how).items()},
    }
    assert page.count("lr = 0.<del>1</del>") == 2 and page.count("lr = 0.<ins>2</ins>") == 2
    assert len(re.findall(r'id="file-[^"]*"', page)) == len(set(re.findall(r'id="file-[^"]*"', page))) == 2


def test_a_preview_keeps_nothing(browser, lab):
    answer = browser("carl").post("/w/lab/reports/new", form("*so*", preview="1"))
    assert "<em>so</em>" in answer.content.decode()
    wrong = browser("carl").post("/w/lab/reports/new", form("/w/lab/compare?tab=x", preview="1"))
    assert "Block 1 names no runs." in wrong.content.decode()
    assert not Report.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "x" * 201},
        {"title": "a\x00b"},
        {"block": "x" * 60_001},
        {"block": "a\x00b"},
        {"kind": "script"},
        {"kind": ["text", "text"]},
        {"block": ["x"] * 41, "kind": ["text"] * 41},
    ],
)
def test_what_cannot_be_kept_comes_back_with_what_was_written(fields, browser, lab):
    sent = {"title": "<b>T</b>", "kind": "text", "block": "my words", **fields}
    answer = browser("carl").post("/w/lab/reports/new", sent)
    assert answer.status_code == 422
    assert "&lt;b&gt;T" in answer.content.decode() or "title" in fields
    assert not Report.objects.exists()


def test_a_report_is_deleted_after_a_question(written, browser):
    place, (one, _two) = written
    assert "goes for everybody" in browser("carl").get(place).content.decode()
    assert browser("carl").post(f"{place}/delete").url == "/w/lab/reports"
    assert browser("carl").get(place).status_code == 404
    assert Run.objects.filter(pk=one).exists()
    assert Entry.objects.filter(action="report.delete").exists()


def test_the_json_of_reports(written, api):
    _place, (one, two) = written
    carl, list_ = api("carl"), "/api/v1/workspaces/lab/reports"
    assert [found["title"] for found in carl.get(list_).json()["reports"]] == ["What we learnt"]
    body = {"title": "Two", "blocks": [{"kind": "comparison", "query": f"run={one}&run={two}&nonsense=1"}]}
    made = carl.post(list_, body, format="json")
    assert made.status_code == 201
    assert made.json()["blocks"][0]["query"] == f"run={one}&run={two}"
    assert made.json()["blocks"][0]["names"] == {one: "calm_heron", two: "bold_finch"}
    url = f"{list_}/{made.json()['id']}"
    assert carl.patch(url, {"version": 1, "title": "Second"}, format="json").json()["version"] == 2
    late = carl.patch(url, {"version": 1, "title": "Third"}, format="json")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "changed")
    assert carl.post(list_, {"title": "x", "blocks": [{"kind": 3}]}, format="json").status_code == 422
    assert carl.post(list_, {"title": "x", "blocks": ["x"]}, format="json").status_code == 422
    assert carl.delete(url).status_code == 204


def test_a_list_of_reports_costs_the_same_for_many(browser, lab, people):
    reader = browser("rio")

    def cost(number: int) -> int:
        for at in range(number):
            Report.objects.create(id=f"{number}-{at}", workspace=lab, title=f"r{at}", author=people.olga)
        with CaptureQueriesContext(connection) as asked:
            assert reader.get("/w/lab/reports").status_code == 200
        return len(asked)

    cost(1)
    assert cost(3) == cost(30) <= 10


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "[x](//elsewhere.example)",
        "[x](/\\elsewhere.example)",
        "![x](javascript:alert(1))",
        '![<b>"x](https://elsewhere.example/a.png)',
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        "```<script>\nalert(1)\n```",
        '[a](https://a.example/"onmouseover=alert(1))',
        "|<b>|\n|---|\n|<script>|",
        "\0<script>",
    ],
)
def test_no_text_becomes_a_tag_or_an_address_of_its_writer(text):
    html = render(text)
    tags = re.findall(r"<\s*([a-z0-9]+)([^>]*)>", html, re.IGNORECASE)
    assert {name for name, _rest in tags} <= {"p", "a", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}
    for _name, rest in tags:
        assert not re.search(r"\bon\w+\s*=\s*(?![^\"]*\"[^\"]*$)", re.sub(r'"[^"]*"', '""', rest))
        for address in re.findall(r'(?:href|src)="([^"]*)"', rest):
            assert address.startswith(("https://", "/%5C"))


def test_markdown_that_people_write():
    table = "| a | b |\n|---|--:|\n| 1 | 2 |"
    html = render(f"- [run](/w/lab/runs/x) and [home](https://example.org)\n\n{table}\n\n![p](/api/x.png)")
    assert '<a href="/w/lab/runs/x">run</a>' in html
    assert '<a href="https://example.org" rel="noopener noreferrer nofollow">home</a>' in html
    assert "<td>1</td>" in html
    assert '<td class="n">2</td>' in html and "style" not in html
    assert '<img src="/api/x.png" alt="p" loading="lazy"' in html
    assert json.dumps(render("x" * 300_000))[1:].startswith("<p>x")
