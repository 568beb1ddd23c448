"""Outputs + logs as a person uses them: search a long log, link to a line, follow, look at files of all kinds."""

import re
import zipfile
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

#: The script waits before its last lines, so that somebody can follow it.
SCRIPT = """
import json, os, pathlib, socket, sys, time
out = pathlib.Path("outputs")
out.mkdir(exist_ok=True)
(out / "table.csv").write_text("id,name\\n" + "".join(f'{n},"row, {n}"\\n' for n in range(1000)))
(out / "metrics.json").write_text(json.dumps({"loss": 0.5, "name": "<img src=x onerror=alert(1)>"}))
(out / "report.html").write_text("<h1>Report</h1><p id=p>still</p><script>document.getElementById('p').textContent = "
    "(() => { try { return 'cookie ' + document.cookie } catch (e) { return 'scripts ran, ' + e.name } })()</script>")
cells = [{"cell_type": "markdown", "source": "# Digits <script>alert(1)</script>"},
         {"cell_type": "code", "execution_count": 1, "source": "print(1)",
          "outputs": [{"output_type": "stream", "name": "stdout", "text": "one\\n"}]}]
(out / "eda.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
deep = out / "deep" / "er"
deep.mkdir(parents=True)
for n in range(230):
    (deep / f"file{n}.txt").write_text(str(n))
os.write(1, "".join(f"step {n:06d}\\n" for n in range(1, 20_001)).encode())
socket.create_connection(("127.0.0.1", GATE)).recv(1)
print("50%\\r100%\\nthe last line")
sys.exit(3)
"""


def test_a_log_that_is_followed_and_files_of_all_kinds(page: "Page", studio: Studio, gate):
    run = studio.submit({"train.py": SCRIPT.replace("GATE", str(gate.port))})
    place = f"/w/{studio.known['workspace']}/runs/{run}/outputs"
    studio.wait_for_log(run, b"step 020000")
    page.goto(place)
    lines = page.locator("[data-log] > log-view .lines")
    lines.get_by_text("step 020000").wait_for()
    page.get_by_text("20,000 lines", exact=True).wait_for()
    # Scrolling up stops following; what is written meanwhile is counted on the way back.
    lines.hover()
    page.mouse.wheel(0, -1500)
    page.get_by_role("button", name="Jump to end").wait_for()
    gate.open()
    page.get_by_role("button", name="Jump to end · 2 new lines").click()
    lines.get_by_text("the last line").wait_for()
    assert lines.locator(".line").nth(-2).inner_text().split() == ["20001", "100%"]
    page.locator(".log-end").get_by_text("exit code 3").wait_for()

    files(page)
    page.goto(place)
    lines.get_by_text("the last line").wait_for()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


#: Lines of the long log, 100 bytes each: 200 MB.
LINES = 2_000_000


def long_log(studio: Studio) -> str:
    """An interactive run with a log in pieces as they lie in the database: sending 200 MB would take minutes."""
    body = {"kind": "interactive", "experiment": "first", "name": "long"}
    run = studio.ask("POST", f"{studio.ws}/runs", body).json["id"]
    filling, at, block = "x" * 86, 0, 10_000
    with psycopg.connect(studio.env["DATABASE_URL"]) as wire, wire.cursor() as cursor:
        cursor.execute(_LOG, [run])
        (log,) = cursor.fetchone()
        with cursor.copy(_PIECES) as copy:
            for first in range(0, LINES, block):
                lines = [f"step {number:07d} {filling}" for number in range(first + 1, first + block + 1)]
                if first <= 1_234_566 < first + block:
                    lines[1_234_566 - first] = "\x1b[31mNEEDLE in the hay\x1b[0m"
                if first == 1_500_000:
                    lines[0] = "ValueError: three channels"
                data = ("\n".join(lines) + "\n").encode()
                copy.write_row([log, at, len(data), first, data])
                at += len(data)
        cursor.execute("UPDATE logs_log SET length = %s, newlines = %s WHERE id = %s", [at, LINES, log])
    return run


_LOG = """
INSERT INTO logs_log (run_id, attempt, length, head, elided, newlines, uncounted, sha256, complete)
SELECT id, attempt_no, 0, 0, 0, 0, false, '', false FROM runs_run WHERE id = %s RETURNING id
"""
_PIECES = """COPY logs_logchunk (log_id, "offset", length, first_line, data) FROM STDIN"""


