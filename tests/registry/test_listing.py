"""Versions of all models: the door that lists them, and Model.list of the SDK before it."""

import pytest

from tests.registry.conftest import WS
from workspace.accounts.services import create_token
from zaffre.core import Model, Workspace
from zaffre.exceptions import ModelNotFoundException, UserErrorException

pytestmark = pytest.mark.django_db(transaction=True)

URL = f"{WS}/model-versions"


@pytest.fixture
def runs(api, trained) -> list[str]:
    """Two runs, of which came: churn:1, churn:2, price:1 and price:2."""
    found = [trained({"outputs/m": b"m"}).id for _ in range(2)]
    for name, run, framework, tags, properties in (
        ("churn", 0, "Custom", {"stage": "new", "kind": "tree"}, {}),
        ("churn", 1, "Onnx", {"kind": "line"}, {"loss": "0.5"}),
        ("price", 1, "Onnx", {"kind": "tree"}, {"loss": "0.7"}),
        ("price", 1, "", {"stage": ""}, {}),
    ):
        body = {"name": name, "run": found[run], "path": "outputs/m", "framework": framework}
        made = api("carl").post(f"{WS}/models", {**body, "tags": tags, "properties": properties}, format="json")
        assert made.status_code == 201, made.content
    return found


@pytest.fixture
def ws(live_server, people, lab) -> Workspace:
    token = create_token(actor=people.actor("rio"), name="scripts", days=1)[1]
    return Workspace.get("lab", url=live_server.url, token=token)


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, ["price:2", "price:1", "churn:2", "churn:1"]),
        ({"name": "churn"}, ["churn:2", "churn:1"]),
        ({"name": "nothing"}, []),
        ({"latest": True}, ["price:2", "churn:2"]),
        ({"latest": True, "name": "churn"}, ["churn:2"]),
        ({"tags": ["stage"]}, ["price:2", "churn:1"]),
        ({"tags": ["stage"], "latest": True}, ["price:2"]),
        ({"tags": [["kind", "tree"]]}, ["price:1", "churn:1"]),
        ({"tags": ["stage", ["kind", "tree"]]}, ["churn:1"]),
        ({"tags": "stage", "properties": {}}, ["price:2", "churn:1"]),
        ({"properties": {"loss": 0.5}}, ["churn:2"]),
        ({"model_framework": "Onnx", "expand": False}, ["price:1", "churn:2"]),
    ],
)
def test_the_sdk_lists_the_versions_that_fit(ws, runs, asked, ids):
    assert [one.id for one in Model.list(ws, **asked)] == ids


def test_the_sdk_lists_page_by_page_with_all_that_a_version_has(ws, runs):
    found = Model.list(ws, run_id=runs[1], page_count=2)
    assert [one.id for one in found] == ["price:2", "price:1", "churn:2"]
    assert {one.run_id for one in found} == {runs[1]}
    assert (found[2].framework, found[2].tags, found[2].properties) == ("Onnx", {"kind": "line"}, {"loss": "0.5"})
    assert [file["path"] for file in found[2].files] == ["m"]
    assert {name: one.version for name, one in ws.models.items()} == {"churn": 2, "price": 2}
    with pytest.raises(UserErrorException, match="dataset"):
        Model.list(ws, dataset_id="digits")


def test_the_newest_is_the_newest_that_is_left(ws, runs, api):
    assert api("olga").delete(f"{WS}/models/churn/versions/2").status_code == 204
    assert {one.id for one in Model.list(ws, latest=True)} == {"churn:1", "price:2"}
    assert Model(ws, "churn").id == Model(ws, id="churn").id == ws.models["churn"].id == "churn:1"
    assert [file["path"] for file in Model(ws, "churn").files] == ["m"]
    assert {one["name"]: one["version"] for one in api("rio").get(f"{WS}/models").json()["models"]} == {
        "churn": 1,
        "price": 2,
    }
    assert api("olga").delete(f"{WS}/models/churn/versions/1").status_code == 204
    with pytest.raises(ModelNotFoundException, match=r"no model churn in lab"):
        Model(ws, "churn")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"name": "churn"}, "churn:2"),
        ({"id": "price:1"}, "price:1"),
        ({"name": "churn", "version": "1"}, "churn:1"),
        ({"name": "churn@old"}, "churn:1"),
        ({"tags": ["stage"]}, "price:2"),
        ({"tags": [["kind", "tree"]]}, "price:1"),
        ({"name": "churn", "tags": {"kind": "tree"}}, "churn:1"),
        ({"name": "churn", "tags": ["kind"], "version": 1}, "churn:1"),
        ({"name": "churn@old", "tags": ["stage"]}, "churn:1"),
        ({"properties": {"loss": 0.5}}, "churn:2"),
        ({"name": "price", "model_framework": "Onnx", "expand": False}, "price:1"),
    ],
)
def test_the_sdk_takes_the_newest_version_that_has_all_that_is_asked_for(ws, runs, api, asked, found):
    api("carl").put(f"{WS}/models/churn/aliases/old", {"version": 1}, format="json")
    assert Model(ws, **asked).id == found


def test_the_sdk_takes_what_a_run_made(ws, runs):
    assert Model(ws, run_id=runs[0]).id == "churn:1"
    assert Model(ws, "churn", None, ["kind"], None, None, runs[1]).id == "churn:2"
    with pytest.raises(ModelNotFoundException, match=rf"no model price \(run_id='{runs[0]}'\) in lab"):
        Model(ws, "price", run_id=runs[0])


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": "chrun"}, "no model chrun in lab"),
        ({"name": "churn", "version": 9}, "no model churn:9 in lab"),
        ({"id": "churn:9"}, "no model churn:9 in lab"),
        ({"name": "churn@new"}, "no model churn@new in lab"),
        ({"name": "churn@old", "version": 2}, "no model churn@old:2 in lab"),
        ({"name": "churn", "tags": ["stage"], "version": 2}, r"no model churn:2 \(tags=\['stage'\]\) in lab"),
        ({"tags": ["owner"], "model_framework": "Keras"}, r"\(tags=\['owner'\], model_framework='Keras'\) in lab"),
    ],
)
def test_the_sdk_says_what_no_version_has(ws, runs, api, asked, told):
    api("carl").put(f"{WS}/models/churn/aliases/old", {"version": 1}, format="json")
    with pytest.raises(ModelNotFoundException, match=told):
        Model(ws, **asked)


def test_the_sdk_says_what_a_model_is_asked_for_by(ws, runs):
    with pytest.raises(UserErrorException, match="its name"):
        Model(ws)
    with pytest.raises(UserErrorException, match="whole number, not 'first'"):
        Model(ws, id="churn:first")


@pytest.mark.parametrize(("who", "status"), [("olga", 200), ("rio", 200), ("ada", 403), ("mallory", 404), (None, 401)])
def test_who_may_list(api, runs, who, status):
    assert api(who).get(URL).status_code == status


@pytest.mark.parametrize(
    "asked",
    [
        {"tags": "stage"},
        {"tags": '{"stage": "new"}'},
        {"tags": "[[]]"},
        {"tags": '[["a", "b", "c"]]'},
        {"properties": '[["loss", 0.5]]'},
        {"tags": "[" * 5000},
        {"tags": '["a\\u0000"]'},
        {"tags": '[["a", "\\ud800"]]'},
        {"name": "a\0"},
        {"before": "x"},
        {"before": str(2**63)},
        {"limit": "0"},
    ],
)
def test_what_cannot_be_asked_is_refused(api, runs, asked):
    assert api("rio").get(URL, asked).status_code == 422
