"""A table of runs as a person works with it: by the keyboard, with a mistake, and shared with another member."""

import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.stack.running import ROOT, Studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
PASSWORD = "a long enough password"


def fill(studio: Studio, experiment: str) -> dict[str, str]:
    """Four runs of two models, one of them still going on; {name: id}."""
    runs = {}
    for name, model, loss in (("ant", "mlp", 0.9), ("bee", "mlp", 0.3), ("cat", "cnn", 0.5), ("dog", "cnn", 0.7)):
        body = {"kind": "interactive", "experiment": experiment, "name": name}
        made = studio.ask("POST", f"{studio.ws}/runs", body)
        assert made.status == 201, made.body
        run = runs[name] = made.json["id"]
        points = [["loss", loss + 1 / (step + 1), step, step] for step in range(5)]
        logged = {"batch": str(uuid4()), "points": points, "params": {"model": model}}
        assert studio.ask("POST", f"{studio.ws}/runs/{run}/metrics", logged).status == 200
        if name != "dog":
            assert studio.ask("POST", f"{studio.ws}/runs/{run}/end", {"status": "completed"}).status == 200
    return runs


def test_a_page_asks_for_each_file_of_the_bundle_once_and_keeps_it(page: "Page", studio: Studio):
    page.goto(f"/w/{studio.known['workspace']}/runs")
    page.wait_for_function("Boolean(customElements.get('live-feed') && customElements.get('run-table'))")
    asked = page.evaluate("performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)")
    files = [one.rsplit("/", 1)[1].split(".")[0] for one in asked if one.startswith("/static/dist/assets/")]
    assert any(one.startswith("shared-") for one in files)
    assert sorted(files) == sorted(set(files))
    for one in asked:
        if one.startswith("/static/"):
            assert "immutable" in page.request.get(one).headers["cache-control"], one


def join_as_reader(studio: Studio) -> str:
    name = f"rio{uuid4().hex[:6]}"
    code = (
        "from studio.kernel.actors import SYSTEM\n"
        "from workspace.accounts.services import create_user\n"
        f"create_user(actor=SYSTEM, username='{name}', password='{PASSWORD}')\n"
    )
    env = {**studio.env, "SECRET_KEY_FILE": str(studio.var / "secret_key")}
    words = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    env.pop("REDIS_URL", None)
    made = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert studio.ask("POST", f"{studio.ws}/members", {"username": name, "role": "reader"}).status == 201
    return name


def names(page: "Page") -> list[str]:
    page.wait_for_load_state()  # the address is there before the rows are
    return page.locator("#table tbody[data-runs] tr:visible a.name").all_inner_texts()


