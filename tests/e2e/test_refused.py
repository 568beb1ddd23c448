"""A dialog that was refused: what was typed is there again, with what is wrong."""

from typing import TYPE_CHECKING

import pytest

from tests.stack.running import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
#: Who opens a dialog wants to write, not to close it.
ON_A_FIELD = "document.activeElement.matches('dialog[open] :is(input, select, textarea)')"


def test_what_was_typed_into_a_refused_dialog_is_not_lost(page: "Page", studio: Studio):
    assert studio.ask("POST", f"{studio.ws}/compute", {"name": "slate", "kind": "instance"}).status == 201
    page.goto(f"/w/{studio.known['workspace']}/compute/slate")
    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Edit")
    assert page.evaluate(ON_A_FIELD)
    dialog.get_by_label("Description").fill("for the night")
    dialog.get_by_label("Start").fill("0 25 * * *")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("alert").wait_for()
    assert dialog.get_by_label("Start").get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement.name") == "start", "what was wrong, not the first field"
    assert dialog.get_by_label("Description").input_value() == "for the night"
    dialog.get_by_label("Start").fill("0 7 * * *")
    dialog.get_by_role("button", name="Save").click()
    page.get_by_role("status").get_by_text("Saved.").wait_for()
    assert page.get_by_role("dialog").count() == 0
    kept = studio.ask("GET", f"{studio.ws}/compute/slate").json
    assert kept["description"] == "for the night" and kept["settings"]["schedule"]["start"] == "0 7 * * *"


def test_a_page_that_was_refused_says_it_beside_the_field(page: "Page", studio: Studio):
    at = f"/w/{studio.known['workspace']}"
    for path, button, fields in (
        ("compute-new/cluster", "Create", {"Name": "nodes", "Fewest nodes": "3", "Most nodes": "2"}),
        ("environments/new?kind=conda", "Register", {"Name": "tide", "Conda file": "dependencies: ["}),
    ):
        page.goto(f"{at}/{path}")
        for label, text in fields.items():
            page.get_by_label(label, exact=True).fill(text)
        page.get_by_role("button", name=button).click()
        alert = page.get_by_role("alert")
        alert.wait_for()
        wrong = page.get_by_label(list(fields)[1], exact=True)
        assert wrong.get_attribute("aria-invalid") == "true" and page.locator("[aria-invalid]").count() == 1
        assert wrong.evaluate("one => one === document.activeElement && one.labels[0].parentElement.contains(refused)")
        assert wrong.get_attribute("aria-describedby") == alert.get_attribute("id") == "refused"
        for label, text in fields.items():
            assert page.get_by_label(label, exact=True).input_value() == text


def test_a_secret_that_was_refused_is_not_kept_by_the_browser(page: "Page", studio: Studio):
    page.goto(f"/w/{studio.known['workspace']}/keyvault")
    page.get_by_role("button", name="New secret").first.click()
    dialog = page.get_by_role("dialog", name="New secret")
    dialog.get_by_label("Name").fill("not a name!")
    dialog.get_by_label("Value").fill("hidden-4711-hidden")
    dialog.get_by_role("button", name="Keep").click()
    dialog.get_by_role("alert").wait_for()
    assert dialog.get_by_label("Name").input_value() == "not a name!"
    assert dialog.get_by_label("Value").input_value() == ""
    assert "4711" not in page.evaluate("JSON.stringify(sessionStorage)")
