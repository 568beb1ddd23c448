"""Runs below a run: by a person, by running code, and never by code that lost its run."""

import asyncio

import pytest
from django.utils import timezone

from runs.models import Run
from runs.services import reap
from studio.asgi import application
from studio.kernel.actors import SYSTEM
from tests.kernel.asgi import Answer, Caller
from tests.runs.control.conftest import WS, FakeCode, bearer
from tests.runs.control.test_attempts import outlive


def children(client, at: str, key: str = "", **body: object):
    return client.post(f"{at}/children", body, format="json", headers={"Idempotency-Key": key} if key else {})


def below(carl, run: str, **asked: object) -> list[str]:
    return [one["id"] for one in carl.client.get(f"{WS}/runs/{run}/children", asked).json()["runs"]]


@pytest.fixture
def code(carl, node) -> FakeCode:
    carl.submit(max_retries=1)
    code = FakeCode(node.claim())
    code.start()
    return code


def test_code_begins_writes_and_ends_children_to_any_depth(carl, code):
    client = bearer(code.spec["token"])
    made = children(client, code.at, children=[{"name": "fold 1", "tags": {"k": "1"}}, {}]).json()["runs"]
    first, second = made
    assert (first["name"], first["tags"], first["parent"], first["status"]) == (
        "fold 1", {"k": "1"}, code.spec["run"], "running",
    )  # fmt: skip
    assert second["number"] == first["number"] + 1
    inner = children(client, f"/agent/v1/runs/{first['id']}", count=1).json()["runs"][0]
    assert below(carl, code.spec["run"]) == [first["id"], second["id"]]
    assert below(carl, code.spec["run"], recursive=1) == [first["id"], second["id"], inner["id"]]
    assert below(carl, code.spec["run"], recursive=1, limit=1, after=first["id"]) == [second["id"]]
    at = f"/agent/v1/runs/{inner['id']}"
    assert client.patch(at, {"tags": {"a": "b"}, "properties": {"p": "1"}}, format="json").json()["tags"] == {"a": "b"}
    changed = client.patch(at, {"properties": {"p": "2"}}, format="json")
    assert (changed.status_code, changed.json()["error"]["code"]) == (409, "immutable")
    ended = client.post(f"{at}/end", {"status": "failed", "message": "diverged"}, format="json").json()
    assert (ended["status"], ended["reason"]["message"]) == ("failed", "diverged")
    assert client.post(f"{at}/end", {"status": "failed"}, format="json").status_code == 200
    assert client.post(f"{at}/end", {"status": "completed"}, format="json").status_code == 409
    assert client.patch(at, {"tags": {"late": "1"}}, format="json").json()["error"]["code"] == "final"
    own = client.post(f"{code.at}/end", {"status": "completed"}, format="json")
    assert own.status_code == 403
    assert client.get(f"{WS}/runs/{code.spec['run']}/children").json()["runs"][0]["id"] == first["id"]


def test_points_of_a_child_come_from_its_parents_code(carl, code):
    """Through the raw door, which believes a run's own token without asking."""
    child = children(bearer(code.spec["token"]), code.at, count=1).json()["runs"][0]["id"]
    other = carl.submit().pk
    caller = Caller(application, {"authorization": f"Bearer {code.spec['token']}"})

    def log(run: str, batch: str = "b1") -> Answer:
        items = [{"key": "who", "kind": "text", "value": "x"}]
        body = {"batch": batch, "points": [["loss", 0.5]], "items": items}
        return asyncio.run(caller.post(f"/agent/v1/runs/{run}/metrics", body))

    assert log(child).json() == {"accepted": 2, "duplicate": False}
    assert log(child).json()["duplicate"] is True
    assert log(other).status == 404
    assert set(Run.objects.get(pk=child).metrics) == {"loss", "who"}
    Run.objects.filter(pk=code.spec["run"]).update(attempt_no=2)
    late = log(child, "b2")
    assert (late.status, late.code) == (409, "stale_attempt")


def test_a_repeated_request_begins_no_second_child(carl, code):
    client = bearer(code.spec["token"])
    first = children(client, code.at, key="k", count=3).json()
    assert children(client, code.at, key="k", count=3).json() == first
    assert len(below(carl, code.spec["run"])) == 3


