"""Files of text as a person reads them: as the log, by lines, whatever their size, and while they still grow."""

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.e2e.test_lost import LOST
from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

#: Lines of the large file: 21 MB.
LINES = 400_000
NUMBERS = (
    "[...document.querySelectorAll('file-view log-view .line')].map((row) => Number(row.dataset.line))"
    ".every((number, at, all) => !at || number === all[at - 1] + 1)"
)
#: A file under logs/ that has 2000 lines, then two more, and is another one at last.
GROWS = """
import pathlib, socket, time
place = pathlib.Path("logs/worker.log")
place.parent.mkdir(exist_ok=True)
gate = socket.create_connection(("127.0.0.1", GATE))
with place.open("w") as log:
    for number in range(1, 2001):
        print("batch", number, file=log)
    print("begun", end="", file=log, flush=True)
    print("waiting", flush=True)
    gate.recv(1)
    print(" and ended", file=log)
    print("\\x1b[32mone more\\x1b[0m <b>bold</b>", file=log, flush=True)
socket.create_connection(("127.0.0.1", GATE)).recv(1)
place.write_text("another file\\n")
"""


def test_a_file_is_followed_without_a_socket_and_after_it_came_back(page: "Page", studio: Studio):
    body = {"kind": "interactive", "experiment": "first", "name": "follows"}
    run = studio.ask("POST", f"{studio.ws}/runs", body).json["id"]
    keep(studio, run, "logs/w.log", b"first\n")
    sockets = {"refused": True}
    page.route_web_socket(
        "**/ws/**", lambda one: one.close(code=1011) if sockets["refused"] else one.connect_to_server()
    )
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}/outputs?file=logs/w.log")
    view = page.locator("file-view log-view")
    view.get_by_text("first", exact=True).wait_for()
    page.get_by_text(LOST).wait_for()
    keep(studio, run, "logs/w.log", b"first\nwritten meanwhile\n")
    view.get_by_text("written meanwhile").wait_for()
    sockets["refused"] = False
    page.get_by_text(LOST).wait_for(state="hidden")
    keep(studio, run, "logs/w.log", b"first\nwritten meanwhile\nand after\n")
    view.get_by_text("and after").wait_for()


def keep(studio: Studio, run: str, path: str, data: bytes) -> None:
    """A file of the run, or other bytes for it."""
    sha256 = hashlib.sha256(data).hexdigest()
    answer = studio.ask("PUT", f"{studio.ws}/blobs/{sha256}", data)
    assert answer.status in {200, 201}, answer.body
    answer = studio.ask("POST", f"{studio.ws}/runs/{run}/artifacts", {"files": [{"path": path, "sha256": sha256}]})
    assert answer.status == 200, answer.body


MARKDOWN = b"""# What it found

<b>no tag</b> ![far](http://far.example.org/p.png) [source](http://far.example.org/)

| a | b |
|---|---|
| 1 | 2 |
"""


def test_markdown_is_shown_as_it_is_meant_beside_its_source(page: "Page", studio: Studio):
    body = {"kind": "interactive", "experiment": "first", "name": "words"}
    run = studio.ask("POST", f"{studio.ws}/runs", body).json["id"]
    keep(studio, run, "outputs/report.md", MARKDOWN)
    place = f"/w/{studio.known['workspace']}/runs/{run}/outputs?file=outputs/report.md"
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.goto(place)
    view = page.locator("file-view")
    view.get_by_role("heading", name="What it found").wait_for()
    assert view.locator("article b, article img").count() == 0
    assert "<b>no tag</b>" in view.locator("article").inner_text()
    link = view.get_by_role("link", name="far", exact=True)
    assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    keep(studio, run, "outputs/report.md", MARKDOWN + b"\n## And more\n")
    view.get_by_role("button", name="Source").click()
    view.locator("log-view").get_by_text("## And more").wait_for()
    assert view.locator("article").is_hidden()
    view.get_by_role("button", name="Rendered").click()
    view.get_by_role("heading", name="And more").wait_for()
    assert view.locator("log-view").is_hidden()
    page.goto("about:blank")
    page.goto(f"{place}#L3")
    view.locator("log-view").get_by_text("no tag").wait_for()
    assert view.get_by_role("button", name="Source").get_attribute("aria-pressed") == "true"
    assert not [one for one in asked if "far.example.org" in one]


