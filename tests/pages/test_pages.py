"""Every page as every kind of visitor."""

import re

import pytest

from workspace.audit.models import Entry
from workspace.environments.services import install_curated

# page, olga, carl, rio, mallory, nobody
PAGES = [
    ("/w/lab/", 200, 200, 200, 404, 302),
    ("/w/lab/data", 200, 200, 200, 404, 302),
    ("/w/lab/environments", 200, 200, 200, 404, 302),
    ("/w/lab/environments/system", 200, 200, 200, 404, 302),
    ("/w/lab/keyvault", 200, 200, 403, 404, 302),
    ("/w/lab/settings", 200, 200, 200, 404, 302),
    ("/w/lab/activity", 200, 403, 403, 404, 302),
    ("/w/lab/find?q=a", 200, 200, 200, 404, 302),
    ("/?all", 200, 200, 200, 200, 302),
    ("/new", 200, 200, 200, 200, 302),
    ("/account", 200, 200, 200, 200, 302),
    ("/console/", 403, 403, 403, 403, 302),
    ("/w/nowhere/", 404, 404, 404, 404, 302),
    ("/login", 302, 302, 302, 302, 200),
    ("/no-such-page", 404, 404, 404, 404, 404),
]
WHO = ["olga", "carl", "rio", "mallory", None]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page[0])
def test_who_sees_a_page(page, browser, lab):
    install_curated(lab)
    path, *wanted = page
    assert [browser(name).get(path).status_code for name in WHO] == wanted


def clean(html: str) -> None:
    """What the page's own policy would refuse to run or paint."""
    assert not re.findall(r"<script(?![^>]*(?:src=|application/json))", html)
    assert not re.findall(r"<style|\sstyle=|\son\w+=\"|javascript:", html)


@pytest.mark.parametrize("path", [page[0] for page in PAGES if page[1] == 200 and "find" not in page[0]])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_pages_keep_their_policy_in_both_languages(path, language, browser, lab):
    install_curated(lab)
    client = browser("olga")
    client.cookies["zaffre_language"] = language
    answer = client.get(path)
    html = answer.content.decode()
    clean(html)
    assert f'lang="{language}"' in html
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert ("ワークスペース" in html) == (language == "ja")


def test_the_administrator_sees_the_console_and_no_data(browser, lab):
    admin = browser("ada")
    assert admin.get("/console/").status_code == 200
    assert admin.get("/w/lab/data").status_code == 403
    assert admin.get("/w/lab/settings").status_code == 200


def test_reading_pages_changes_nothing(browser, lab):
    before = Entry.objects.count()
    for page in ("/w/lab/", "/w/lab/data", "/w/lab/settings"):
        browser("rio").get(page)
    assert Entry.objects.count() == before
