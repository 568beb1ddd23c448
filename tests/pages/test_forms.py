"""Forms do what they say, say what went wrong, and cannot be sent by who may not."""

import re

import pytest

from registry.endpoints.models import Endpoint
from tests.conftest import PASSWORD
from workspace.accounts.models import Token
from workspace.datasets.models import Dataset, DatasetVersion
from workspace.environments.models import Environment
from workspace.models import Membership, Workspace


def test_log_in_and_out(browser, lab):
    visitor = browser(None)
    answer = visitor.get("/w/lab/data")
    assert answer.url == "/login?next=%2Fw%2Flab%2Fdata"
    wrong = visitor.post("/login", {"username": "olga", "password": "not this one", "next": "/w/lab/data"})
    assert wrong.status_code == 401
    assert "The user name or the password is wrong" in wrong.content.decode()
    assert 'value="olga"' in wrong.content.decode()
    right = visitor.post("/login", {"username": "olga", "password": PASSWORD, "next": "/w/lab/data"})
    assert (right.status_code, right.url) == (302, "/w/lab/data")
    assert visitor.get("/w/lab/data").status_code == 200
    visitor.post("/logout")
    assert visitor.get("/w/lab/data").status_code == 302


@pytest.mark.parametrize("next_page", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_log_in_leads_nowhere_else(next_page, browser, people):
    answer = browser(None).post("/login", {"username": "olga", "password": PASSWORD, "next": next_page})
    assert answer.url == "/"


def test_a_token_is_shown_once(browser, lab):
    olga = browser("olga")
    first = olga.post("/account/tokens", {"name": "laptop", "days": "30"}, follow=True).content.decode()
    shown = re.search(r"zaf_pat_\w+", first)
    assert shown
    assert "zaf_pat_" not in olga.get("/account").content.decode()
    token = Token.objects.get(name="laptop")
    olga.post(f"/account/tokens/{token.pk}/revoke")
    token.refresh_from_db()
    assert token.revoked


def test_a_token_of_no_days_is_refused_with_a_sentence(browser, lab):
    page = browser("olga").post("/account/tokens", {"name": "laptop", "days": "many"}, follow=True).content.decode()
    assert "1 to 366 days" in page
    assert not Token.objects.exists()


def test_members_come_change_and_go(browser, lab, people):
    olga = browser("olga")
    olga.post("/w/lab/members", {"username": "mallory", "role": "reader"})
    member = Membership.objects.get(workspace=lab, user=people.mallory)
    assert member.role == "reader"
    olga.post("/w/lab/members/mallory", {"role": "contributor"})
    member.refresh_from_db()
    assert member.role == "contributor"
    olga.post("/w/lab/members/mallory", {"remove": "1"})
    assert not Membership.objects.filter(pk=member.pk).exists()


def test_the_last_owner_stays_and_reads_why(browser, lab):
    page = browser("olga").post("/w/lab/members/olga", {"remove": "1"}, follow=True).content.decode()
    assert "last owner" in page


@pytest.mark.parametrize("who", ["carl", "rio"])
def test_only_owners_change_members(who, browser, lab):
    assert browser(who).post("/w/lab/members", {"username": "mallory", "role": "owner"}).status_code == 403
    assert 'action="/w/lab/members"' not in browser(who).get("/w/lab/settings").content.decode()


def test_a_workspace_is_made_and_deleted_by_its_typed_name(browser, lab):
    olga = browser("olga")
    made = olga.post("/new", {"slug": "second", "name": "Second", "description": ""})
    assert made.url == "/w/second/"
    assert Environment.objects.filter(workspace__slug="second", curated=True).exists()
    olga.post("/w/second/settings/delete", {"typed": "secnod"})
    assert Workspace.objects.filter(slug="second").exists()
    olga.post("/w/second/settings/delete", {"typed": "second"})
    assert not Workspace.objects.filter(slug="second").exists()


def test_a_taken_short_name_is_said(browser, lab):
    page = browser("olga").post("/new", {"slug": "den", "name": "Mine"}, follow=True).content.decode()
    assert "is taken" in page


def test_language_and_theme_stay(browser, lab):
    olga = browser("olga")
    olga.post("/account/profile", {"language": "ja", "theme": "dark", "next": "/w/lab/"})
    page = olga.get("/w/lab/").content.decode()
    assert '<html lang="ja" data-theme="dark">' in page
    assert "実験" in page or "環境" in page


def test_an_environment_from_lines(browser, lab):
    olga = browser("olga")
    olga.post("/w/lab/environments/new", {"name": "mine", "requirements": "# ours\nnumpy==2.4.0\n\n"})
    found = Environment.objects.get(workspace=lab, name="mine").versions.get()
    assert found.spec["requirements"] == ["numpy==2.4.0"]
    assert browser("rio").post("/w/lab/environments/new", {"name": "his", "requirements": "x"}).status_code == 403


def test_the_administrator_makes_and_closes_accounts(browser, people):
    admin = browser("ada")
    admin.post("/console/users", {"username": "nina", "password": "quite a long word", "display_name": "Nina"})
    assert browser(None).post("/login", {"username": "nina", "password": "quite a long word"}).status_code == 302
    admin.post("/console/users/nina")
    assert browser(None).post("/login", {"username": "nina", "password": "quite a long word"}).status_code == 401
    assert browser("olga").post("/console/users/nina").status_code == 403


def test_a_form_without_its_proof_gets_a_page_that_says_why(people):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/login", {"username": "olga", "password": PASSWORD})
    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


def test_lists_cost_the_same_for_many_rows(browser, lab, people):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    olga = browser("olga")

    def cost(rows: int) -> int:
        for number in range(rows):
            dataset = Dataset.objects.create(workspace=lab, name=f"d{rows}-{number}", latest=1, created_by=people.olga)
            DatasetVersion.objects.create(dataset=dataset, version=1, files=[], digest="0", file_count=0, size=1)
        with CaptureQueriesContext(connection) as asked:
            assert olga.get("/w/lab/data").status_code == 200
        return len(asked)

    assert cost(3) == cost(30) <= 20


def test_a_refused_deployment_leaves_no_endpoint(browser, lab):
    asked = {
        "endpoint": "scores",
        "model": "none:1",
        "snapshot": "x",
        "entry_script": "score.py",
        "environment": "system",
    }
    page = browser("olga").post("/w/lab/endpoints/deploy", asked)
    assert page.status_code == 302
    assert not Endpoint.objects.exists()


def test_an_environment_shows_its_requirements_one_a_line(browser, lab):
    olga = browser("olga")
    olga.post("/w/lab/environments/new", {"name": "mine", "requirements": "numpy==2.4.0\nscipy==1.17.0"})
    assert "numpy==2.4.0\nscipy==1.17.0" in olga.get("/w/lab/environments/mine").content.decode()
