"""The page of a run: tags and notes in place, a clone with a mistake, code beside code, the bin. By keyboard."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FIRST = {"train.py": "import src.model\nprint('one')\n", "src/model.py": "HIDDEN = 128\n", "src/__init__.py": ""}
SECOND = {**FIRST, "src/model.py": "HIDDEN = 256\n"}


def tab_to(page: "Page", what: str, most: int = 60) -> None:
    """Press Tab until the focus is on what fits; a person without a mouse gets there no other way."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("what => document.activeElement.matches(what)", what):
            return
    raise AssertionError(f"{what} is not reached by Tab")


def test_tags_and_notes_are_written_where_they_stand(page: "Page", studio: Studio):
    ws = studio.known["workspace"]
    body = {"kind": "interactive", "experiment": "first", "name": "tagged", "tags": {"team": "vision", "old": "x"}}
    run = studio.ask("POST", f"/api/v1/workspaces/{ws}/runs", body).json["id"]

    def tags() -> dict:
        return studio.run(run)["tags"]

    page.goto(f"/w/{ws}/runs/{run}")
    page.get_by_role("button", name="Change the tag team").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("audio")
    page.keyboard.press("Escape")
    assert page.locator("#run-tags dd", has_text="vision").count() == 1, "Escape leaves it as it was"
    page.keyboard.press("Enter")
    page.keyboard.type("audio & <b>video</b>")
    page.keyboard.press("Enter")
    page.locator("#run-tags dd", has_text="audio & <b>video</b>").wait_for()
    assert tags()["team"] == "audio & <b>video</b>"
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Change the tag team'")
    page.get_by_role("button", name="Remove the tag old").click()
    page.locator('#run-tags [data-key="old"]').wait_for(state="detached")
    page.get_by_label("Name of a new tag").fill("stage")
    page.keyboard.press("Tab")
    page.keyboard.type("draft")
    # What somebody types stays while the page hears of changes.
    studio.ask("PATCH", f"/api/v1/workspaces/{ws}/runs/{run}", {"tags": {"elsewhere": "1"}})
    page.locator("#run-head h1", has_text="tagged").wait_for()
    page.wait_for_timeout(1500)
    assert page.get_by_label("Value of the new tag").input_value() == "draft"
    page.keyboard.press("Enter")
    page.locator("#run-tags dd", has_text="draft").wait_for()
    page.locator("#run-tags dt", has_text="elsewhere").wait_for()
    assert tags() == {"team": "audio & <b>video</b>", "stage": "draft", "elsewhere": "1"}
    page.locator("#run-notes [data-edit]").click()
    page.keyboard.type("# Why\n\n**bold** <script>alert(1)</script> [x](javascript:alert(1))")
    page.keyboard.press("Control+Enter")
    page.locator("#run-notes strong", has_text="bold").wait_for()
    assert page.locator("#run-notes .prose script, #run-notes .prose a").count() == 0