def test_a_long_log_is_searched(page: "Page", studio: Studio):
    """Find one line of two million, link to it, and come back by the link."""
    run = long_log(studio)
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}/outputs")
    lines = page.locator("[data-log] > log-view .lines")
    lines.get_by_text("step 2000000").wait_for()
    page.get_by_text("2,000,000 lines", exact=True).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    page.get_by_text("1 of 1", exact=True).wait_for()
    row = lines.locator(".line.picked")
    assert row.inner_text().split(maxsplit=1) == ["1234567", "NEEDLE in the hay"]
    assert page.url.endswith("?find=needle#L1234567")
    page.get_by_role("checkbox", name="Regular expression").check(force=True)
    page.locator("[data-search] [name=find]").fill("^step 19999[0-9]{2} ")
    page.keyboard.press("Enter")
    page.get_by_text("1 of 100", exact=True).wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("2 of 100", exact=True).wait_for()
    assert row.locator("a").inner_text() == "1999901"
    page.keyboard.press("Shift+Enter")
    assert page.locator(".log-hits a").count() == 100
    page.locator("[data-search] [name=find]").fill("(")
    page.keyboard.press("Enter")
    page.get_by_text("cannot be searched for").wait_for()
    page.get_by_role("button", name="First error").click()
    row.get_by_text("ValueError").wait_for()
    page.get_by_role("textbox", name="Go to line").fill("1001234")
    page.keyboard.press("Enter")
    lines.locator('[data-line="1001234"] > a').click()
    lines.locator('[data-line="1001240"] > a').click(modifiers=["Shift"])
    assert page.url.endswith("#L1001234-L1001240") and row.count() == 7
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    row.first.wait_for()
    assert row.first.inner_text().startswith("1001234") and row.count() == 7
    # Earlier lines come as one scrolls up, without a hole.
    lines.hover()
    page.mouse.wheel(0, -100_000)
    page.wait_for_function("document.querySelector('log-view').first < 1001100")
    assert page.evaluate(
        "[...document.querySelectorAll('log-view .line')].map((row) => Number(row.dataset.line))"
        ".every((number, at, all) => !at || number === all[at - 1] + 1)"
    )


def files(page: "Page") -> None:
    tree, view = page.get_by_role("tree"), page.locator("file-view")
    tree.get_by_text("outputs", exact=True).click()
    tree.get_by_role("link", name="table.csv").click()
    view.get_by_role("cell", name="row, 17", exact=True).wait_for()
    assert re.search(r"\?file=outputs%2Ftable.csv$", page.url)
    view.locator(".file-pane").evaluate("e => { e.scrollTop = e.scrollHeight }")
    view.get_by_role("cell", name="row, 350", exact=True).wait_for()
    with page.expect_download() as saved:
        view.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "table.csv"
    assert saved.value.path().read_text().startswith('id,name\n0,"row, 0"\n')
    # The way back to a file is its address.
    tree.get_by_role("link", name="metrics.json").click()
    view.get_by_text('"<img src=x onerror=alert(1)>"').wait_for()
    assert view.locator("img").count() == 0
    page.go_back()
    view.get_by_role("cell", name="row, 17", exact=True).wait_for()
    page.reload()
    view.get_by_role("cell", name="row, 17", exact=True).wait_for()
    tree.get_by_role("link", name="eda.ipynb").click()
    view.get_by_role("heading", name="Digits <script>alert(1)</script>").wait_for()
    view.get_by_text("one", exact=True).wait_for()
    tree.get_by_role("link", name="report.html").click()
    frame = page.frame_locator("iframe.file-frame")
    frame.get_by_text("still").wait_for()
    view.get_by_role("button", name="Run its scripts").click()
    frame.get_by_text("scripts ran, SecurityError").wait_for()
    # By keyboard: down to the first folder, into it, and to a file.
    folder = tree.get_by_role("treeitem", name="deep").first
    folder.focus()
    page.keyboard.press("ArrowRight")
    tree.locator('[data-path="outputs/deep/er"]').wait_for()
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    tree.locator('[data-path="outputs/deep/er/file0.txt"]').wait_for()
    for key in ("ArrowDown", "Enter"):
        page.keyboard.press(key)
    view.locator("log-view .line").get_by_text("0", exact=True).wait_for()
    with page.expect_download() as saved:
        tree.locator('[data-path="outputs/deep"] > div > .zip').click()
    with zipfile.ZipFile(saved.value.path()) as held:
        assert len(held.namelist()) == 230 and held.read("deep/er/file7.txt") == b"7"
    view.get_by_role("button", name="Back to the log").click()
    page.locator("[data-log] > log-view .lines").first.wait_for()


PICTURES = """
import struct, zlib
from zaffre.core import Run
def png(red):
    def part(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = zlib.compress((b"\\0" + bytes([red, 20, 168]) * 32) * 32)
    head = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    return b"\\x89PNG\\r\\n\\x1a\\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")
run = Run.get_context()
for step in range(4):
    open(f"sample-{step}.png", "wb").write(png(step * 60))
    run.log_image("samples", path=f"sample-{step}.png", step=step * 100)
"""


def test_the_steps_of_a_picture(page: "Page", studio: Studio):
    run = studio.submit({"train.py": PICTURES})
    studio.wait_for(run, "completed")
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}/images")
    figure = page.locator("[data-picture]").first
    figure.locator("img").wait_for()
    last = figure.locator("img").get_attribute("src")
    figure.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    figure.get_by_text("step 200 · 3 / 4").wait_for()
    assert figure.locator("img").get_attribute("src") != last
    figure.get_by_role("link").click()
    large = page.get_by_role("dialog")
    large.get_by_text("3 / 4").wait_for()
    page.keyboard.press("Control+ArrowLeft")
    large.get_by_text("2 / 4").wait_for()
    page.keyboard.press("Escape")
    large.wait_for(state="hidden")
