"""Compute targets of every kind: making, changing and deleting them, by the JSON door and by the pages."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.workspace.conftest import EVERYBODY
from workspace.compute import kinds, services
from workspace.compute.models import ComputeTarget, Enrolment, Node
from workspace.models import Workspace

URL = "/api/v1/workspaces/lab/compute"
CLUSTER = {"name": "cpu-cluster", "kind": "cluster", "settings": {"max_nodes": 4}}


def make(client, **body):
    return client.post(URL, {**CLUSTER, **body}, format="json")


# --- who may ---------------------------------------------------------------------------------------------

OWNERS = {"olga": 201, "carl": 403, "rio": 403, "mallory": 404, "ada": 403, None: 401}
OF_ONESELF = {**OWNERS, "carl": 201}


@pytest.mark.parametrize("name", EVERYBODY)
def test_who_makes_clusters_and_who_makes_an_instance_for_oneself(api, lab, name):
    assert make(api(name)).status_code == OWNERS[name]
    assert make(api(name), name="mine", kind="instance", settings={}).status_code in {OF_ONESELF[name], 422}
    assert ComputeTarget.objects.filter(kind="instance").exists() is (OF_ONESELF[name] == 201)


@pytest.mark.parametrize("name", EVERYBODY)
def test_who_changes_and_deletes_a_cluster(api, lab, name):
    assert make(api("olga")).status_code == 201
    changed = api(name).patch(f"{URL}/cpu-cluster", {"settings": {"max_nodes": 5}}, format="json")
    assert changed.status_code == {**OWNERS, "olga": 200}[name]
    assert api(name).delete(f"{URL}/cpu-cluster").status_code == {**OWNERS, "olga": 204}[name]


def test_an_instance_is_its_persons_and_the_owners(api, lab):
    assert make(api("carl"), name="desk", kind="instance", settings={}).json()["owner"] == "carl"
    assert make(api("carl"), name="other", kind="instance", settings={}, owner="olga").status_code == 403
    assert make(api("olga"), name="given", kind="instance", settings={}, owner="carl").json()["owner"] == "carl"
    assert make(api("olga"), name="odd", kind="instance", settings={}, owner="mallory").status_code == 422
    patch = {"settings": {"idle_minutes": 5}}
    assert api("carl").patch(f"{URL}/desk", patch, format="json").json()["settings"]["idle_minutes"] == 5
    assert api("carl").patch(f"{URL}/given", {"owner": "olga"}, format="json").status_code == 403
    assert api("olga").patch(f"{URL}/desk", {"description": "Carl's"}, format="json").status_code == 200
    assert api("carl").delete(f"{URL}/desk").status_code == 204


# --- settings --------------------------------------------------------------------------------------------------


def test_settings_have_defaults_and_take_numbers_that_are_spelt(api, lab):
    shown = make(api("olga"), settings={"max_nodes": "3", "min_nodes": "1", "node": {"slots": "2"}}).json()
    assert shown["settings"] == {
        "provider": "process",
        "min_nodes": 1,
        "max_nodes": 3,
        "idle_seconds_before_scaledown": 120,
        "priority": "dedicated",
        "vm_size": "",
        "node": {"cpus": 0, "memory_gb": 0, "slots": 2},
    }
    changed = api("olga").patch(f"{URL}/cpu-cluster", {"settings": {"node": {"cpus": 4}}}, format="json").json()
    assert changed["settings"]["node"] == {"cpus": 4, "memory_gb": 0, "slots": 2}
    assert changed["settings"]["max_nodes"] == 3, "what is not named stays"
    assert make(api("olga"), name="i", kind="instance", settings={}).json()["settings"]["idle_minutes"] == 60


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "max_nodes"),
        ({"max_nodes": 0}, "max_nodes"),
        ({"max_nodes": 101}, "max_nodes"),
        ({"max_nodes": "many"}, "max_nodes"),
        ({"max_nodes": "٣"}, "max_nodes"),
        ({"max_nodes": 1.5}, "max_nodes"),
        ({"max_nodes": True}, "max_nodes"),
        ({"max_nodes": 1e30}, "max_nodes"),
        ({"max_nodes": [3]}, "max_nodes"),
        ({"max_nodes": 2, "min_nodes": 3}, "min_nodes"),
        ({"max_nodes": 2, "min_nodes": -1}, "min_nodes"),
        ({"max_nodes": 2, "idle_seconds_before_scaledown": -1}, "idle_seconds_before_scaledown"),
        ({"max_nodes": 2, "priority": "spot"}, "priority"),
        ({"max_nodes": 2, "provider": "cloud"}, "provider"),
        ({"max_nodes": 2, "vm": "big"}, "vm"),
        ({"max_nodes": 2, "node": {"gpus": 1}}, "node"),
        ({"max_nodes": 2, "node": [1]}, "node"),
        ({"max_nodes": 2, "node": {"slots": 0}}, "slots"),
    ],
)
def test_a_wrong_setting_is_named(api, lab, given, field):
    answer = make(api("olga"), settings=given)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == field
    assert ComputeTarget.objects.count() == 0


def test_machines_that_join_have_no_settings(api, lab):
    assert make(api("olga"), kind="joined", settings={}).status_code == 201
    assert make(api("olga"), name="b", kind="joined", settings={"max_nodes": 1}).status_code == 422
    assert make(api("olga"), name="c", kind="cloud", settings={}).status_code == 422


# --- deleting ------------------------------------------------------------------------------------------------------


def test_a_deleted_target_takes_its_machines_along_and_frees_its_name(api, lab, trail):
    assert make(api("olga"), kind="joined", settings={}).status_code == 201
    token = api("olga").post(f"{URL}/cpu-cluster/enrolments", {}, format="json").json()["token"]
    target = ComputeTarget.objects.get()
    Node.objects.create(id="n1", target=target, name="box", secret_hash="x", last_seen=target.created)
    assert api("olga").delete(f"{URL}/cpu-cluster").status_code == 204
    assert api("olga").get(f"{URL}/cpu-cluster").status_code == 404
    assert api("olga").get(URL).json()["targets"] == []
    assert Node.objects.get().removed is not None and Enrolment.objects.get().revoked is not None
    registered = api(None).post(
        "/agent/v1/nodes/register", {"name": "late"}, format="json", headers={"Authorization": f"Bearer {token}"}
    )
    assert registered.status_code == 401
    assert make(api("olga")).status_code == 201, "the name is free"
    assert trail()[-2:] == [("olga", "target.delete", "cpu-cluster"), ("olga", "target.create", "cpu-cluster")]


def test_the_target_of_every_workspace_stays(api, lab, people):
    services.create_target(lab, actor=people.actor("olga"), name="local")
    refused = api("olga").delete(f"{URL}/local")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "workspace_own")


# --- what happened --------------------------------------------------------------------------------------------------


def told(api, name="cpu-cluster") -> list[tuple[str, str]]:
    found = api("rio").get(f"{URL}/{name}/happenings").json()["happenings"]
    return [tuple(one["text"].split("\n")) for one in reversed(found) if one["code"] == "target_changed"]


def test_a_change_of_a_target_is_told_with_what_it_was_and_is(api, browser, lab):
    make(api("olga"))
    at, olga = f"{URL}/cpu-cluster", api("olga")
    assert olga.patch(at, {"settings": {"min_nodes": 0}}, format="json").status_code == 200, "as it was"
    for change in (
        {"settings": {"max_nodes": 5, "idle_seconds_before_scaledown": 60, "node": {"cpus": 2}}},
        {"settings": {"priority": "lowpriority"}, "tags": {"team": "<b>vision"}},
        {"tags": {"stage": "new"}, "description": "for nets"},
        {"tags": {}},
    ):
        assert olga.patch(at, change, format="json").status_code == 200
    assert told(api) == [
        ("Most nodes: 4 → 5; Seconds without work until a node goes: 120 → 60; Processors: 0 → 2", "olga"),
        ("Tag team: – → <b>vision; Priority: dedicated → lowpriority", "olga"),
        ("Description: – → for nets; Tag stage: – → new; Tag team: <b>vision → –", "olga"),
        ("Tag stage: new → –", "olga"),
    ]
    page = main_of(browser("rio").get("/w/lab/compute/cpu-cluster"))
    assert "Settings changed" in page and "Most nodes: 4 → 5" in page and "Tag team: – → &lt;b&gt;vision" in page


def test_a_change_of_an_instance_is_told_with_its_schedule_and_owner(api, browser, lab):
    make(api("carl"), name="desk", kind="instance", settings={})
    settings = {"schedule": {"start": "0 9 * * 1-5", "time_zone": "Asia/Tokyo"}, "idle_minutes": 5}
    assert api("carl").patch(f"{URL}/desk", {"settings": settings}, format="json").status_code == 200
    assert api("olga").patch(f"{URL}/desk", {"owner": "olga"}, format="json").status_code == 200
    assert told(api, "desk") == [
        ("Minutes without work until it stops: 60 → 5; Time zone: UTC → Asia/Tokyo; Start: – → 0 9 * * 1-5", "carl"),
        ("Owner: carl → olga", "olga"),
    ]


# --- draining --------------------------------------------------------------------------------------------------------


def test_a_node_is_drained_and_taken_back(api, lab):
    make(api("olga"), kind="joined", settings={})
    target = ComputeTarget.objects.get()
    Node.objects.create(id="n1", target=target, name="box", secret_hash="x", last_seen=target.created)
    address = f"{URL}/cpu-cluster/nodes/n1"
    assert api("carl").patch(address, {"draining": True}, format="json").status_code == 403
    assert api("olga").patch(address, {"draining": True}, format="json").status_code == 204
    assert api("rio").get(f"{URL}/cpu-cluster").json()["nodes"][0]["draining"] is not None
    assert api("olga").patch(address, {"draining": False}, format="json").status_code == 204
    assert api("rio").get(f"{URL}/cpu-cluster").json()["nodes"][0]["draining"] is None
    assert api("olga").patch(f"{URL}/cpu-cluster/nodes/none", {"draining": True}, format="json").status_code == 404


# --- pages ---------------------------------------------------------------------------------------------------------


def main_of(page) -> str:
    return page.content.decode().partition("<main")[2].partition("</main>")[0]


def test_the_tabs_of_compute_and_of_a_target(browser, api, lab):
    make(api("olga"))
    make(api("carl"), name="desk", kind="instance", settings={})
    for tab, name in [("clusters", "cpu-cluster"), ("instances", "desk")]:
        page = browser("rio").get(f"/w/lab/compute?tab={tab}")
        assert f"/w/lab/compute/{name}" in main_of(page)
    for tab in ("attached", "machines"):
        assert "cpu-cluster" not in main_of(browser("rio").get(f"/w/lab/compute?tab={tab}"))
    assert browser("rio").get("/w/lab/compute?tab=none").status_code == 404
    for tab in ("", "/nodes", "/runs", "/details"):
        page = browser("rio").get(f"/w/lab/compute/cpu-cluster{tab}")
        assert page.status_code == 200
        assert "Delete" not in main_of(page)
        assert browser("mallory").get(f"/w/lab/compute/cpu-cluster{tab}").status_code == 404
        assert "Delete" in main_of(browser("olga").get(f"/w/lab/compute/cpu-cluster{tab}"))


def test_the_form_makes_a_cluster_and_a_refusal_keeps_what_was_typed(browser, lab):
    client = browser("olga")
    assert client.get("/w/lab/compute-new/cluster").status_code == 200
    form = {"name": "gpu", "min_nodes": "5", "max_nodes": "2", "description": "of the lab"}
    refused = client.post("/w/lab/compute-new/cluster", form)
    assert refused.status_code == 422
    shown = main_of(refused)
    assert "min_nodes is 5" in shown and 'value="gpu"' in shown and 'value="of the lab"' in shown
    made = client.post("/w/lab/compute-new/cluster", {**form, "min_nodes": "1", "slots": "2"}, follow=True)
    assert made.redirect_chain == [("/w/lab/compute/gpu", 302)]
    assert ComputeTarget.objects.get().settings["node"]["slots"] == 2
    changed = client.post("/w/lab/compute/gpu/change", {"description": "new", "max_nodes": "7"}, follow=True)
    assert "7" in main_of(changed) and ComputeTarget.objects.get().settings["min_nodes"] == 1
    gone = client.post("/w/lab/compute/gpu/delete", follow=True)
    assert gone.redirect_chain == [("/w/lab/compute", 302)] and ComputeTarget.objects.get().deleted


def test_a_refusal_is_said_in_the_language_of_the_page_and_to_scripts_in_english(browser, api, lab):
    form, japanese = {"name": "gpu", "min_nodes": "5", "max_nodes": "2"}, {"Accept-Language": "ja"}
    shown = main_of(browser("olga").post("/w/lab/compute-new/cluster", form, headers=japanese))
    assert "min_nodes は 5 で" in shown and "min_nodes is" not in shown
    after = main_of(browser("olga").post("/w/lab/compute-new/cluster", form))
    assert "min_nodes is 5, more than max_nodes, which is 2." in after, "nothing of the language before is left"
    told = api("olga").get(f"{URL}/nope").json()["error"]["message"]
    assert told == "There is no compute target 'nope' in lab."


@pytest.mark.parametrize(
    ("kind", "who", "status"),
    [("cluster", "carl", 403), ("instance", "carl", 200), ("instance", "rio", 403), ("local", "olga", 404)],
)
def test_who_sees_the_forms(browser, lab, kind, who, status):
    assert browser(who).get(f"/w/lab/compute-new/{kind}").status_code == status


def test_many_targets_cost_no_more_queries(browser, people, lab: Workspace):
    counts = []
    for round_ in "ab":
        with CaptureQueriesContext(connection) as seen:
            browser("rio").get("/w/lab/compute?tab=clusters")
        counts.append(len(seen))
        for at in range(4):
            services.create_target(
                lab, actor=people.actor("olga"), name=f"{round_}{at}", kind="cluster", settings={"max_nodes": 1}
            )
    assert counts[0] == counts[1]


def test_all_kinds_of_the_table_are_kinds_of_the_module():
    assert set(ComputeTarget.Kind.values) == set(kinds.KINDS)
