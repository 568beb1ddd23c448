"""Experiments by themselves, through the JSON door."""

import pytest

from runs.models import Experiment
from workspace.audit.models import Entry

from .conftest import WS

ALL = f"{WS}/experiments"


def made(client, name="fresh", **more):
    answer = client.post(ALL, {"name": name, **more}, format="json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def names(client, query=""):
    return [one["name"] for one in client.get(f"{ALL}{query}").json()["experiments"]]


def test_one_is_made_changed_and_deleted(carl):
    client = carl.client
    found = made(client, tags={"team": "vision"}, description="first")
    at = f"{ALL}/{found['id']}"
    assert (found["tags"], found["runs"], found["archived"]) == ({"team": "vision"}, 0, None)
    body = {"name": "renamed", "tags": {"team": None, "stage": "two"}, "description": "second"}
    told = client.patch(at, body, format="json").json()
    assert (told["name"], told["tags"], told["description"]) == ("renamed", {"stage": "two"}, "second")
    assert client.get(at).json() == told
    assert client.delete(at).status_code == 204 and client.get(at).status_code == 404


def test_an_archived_one_is_asked_for(carl):
    client = carl.client
    found = made(client)
    at = f"{ALL}/{found['id']}"
    assert client.patch(at, {"archived": True}, format="json").json()["archived"]
    assert (names(client), names(client, "?archived=1"), names(client, "?archived=all&name=fresh")) == (
        [],
        ["fresh"],
        ["fresh"],
    )
    assert client.patch(at, {"archived": False, "name": "back"}, format="json").json()["archived"] is None
    assert names(client) == ["back"] and names(client, "?name=fresh") == []


def test_one_with_runs_stays_also_when_they_lie_in_the_bin(carl):
    run = carl.submit()
    at = f"{ALL}/{run.experiment_id}"
    refused = carl.client.delete(at)
    assert refused.status_code == 409 and "archive" in refused.json()["error"]["hint"]
    carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    assert carl.client.delete(f"{WS}/runs/{run.pk}").status_code == 204
    assert carl.client.delete(at).status_code == 409
    assert carl.client.delete(f"{WS}/runs/{run.pk}?forever=1").status_code == 204
    assert carl.client.delete(at).status_code == 204 and not Experiment.objects.exists()
    assert Entry.objects.filter(action="experiment.delete", target="digits").count() == 1


def test_a_name_is_taken_once(carl):
    made(carl.client)
    second = made(carl.client, "second")
    assert carl.client.post(ALL, {"name": "fresh"}, format="json").status_code == 409
    again = {"name": "fresh", "tags": {"a": "b"}}
    assert carl.client.patch(f"{ALL}/{second['id']}", again, format="json").status_code == 409
    assert carl.client.get(f"{ALL}/{second['id']}").json()["tags"] == {}  # all of a change, or nothing


@pytest.mark.parametrize(("who", "status"), [("rio", 403), ("mallory", 404), (None, 401)])
def test_who_may_change_one(carl, api, who, status):
    at = f"{ALL}/{made(carl.client)['id']}"
    client = api(who)
    assert client.post(ALL, {"name": "x"}, format="json").status_code == status
    assert client.patch(at, {"archived": True}, format="json").status_code == status
    assert client.delete(at).status_code == status
    assert client.get(at).status_code == (200 if who == "rio" else status)
