"""Saved views: who may keep them, what they show to others, and what an experiment begins with."""

import pytest

from runs.tables.models import SavedView
from tests.runs.tables.conftest import heads, names
from workspace.audit.models import Entry

API, EXPERIMENT = "/api/v1/workspaces/lab/views", "/w/lab/experiments/digits"
QUERY = "filter=metrics.loss+%3C+2&columns=metrics.loss&order_by=metrics.loss+asc"


def save(client, **more):
    return client.post(API, {"name": "best", "query": QUERY, "experiment": "digits", **more}, format="json")


def test_a_view_is_saved_by_one_and_used_by_another(filled, browser, api):
    filled("a", loss=1.5)
    filled("b", loss=0.5)
    filled("c", loss=3.0)
    answer = browser("carl").post("/w/lab/views", {"name": " best ", "query": QUERY, "experiment": "digits"})
    view = SavedView.objects.get()
    assert answer["Location"] == f"{EXPERIMENT}?view={view.pk}&{QUERY}"
    page = browser("rio").get(EXPERIMENT).content.decode()
    assert names(page) == ["c", "b", "a"] and ">best</a>" in page
    page = browser("rio").get(answer["Location"]).content.decode()
    assert (names(page), heads(page)) == (["b", "a"], ["Run", "loss"])
    assert "view-save" not in page and "view-change" not in page  # a reader opens it and changes nothing
    assert "(changed)" not in page
    changed = browser("carl").get(answer["Location"] + "&status=completed").content.decode()
    assert "changed" in changed and "Update “best”" in changed
    assert browser("mallory").get(answer["Location"]).status_code == 404
    assert ">best</a>" not in browser("rio").get("/w/lab/runs").content.decode()
    assert Entry.objects.filter(action="view.save", target="best").count() == 1


def test_who_may_do_what_with_views(lab, filled, api):
    filled("one")
    for who, status in (("rio", 403), ("mallory", 404), (None, 401), ("carl", 201)):
        assert save(api(who)).status_code == status
    place = f"{API}/{SavedView.objects.get().pk}"
    for who, read, write in (("rio", 200, 403), ("mallory", 404, 404), (None, 401, 401)):
        assert api(who).get(place).status_code == read
        assert api(who).patch(place, {"name": "x"}, format="json").status_code == write
        assert api(who).delete(place).status_code == write
    assert api("mallory").get(API).status_code == 404
    assert [one["name"] for one in api("rio").get(API, {"experiment": "digits"}).json()["views"]] == ["best"]
    assert api("rio").get(API).json()["views"] == []
    assert api("olga").delete(place).status_code == 204
    assert api("olga").get(place).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"query": "filter=metrics.loss+%3C"}, "bad_filter"),
        ({"query": "columns=nonsense"}, "bad_columns"),
        ({"query": "order_by=at_min(metrics.a,metrics.b)"}, "bad_columns"),
        ({"query": "status=nonsense"}, "invalid"),
        ({"query": "&".join(["a=b"] * 200)}, "invalid"),
        ({"query": "filter=" + "x" * 20_001}, "invalid"),
        ({"name": ""}, "invalid"),
        ({"name": "a\nb"}, "invalid"),
        ({"name": "x" * 101}, "invalid"),
        ({"experiment": None, "default": True}, "invalid"),
    ],
)
def test_a_mistake_is_told_when_a_view_is_saved(filled, api, wrong, code):
    filled("one")
    answer = save(api("carl"), **wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert not SavedView.objects.exists()


def test_what_is_not_of_a_table_is_not_kept_and_a_name_is_taken_once(filled, api):
    filled("one")
    made = save(
        api("carl"), query="?after=x&selected=y&evil=<script>&filter=%20&columns=loss_x".replace("&columns=loss_x", "")
    )
    assert made.json()["query"] == ""
    again = save(api("olga"))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "taken")
    other = save(api("olga"), name="<script>alert(1)</script>").json()
    taken = api("olga").patch(f"{API}/{other['id']}", {"name": "best"}, format="json")
    assert taken.json()["error"]["code"] == "taken"
    assert save(api("carl"), name="y", experiment="none").status_code == 404


def test_an_experiment_begins_with_its_view(filled, browser, api):
    filled("a", loss=1.5)
    filled("c", loss=3.0)
    first, second = (save(api("carl"), name=name, default=True).json() for name in ("one", "two"))
    assert api("rio").get(f"{API}/{first['id']}").json()["default"] is False  # there is one only
    answer = browser("rio").get(EXPERIMENT)
    assert (answer.status_code, answer["Location"]) == (302, f"{EXPERIMENT}?view={second['id']}&{QUERY}")
    assert names(browser("rio").get(EXPERIMENT + "?view=").content.decode()) == ["c", "a"]
    place = f"/w/lab/views/{second['id']}"
    browser("carl").post(place, {"name": "two", "default": "0"})
    assert browser("rio").get(EXPERIMENT).status_code == 200
    browser("carl").post(place, {"update": "1", "query": "status=failed"})
    assert api("rio").get(f"{API}/{second['id']}").json()["query"] == "status=failed"
    gone = browser("carl").post(f"{place}/delete")
    assert gone["Location"] == f"{EXPERIMENT}?view="
    back = browser("carl").post("/w/lab/views", {"name": "one", "query": "status=failed", "experiment": "digits"})
    assert back["Location"] == f"{EXPERIMENT}?status=failed"  # refused, on the table as it was
    assert browser("rio").post(f"/w/lab/views/{first['id']}/delete").status_code == 403
    assert browser("rio").get("/w/lab/views").status_code == 405