def test_a_clone_with_a_mistake_code_beside_code_and_the_bin_by_keyboard(page: "Page", studio: Studio):
    ws = studio.known["workspace"]
    before, run = studio.submit(FIRST, experiment="clones"), studio.submit(SECOND, experiment="clones")
    studio.wait_for(before, "completed", "failed")
    studio.wait_for(run, "completed", "failed")
    page.goto(f"/w/{ws}/runs/{run}")
    # A clone: the script's name is mistyped first.
    tab_to(page, "a.wide")
    page.keyboard.press("Enter")
    page.wait_for_url("**/clone")
    script = page.get_by_label("Script", exact=True)
    script.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("trian.py")
    page.get_by_label("Arguments").focus()
    page.keyboard.type("--lr 0.2 'two words'")
    page.get_by_role("button", name="Submit").focus()
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("Did you mean 'train.py'?").wait_for()
    assert script.get_attribute("aria-invalid") == "true"
    assert script.evaluate("box => box === document.activeElement")
    assert page.get_by_label("Arguments").input_value() == "--lr 0.2 'two words'"
    page.keyboard.press("Control+A")
    page.keyboard.type("train.py")
    page.keyboard.press("Enter")
    page.get_by_text("A new run was submitted.").wait_for()
    made = page.url.rsplit("/", 1)[1]
    assert studio.run(made)["config"]["arguments"] == ["--lr", "0.2", "two words"]
    page.locator("#run-side").get_by_text("Cloned from").wait_for()
    # The code of the second beside that of the first.
    page.goto(f"/w/{ws}/runs/{run}/snapshot")
    page.locator("ol.code li", has_text="import src.model").wait_for()
    page.get_by_label("Compare with the run").focus()
    page.keyboard.type(before)
    page.keyboard.press("Enter")
    page.locator("del", has_text="128").wait_for()
    page.locator("ins", has_text="256").wait_for()
    page.get_by_role("link", name="Side by side").focus()
    page.keyboard.press("Enter")
    page.locator("table.code-diff.split").wait_for()
    # Into the bin, with what it frees, and back.
    page.goto(f"/w/{ws}/runs/{run}")
    page.locator("#run-more summary").focus()
    page.keyboard.press("Enter")
    tab_to(page, "a[data-question]", 20)
    page.keyboard.press("Enter")
    asked = page.locator("dialog.asking[open]")
    asked.get_by_text("Frees").wait_for()
    asked.get_by_text("7 days").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Keep it"
    page.keyboard.press("Escape")
    asked.wait_for(state="detached")
    # The menu is closed, and the focus is on what opened it.
    assert page.evaluate("document.activeElement.matches('#run-more:not([open]) > summary')")
    page.keyboard.press("Enter")
    tab_to(page, "a[data-question]", 20)
    page.keyboard.press("Enter")
    asked.get_by_text("Frees").wait_for()
    tab_to(page, "dialog.asking button[type=submit]", 10)
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("in the recycle bin").wait_for()
    page.locator(".banner").get_by_role("link", name="Recycle bin").click()
    page.get_by_role("button", name="Restore").first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("The run is back.").wait_for()
    assert studio.run(run)["status"] in ("completed", "failed")


def test_the_end_of_the_log_stays_in_sight_when_its_lines_wrap(page: "Page", studio: Studio):
    code = "for number in range(80):\n    print(number, 'and some words that fill the line ' * 3)\n"
    run = studio.submit({"train.py": code})
    studio.wait_for(run, "completed")
    page.goto(f"/w/{studio.known['workspace']}/runs/{run}")
    page.get_by_text("79 and some words").wait_for()
    at_end = "(() => { const { scrollTop, scrollHeight, clientHeight } = document.querySelector('log-tail .lines');"
    at_end += " return scrollHeight > clientHeight && scrollHeight - scrollTop - clientHeight < 2; })()"
    page.wait_for_function(at_end)
    tall = page.evaluate("document.querySelector('log-tail .lines').scrollHeight")
    page.evaluate("document.querySelector('log-tail').style.width = '200px'")
    page.wait_for_function(f"document.querySelector('log-tail .lines').scrollHeight > {tall}")
    page.wait_for_function(at_end)


def test_a_run_without_output_says_whether_some_may_come(page: "Page", studio: Studio):
    ws = studio.known["workspace"]
    body = {"kind": "interactive", "experiment": "first", "name": "silent"}
    run = studio.ask("POST", f"/api/v1/workspaces/{ws}/runs", body).json["id"]
    page.goto(f"/w/{ws}/runs/{run}/outputs")
    page.get_by_text("Nothing was written yet.").wait_for()
    assert studio.ask("POST", f"/api/v1/workspaces/{ws}/runs/{run}/end", {"status": "completed"}).status == 200
    page.get_by_text("Nothing was written before the end.").wait_for()
    for tab in ("", "/outputs"):
        page.goto(f"/w/{ws}/runs/{run}{tab}")
        page.get_by_text("Nothing was written before the end.").wait_for()