def test_filter_sort_group_save_share_and_compare(page: "Page", studio: Studio, chromium: "Browser"):
    experiment = f"table-{uuid4().hex[:6]}"
    runs = fill(studio, experiment)
    ws = studio.known["workspace"]
    page.goto(f"/w/{ws}/experiments/{experiment}")
    # A mistake is marked, and typed over.
    page.keyboard.press("/")
    page.keyboard.type("metrics.los < 2")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.get_by_text("No run fits").wait_for()
    page.keyboard.press("/")
    page.keyboard.press("Control+a")
    page.keyboard.type("metrics.loss <> 2")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.locator(".filter-wrong mark").wait_for()
    page.keyboard.press("Control+a")
    page.keyboard.type("metrics.loss < 1")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url("**filter=metrics.loss*")
    page.get_by_role("link", name="dog").wait_for()
    assert names(page) == ["dog", "cat", "bee"]
    # The order: a head is a link.
    page.get_by_role("link", name="loss", exact=True).press("Enter")
    page.locator("th[aria-sort=descending]").wait_for()
    page.get_by_role("link", name="loss", exact=True).press("Enter")
    page.locator("th[aria-sort=ascending]").wait_for()
    assert names(page) == ["bee", "cat", "dog"]
    # Columns: search, choose, move up.
    page.get_by_role("button", name="Columns").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("searchbox").wait_for()
    # By the letters of its name in their order; by an expression for the groups below.
    page.keyboard.type("usr")
    assert dialog.locator(".offered label").all_inner_texts() == ["User"]
    dialog.get_by_label("User").press("Space")
    last = dialog.locator(".order li").last
    last.focus()
    page.keyboard.press("Alt+ArrowUp")
    dialog.get_by_role("button", name="Apply").press("Enter")
    page.wait_for_url("**columns=*user*")
    heads = page.locator("#table thead th").all_inner_texts()
    assert heads[-2:] == ["User", "Created"]
    # Groups, opened in place.
    page.get_by_role("button", name="Group by").press("Enter")
    dialog.get_by_role("searchbox").wait_for()
    page.keyboard.type("/^mod.l$/")
    dialog.get_by_label("model").press("Space")
    dialog.get_by_role("button", name="Apply").press("Enter")
    page.wait_for_url("**group=params.model*")
    page.get_by_role("button", name="Show the runs of this group").first.press("Enter")
    page.locator("tr.inside a.name").first.wait_for()
    page.go_back()
    page.locator("tbody[data-runs]").wait_for()
    # Saved for everybody, and used by somebody who may only read.
    page.locator("details.drop summary", has_text="Views").press("Enter")
    page.get_by_role("button", name="Save this view…").press("Enter")
    page.locator("#view-save input[name=name]").fill(experiment)
    page.keyboard.press("Enter")
    page.wait_for_url("**view=*")
    page.locator("details.drop summary", has_text=experiment).wait_for()
    shared = page.url
    reader = join_as_reader(studio)
    context = chromium.new_context(viewport={"width": 1440, "height": 860}, base_url=studio.url, bypass_csp=True)
    other = context.new_page()
    other.goto("/login")
    other.fill("[name=username]", reader)
    other.fill("[name=password]", PASSWORD)
    other.click("main button[type=submit]")
    other.wait_for_url("**/w/**")
    other.goto(f"/w/{ws}/experiments/{experiment}")
    other.locator("details.drop summary", has_text="Views").click()
    other.get_by_role("link", name=experiment).click()
    other.wait_for_url(shared)
    assert names(other) == ["bee", "cat", "dog"]
    assert other.get_by_role("button", name="Save this view…").count() == 0
    context.close()
    # Three are selected with j and x while one goes on, the page is read anew under them, and they are compared.
    page.goto(shared)
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.locator("[data-many]", has_text="3 selected").wait_for()
    more = {"batch": str(uuid4()), "points": [["loss", 0.0625, 9, 9]]}
    assert studio.ask("POST", f"{studio.ws}/runs/{runs['dog']}/metrics", more).status == 200
    page.locator("#table", has_text="0.0625").wait_for()
    assert names(page) == ["dog", "bee", "cat"]
    assert page.locator("#table input:checked").count() >= 3
    page.locator(".head a[data-compare]").press("Enter")
    page.wait_for_url("**/compare?**")
    asked = urlsplit(page.url)
    assert asked.path == f"/w/{ws}/compare"
    assert set(parse_qs(asked.query)["run"]) == {runs["bee"], runs["cat"], runs["dog"]}


def test_a_list_is_filtered_by_keys_and_found_so_on_the_way_back(page: "Page", studio: Studio):
    names = [f"{word}-{uuid4().hex[:6]}" for word in ("listed", "listless")]
    for name in names:
        fill(studio, name)
    page.goto(f"/w/{studio.known['workspace']}/experiments")
    rows = page.locator("#experiments tbody tr:visible")
    rows.nth(1).wait_for()
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type(names[1])
    page.wait_for_function("document.querySelectorAll('#experiments tbody tr:not([hidden])').length === 1")
    page.get_by_role("status").get_by_text("1 of ").wait_for()
    # What is read anew is filtered, too.
    fill(studio, names[0])
    page.wait_for_timeout(1500)
    assert rows.count() == 1
    page.locator("h1").click()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/experiments/{names[1]}**")
    page.go_back()
    page.wait_for_function("document.querySelectorAll('#experiments tbody tr:not([hidden])').length === 1")
    page.get_by_label("Filter the list").fill("nothing is called so")
    page.get_by_text("Nothing has such a name.").wait_for()
