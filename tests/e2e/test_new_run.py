"""A run from nothing: a folder is dropped, a mistake comes back, the run starts and its log is seen."""

import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

CODE = {
    "train.py": "import sys\nfrom src.words import said\nprint(said, *sys.argv[1:])\n",
    "src/words.py": "said = 'from nothing'\n",
    "src/__init__.py": "",
    "日本語/メモ.txt": "読んで",
    "big.log": "x" * 500,
    ".gitignore": "*.log\n",
    ".git/config": "secret",
    "node_modules/a/index.js": "x",
}
KEPT = {".gitignore", "src/__init__.py", "src/words.py", "train.py", "日本語/メモ.txt"}


def paths(studio: Studio, run: str) -> set[str]:
    ws, snapshot = studio.known["workspace"], studio.run(run)["snapshot"]
    return {one["path"] for one in studio.ask("GET", f"/api/v1/workspaces/{ws}/snapshots/{snapshot}").json["files"]}


def noted(page: "Page", text: str) -> None:
    page.locator("code-drop [data-note]", has_text=text).wait_for()


def test_a_run_from_a_folder_of_this_computer(page: "Page", studio: Studio, tmp_path):
    for path, text in CODE.items():
        (tmp_path / "project" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / path).write_text(text)
    ws = studio.known["workspace"]
    page.goto(f"/w/{ws}/experiments")
    page.get_by_role("link", name="New run").first.click()
    page.get_by_label("Experiment", exact=True).fill("from-nothing")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("alert").get_by_text("Choose the code").wait_for()
    assert page.get_by_label("Experiment", exact=True).input_value() == "from-nothing"
    page.locator("code-drop input[data-folder]").set_input_files(tmp_path / "project")
    noted(page, "5 files")
    note = page.locator("code-drop [data-note]").inner_text()
    assert "big.log" in note and ".git/" in note and "node_modules/" in note
    assert page.get_by_label("Script", exact=True).input_value() == "train.py", "one that is called as all are"
    page.get_by_label("Arguments").fill("--lr 0.2 'two words'")
    page.get_by_label("Nodes at the same time").fill("two")
    page.get_by_role("button", name="Show as a command").click()
    page.locator("#wrong-nodes").wait_for()
    page.get_by_label("Nodes at the same time").fill("1")
    page.get_by_role("button", name="Show as a command").click()
    page.locator("#spelled").get_by_text("-- train.py --lr 0.2 'two words'").wait_for()
    noted(page, "5 files")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("A new run was submitted.").wait_for()
    made = page.url.rsplit("/", 1)[1]
    assert paths(studio, made) == KEPT
    studio.wait_for(made, "completed")
    page.goto(f"/w/{ws}/runs/{made}/outputs")
    page.get_by_text("from nothing --lr 0.2 two words").first.wait_for()


def test_a_zip_that_is_dropped_and_too_much_of_it(page: "Page", studio: Studio, tmp_path):
    with zipfile.ZipFile(tmp_path / "project.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for path, text in CODE.items():
            out.writestr(f"project-main/{path}", text)
    with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for path, text in {**CODE, "weights.bin": "x" * 4000}.items():
            out.writestr(path, text)
    (tmp_path / "broken.zip").write_bytes(b"PK this is none")
    ws = studio.known["workspace"]
    page.goto(f"/w/{ws}/new-run?experiment=from-zip")
    files = page.locator("code-drop input[multiple]")
    note = page.locator("code-drop [data-note]")
    files.set_input_files(tmp_path / "broken.zip")
    noted(page, "broken.zip cannot be read as a zip.")
    # What is too much is said before anything is sent, with the biggest files.
    element = page.locator("code-drop")
    element.evaluate("one => { one.rules.bytes = 3000 }")
    files.set_input_files(tmp_path / "large.zip")
    noted(page, "weights.bin (4.0 kB), ")
    assert "a snapshot has at most 3.0 kB" in note.inner_text()
    assert page.locator("[name=snapshot]").input_value() == ""
    element.evaluate("one => { one.rules.bytes = 1e6; one.rules.files = 3 }")
    files.set_input_files(tmp_path / "project.zip")
    noted(page, "src/ (2)")
    element.evaluate("one => { one.rules.files = 2000 }")
    # Dropped, not chosen.
    data = page.evaluate_handle(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "project.zip"));
            return data;
        }""",
        list((tmp_path / "project.zip").read_bytes()),
    )
    page.dispatch_event("code-drop .zone", "drop", {"dataTransfer": data})
    noted(page, "5 files")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("A new run was submitted.").wait_for()
    assert paths(studio, page.url.rsplit("/", 1)[1]) == KEPT