def test_a_lost_attempt_neither_begins_nor_writes_children(carl, node, code):
    client = bearer(code.spec["token"])
    child = children(client, code.at, count=1).json()["runs"][0]["id"]
    outlive(Run.objects.get(pk=code.spec["run"]))
    reap(actor=SYSTEM)
    left = carl.look(Run.objects.get(pk=child))
    assert (left["status"], left["reason"]["code"]) == ("canceled", "parent_ended")
    for answer in (
        children(client, code.at, count=1),
        client.patch(f"/agent/v1/runs/{child}", {"tags": {"a": "b"}}, format="json"),
        client.post(f"/agent/v1/runs/{child}/end", {"status": "completed"}, format="json"),
        client.post(f"/agent/v1/runs/{child}/artifacts", {"files": []}, format="json"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stale_attempt")
    assert len(below(carl, code.spec["run"])) == 1


def test_children_that_the_script_left_open_end_with_it(carl, code):
    client = bearer(code.spec["token"])
    made = [one["id"] for one in children(client, code.at, count=2).json()["runs"]]
    inner = children(client, f"/agent/v1/runs/{made[0]}", count=1).json()["runs"][0]["id"]
    client.post(f"/agent/v1/runs/{made[1]}/end", {"status": "completed"}, format="json")
    by_hand = children(carl.client, f"{WS}/runs/{code.spec['run']}", count=1).json()["runs"][0]["id"]
    code.end()
    now = dict(Run.objects.filter(pk__in=[*made, inner, by_hand]).values_list("pk", "status"))
    assert now == {made[0]: "canceled", inner: "canceled", made[1]: "completed", by_hand: "running"}


def test_code_keeps_its_hands_off_other_runs(carl, node, code):
    client = bearer(code.spec["token"])
    foreign = children(carl.client, f"{WS}/runs/{code.spec['run']}", count=1).json()["runs"][0]["id"]
    unrelated = carl.submit().pk
    for run in (foreign, unrelated):
        seen = 200 if run == foreign else 404
        assert client.get(f"/agent/v1/runs/{run}").status_code == seen
        assert children(client, f"/agent/v1/runs/{run}", count=1).status_code in (403, 404)
        assert client.patch(f"/agent/v1/runs/{run}", {"name": "x"}, format="json").status_code in (403, 404)
        assert client.post(f"/agent/v1/runs/{run}/end", {"status": "failed"}, format="json").status_code in (403, 404)
        refused = client.post(f"/agent/v1/runs/{run}/artifacts", {"files": []}, format="json")
        assert refused.status_code in (403, 404)


def test_who_may_begin_children_of_an_interactive_run(carl, api):
    run = carl.client.post(f"{WS}/runs", {"kind": "interactive", "experiment": "hand"}, format="json").json()["id"]
    at = f"{WS}/runs/{run}"
    child = children(carl.client, at, count=1).json()["runs"][0]
    assert carl.client.post(f"{WS}/runs/{child['id']}/end", {"status": "canceled"}, format="json").status_code == 200
    for name, status in (("olga", 201), ("rio", 403), ("mallory", 404), (None, 401)):
        assert children(api(name), at, count=1).status_code == status
    for name, status in (("rio", 200), ("mallory", 404), (None, 401)):
        assert api(name).get(f"{at}/children").status_code == status


@pytest.mark.parametrize("body", [{}, {"count": 0}, {"count": 1001}, {"count": 1, "children": [{}]}, {"children": [7]},
                                  {"children": [{"name": "a\nb"}]}, {"children": [{"tags": {"": "x"}}]}])  # fmt: skip
def test_odd_bodies_begin_nothing(carl, code, body):
    answer = children(bearer(code.spec["token"]), code.at, **body)
    assert answer.status_code == 422, answer.content
    assert below(carl, code.spec["run"]) == []


def test_deleted_children_are_not_listed(carl):
    run = carl.client.post(f"{WS}/runs", {"kind": "interactive", "experiment": "hand"}, format="json").json()["id"]
    first, second = [one["id"] for one in children(carl.client, f"{WS}/runs/{run}", count=2).json()["runs"]]
    inner = children(carl.client, f"{WS}/runs/{first}", count=1).json()["runs"][0]["id"]
    Run.objects.filter(pk=first).update(deleted=timezone.now())
    assert below(carl, run) == [second]
    assert below(carl, run, recursive=1) == [second, inner]


def test_depth_has_a_limit(carl, monkeypatch):
    monkeypatch.setattr("runs.services.children.DEEPEST", 2)
    run = carl.client.post(f"{WS}/runs", {"kind": "interactive", "experiment": "deep"}, format="json").json()["id"]
    for status in (201, 201, 422):
        answer = children(carl.client, f"{WS}/runs/{run}", count=1)
        assert answer.status_code == status
        run = answer.json()["runs"][0]["id"] if status == 201 else run


def test_a_submitted_child_names_its_parent(carl):
    parent = carl.submit()
    body = {"experiment": "digits", "snapshot": carl.snapshot({"train.py": "1"}), "config": {"script": "train.py"},
            "parent": parent.pk}  # fmt: skip
    made = carl.client.post(f"{WS}/runs", body, format="json")
    assert (made.status_code, made.json()["parent"]) == (201, parent.pk)
    assert below(carl, parent.pk) == [made.json()["id"]]
    unknown = carl.client.post(f"{WS}/runs", {**body, "parent": "01M893JDMR8ZBJVDG9RES66XXX"}, format="json")
    assert unknown.status_code == 404