def test_a_large_text_file_is_searched_and_linked_to(page: "Page", studio: Studio):
    body = {"kind": "interactive", "experiment": "first", "name": "texts"}
    run = studio.ask("POST", f"{studio.ws}/runs", body).json["id"]
    lines = [f"row {number:07d} " + "x" * 40 for number in range(1, LINES + 1)]
    lines[314_158] = "the needle lies here"
    keep(studio, run, "outputs/large.txt", "\n".join(lines).encode() + b"\n")
    keep(studio, run, "outputs/train.py", b"import zaffre  # a note\n" + b"x = 1\n" * 700)
    keep(studio, run, "outputs/windows.txt", "of another system\r\n".encode("utf-16"))
    keep(studio, run, "outputs/odd.bin", b"\0\xff\x1b]0;title\x07 plain <script>alert(1)</script>\n" + b"y" * 3_000_000)
    place = f"/w/{studio.known['workspace']}/runs/{run}/outputs"
    page.goto(f"{place}?file=outputs/large.txt")
    view = page.locator("file-view")
    rows = view.locator("log-view .line")
    # What is written on and on is opened at its end, and only a window of it is in the page.
    rows.get_by_text(f"row {LINES:07d}").wait_for()
    view.get_by_text("400,000 lines", exact=True).wait_for()
    assert rows.count() == 500
    searched(page, view, rows)
    # Code begins at its beginning, in colours; the rest comes as one scrolls.
    page.get_by_role("tree").get_by_role("link", name="train.py").click()
    view.locator('[data-line="1"] .t-word').get_by_text("import").wait_for()
    assert "find=" not in page.url and "#" not in page.url
    view.get_by_role("button", name="Jump to end").click()
    view.locator('[data-line="701"]').wait_for()
    page.get_by_role("tree").get_by_role("link", name="windows.txt").click()
    view.locator('[data-line="1"]').get_by_text("of another system").wait_for()
    # Bytes that are no text: to who asks for them, without what steers a terminal, and never as markup.
    page.get_by_role("tree").get_by_role("link", name="odd.bin").click()
    view.get_by_role("button", name="Show it as text").click()
    view.get_by_text("plain <script>alert(1)</script>").wait_for()
    view.get_by_text("more of this line, in the download").wait_for()
    page.go_back()
    page.go_back()
    view.locator('[data-line="1"] .t-word').get_by_text("import").wait_for()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def searched(page: "Page", view, rows) -> None:
    page.keyboard.press("/")
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    view.get_by_text("1 of 1", exact=True).wait_for()
    picked = view.locator(".line.picked")
    assert picked.inner_text().split(maxsplit=1) == ["314159", "the needle lies here"]
    box = view.get_by_label("Search the whole file")
    view.get_by_role("checkbox", name="Regular expression").check(force=True)
    box.fill("^row 03[0-9]{4}7 ")
    page.keyboard.press("Enter")
    view.get_by_text("1 of 10,000", exact=True).wait_for()
    for _ in range(2):
        page.keyboard.press("Enter")
    view.get_by_text("3 of 10,000", exact=True).wait_for()
    page.keyboard.press("Shift+Enter")
    view.get_by_text("2 of 10,000", exact=True).wait_for()
    assert picked.locator("a").inner_text() == "300017"
    box.fill("(")
    page.keyboard.press("Enter")
    view.get_by_text("cannot be searched for").wait_for()
    view.get_by_role("textbox", name="Go to line").fill("123456")
    page.keyboard.press("Enter")
    picked.get_by_text("row 0123456").wait_for()
    view.locator('[data-line="123460"] > a').click(modifiers=["Shift"])
    assert page.url.endswith("#L123456-L123460") and "file=outputs%2Flarge.txt" in page.url
    # The permalink shows the same in a page of its own, and the lines above come as one scrolls up.
    other = page.context.new_page()
    other.goto(page.url)
    again = other.locator("file-view .line.picked")
    again.first.wait_for()
    assert again.count() == 5 and again.first.inner_text().startswith("123456")
    other.locator("file-view log-view .lines").hover()
    other.mouse.wheel(0, -100_000)
    other.wait_for_function("document.querySelector('file-view log-view').first < 123300")
    assert other.evaluate(NUMBERS)
    other.close()


def test_a_file_under_logs_is_followed_while_it_grows(page: "Page", studio: Studio, gate):
    run = studio.submit({"train.py": GROWS.replace("GATE", str(gate.port))})
    studio.wait_for_log(run, b"waiting")
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}/outputs")
    page.locator("#log-list").get_by_role("link", name="logs/worker.log").click()
    view = page.locator("file-view")
    rows = view.locator("log-view .line")
    rows.get_by_text("begun", exact=True).wait_for()
    view.get_by_text("following").wait_for()
    # Somebody marks words of a line that stays: what comes is put below it.
    page.evaluate("window.kept = document.querySelector('file-view [data-line=\"1990\"]')")
    gate.open()
    rows.get_by_text("one more <b>bold</b>").wait_for()
    assert rows.nth(-2).inner_text().split(maxsplit=1) == ["2001", "begun and ended"]
    assert page.evaluate("window.kept.isConnected")
    view.get_by_text("2,002 lines", exact=True).wait_for()
    # Read from the newest line on, and then another file in its place.
    view.get_by_role("button", name="Newest first").click()
    tops = page.evaluate(
        "[...document.querySelectorAll('file-view .line')].map((one) => one.getBoundingClientRect().top)"
    )
    assert tops == sorted(tops, reverse=True), "the newest line is not on top"
    view.get_by_role("button", name="Newest first").click()
    gate.open()
    studio.wait_for(run, "completed")
    rows.get_by_text("another file").wait_for()
    view.get_by_text("1 line", exact=True).wait_for()
    view.get_by_text("following").wait_for(state="hidden")
    with page.expect_download() as saved:
        view.get_by_role("link", name="Download").click()
    assert saved.value.path().read_text() == "another file\n"
