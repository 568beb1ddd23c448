"""Models through the JSON door, the page, and the token of running code."""

import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from registry.loggedmodels.services import add_file, create_logged_model
from registry.models import Model, ModelVersion
from registry.services import register_model
from runs.models import Run
from studio.kernel import blobs
from tests.registry.conftest import WS
from tests.runs.control.conftest import bearer
from workspace.audit.models import Entry

URL = f"{WS}/models"
FILES = {
    "outputs/model.joblib": b"weights",
    "outputs/model/a.bin": b"a",
    "outputs/model/deep/b.bin": b"b",
    "outputs/model2/c.bin": b"c",
    "logs/out.txt": b"said",
}


def register(client, **body):
    return client.post(URL, {"name": "churn", **body}, format="json")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("outputs/model.joblib", ["model.joblib"]),
        ("./outputs/model.joblib", ["model.joblib"]),
        ("outputs/model", ["model/a.bin", "model/deep/b.bin"]),
        ("./outputs/model/", ["model/a.bin", "model/deep/b.bin"]),
        ("outputs/model/deep", ["deep/b.bin"]),
        ("logs", ["logs/out.txt"]),
    ],
)
def test_a_path_is_a_file_or_a_folder_of_the_run_and_keeps_its_name(api, trained, path, kept):
    run = trained(FILES)
    made = register(api("carl"), run=run.id, path=path, framework="ScikitLearn", tags={"a": 1}, properties={"b": "2"})
    assert made.status_code == 201, made.json()
    body = made.json()
    assert [entry["path"] for entry in body["files"]] == kept
    assert (body["version"], body["run"], body["created_by"]) == (1, run.id, "carl")
    assert (body["framework"], body["tags"], body["properties"]) == ("ScikitLearn", {"a": "1"}, {"b": "2"})
    assert body["size"] == sum(entry["size"] for entry in body["files"])


@pytest.mark.parametrize("path", ["", "./", "/outputs", "outputs/../..", "a\\b"])
def test_a_path_that_cannot_be_meant_is_refused(api, trained, path):
    answer = register(api("carl"), run=trained(FILES).id, path=path)
    assert answer.status_code == 422
    assert not Model.objects.exists()


def test_a_path_that_is_not_there_lists_what_is(api, trained):
    answer = register(api("carl"), run=trained(FILES).id, path="outputs/model.jobli")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "no_such_path")
    assert error["details"]["nearest"] == "outputs/model.joblib" in error["message"]
    assert "logs/out.txt" in error["hint"]
    empty = register(api("carl"), run=trained({}).id, path="outputs/x").json()["error"]
    assert "no files" in empty["hint"]
    assert register(api("carl"), run="01ARZ3NDEKTSV4RRFFQ69G5FAV", path="x").status_code == 404


def test_uploaded_files_make_a_version_too_and_bytes_of_others_do_not(api, yard, people):
    sha256, _ = blobs.put([b"mine"], workspace_id=yard.pk)
    made = register(api("carl"), files=[{"path": "m/model.bin", "sha256": sha256}])
    assert (made.status_code, made.json()["size"], made.json()["run"]) == (201, 4, None)
    stolen, _ = blobs.put([b"hers"], workspace_id=people.mallory.memberships.get().workspace_id)
    assert register(api("carl"), files=[{"path": "x", "sha256": stolen}]).json()["error"]["code"] == "blobs_missing"
    for files in ([], [{"path": "../x", "sha256": sha256}], [{"path": None, "sha256": 5, "mode": "x"}]):
        assert register(api("carl"), files=files).status_code == 422
    assert register(api("carl")).status_code == 422
    assert register(api("carl"), files=[{"path": "x", "sha256": sha256}], path="x").status_code == 422


WHO = [("olga", 201, 200, 204), ("carl", 201, 200, 403), ("rio", 403, 200, 403)]
WHO += [("mallory", 404, 404, 404), ("ada", 403, 403, 403), (None, 401, 401, 401)]


@pytest.mark.parametrize(("who", "register_it", "read", "delete"), WHO)
def test_who_may(api, trained, people, who, register_it, read, delete):
    run = trained(FILES)
    register_model("lab", actor=people.actor("olga"), name="m", run_id=run.id, path="outputs/model.joblib")
    client = api(who)
    assert register(client, run=run.id, path="logs").status_code == register_it
    for path in ("", "/m", "/m/versions/1", "/m/versions/1/files/model.joblib"):
        assert client.get(URL + path).status_code == read, path
    assert client.delete(f"{URL}/m").status_code == delete


def test_running_code_registers_from_its_own_run_only(trained):
    own, other = trained(FILES, status="running"), trained(FILES, status="running")
    code = bearer(own.token)
    assert register(code, run=other.id, path="logs").status_code == 404
    made = register(code, run=own.id, path="outputs/model")
    assert made.status_code == 201, made.json()
    assert ModelVersion.objects.get().run_id == own.id
    assert made.json()["created_by"] == "carl"
    assert code.get(f"{URL}/churn/versions/1").status_code == 200
    assert code.delete(f"{URL}/churn").status_code == 403


def test_files_come_back_as_they_were(api, trained):
    register(api("carl"), run=trained(FILES).id, path="outputs/model")
    answer = api("rio").get(f"{URL}/churn/versions/1/files/model/deep/b.bin")
    assert answer.getvalue() == b"b"
    assert answer["Content-Type"] == "application/octet-stream"
    for wrong in ("model/x", "../lab", "deep/b.bin"):
        assert api("rio").get(f"{URL}/churn/versions/1/files/{wrong}").status_code == 404
    assert api("rio").get(f"{URL}/churn/versions/9").status_code == 404
    assert api("rio").get(f"{URL}/churn/versions/99999999999").status_code == 404
    shown = api("rio").get(f"{URL}/churn").json()
    assert [(one["version"], one["size"] > 0, "files" in one) for one in shown["versions"]] == [(1, True, False)]
    assert len(api("rio").get(f"{URL}/churn/versions/1").json()["files"]) == 2
    assert api("rio").get(URL).json()["models"][0]["version"] == 1


def test_registrations_at_once_get_one_number_each(trained, people):
    run = trained(FILES)
    numbers, gate = [], threading.Barrier(4)

    def work() -> None:
        gate.wait(30)
        try:
            made = register_model("lab", actor=people.actor("carl"), name="m", run_id=run.id, path="logs")
            numbers.append(made.version)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(numbers) == [1, 2, 3, 4]
    assert Model.objects.get().latest == 4


def test_a_model_in_use_is_not_deleted(api, carl):
    olga = api("olga")
    assert carl.deploy().status_code == 201
    refused = olga.delete(f"{URL}/m")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_use")
    assert (
        refused.json()["error"]["details"]["endpoints"] == ["digits"] and "digits" in refused.json()["error"]["message"]
    )
    carl.client.delete(f"{WS}/endpoints/digits")
    assert olga.delete(f"{URL}/m").status_code == 204
    assert not Model.objects.exists()
    assert Entry.objects.filter(action="model.delete", actor_name="olga").count() == 1


def test_the_page_registers_and_says_what_was_wrong(browser, trained):
    run = trained(FILES)
    carl = browser("carl")
    form = {"name": "churn", "run": run.id, "path": "outputs/model.joblib"}
    made = carl.post("/w/lab/models/register", form)
    assert made.headers["Location"] == "/w/lab/models/churn"
    page = carl.get("/w/lab/models/churn").content.decode()
    assert "model.joblib" in page
    assert "churn" in carl.get("/w/lab/models").content.decode()
    wrong = carl.post("/w/lab/models/register", {**form, "path": "outputs/nothing"}, follow=True).content.decode()
    assert "has no file" in wrong
    assert browser("rio").post("/w/lab/models/register", form).status_code == 403
    assert browser("mallory").get("/w/lab/models/churn").status_code == 404


def test_aliases_tags_and_descriptions_from_our_own_doors(api, browser, trained):
    run = trained(FILES)
    carl, rio = api("carl"), api("rio")
    for _ in range(2):
        register(carl, name="churn", run=run.id, path="outputs/model.joblib")
    assert carl.put(f"{URL}/churn/aliases/champion", {"version": 1}, format="json").status_code == 200
    moved = carl.put(f"{URL}/churn/aliases/champion", {"version": 2}, format="json").json()
    assert (moved["version"], moved["aliases"]) == (2, ["champion"])
    assert rio.get(f"{URL}/churn/aliases/champion").json()["version"] == 2
    assert rio.get(f"{URL}/churn").json()["aliases"] == {"champion": 2}
    assert rio.put(f"{URL}/churn/aliases/champion", {"version": 1}, format="json").status_code == 403
    assert carl.put(f"{URL}/churn/aliases/v3", {"version": 1}, format="json").status_code == 422
    assert carl.put(f"{URL}/churn/aliases/ok", {"version": 9}, format="json").status_code == 404
    change = {"description": "Better.", "tags": {"team": "vision", "old": None}}
    assert carl.patch(f"{URL}/churn", change, format="json").json()["tags"] == {"team": "vision"}
    assert carl.patch(f"{URL}/churn/versions/1", change, format="json").json()["description"] == "Better."
    assert rio.patch(f"{URL}/churn", change, format="json").status_code == 403
    bad = {"description": "Half of it.", "tags": {"": "a tag has a name"}}
    for url in (f"{URL}/churn", f"{URL}/churn/versions/1"):
        assert carl.patch(url, bad, format="json").status_code == 422
        assert carl.get(url).json()["description"] == "Better."
    page = browser("carl")
    assert "@champion" in page.get("/w/lab/models/churn").content.decode()
    set_here = page.post("/w/lab/models/churn/alias", {"alias": "blue", "version": "1"}, follow=True).content.decode()
    assert "@blue" in set_here
    wrong = page.post("/w/lab/models/churn/alias", {"alias": "latest", "version": "1"}, follow=True).content.decode()
    assert "reserved" in wrong
    page.post("/w/lab/models/churn/alias", {"remove": "blue"})
    assert rio.get(f"{URL}/churn").json()["aliases"] == {"champion": 2}
    assert browser("rio").post("/w/lab/models/churn/alias", {"remove": "champion"}).status_code == 403
    assert carl.delete(f"{URL}/churn/aliases/champion").status_code == 204
    assert rio.get(f"{URL}/churn/aliases/champion").status_code == 404


def test_a_page_of_many_versions_costs_no_more_questions(browser, api, trained):
    run, carl, counts = trained(FILES), browser("carl"), []
    for many in (1, 4):
        for _ in range(many):
            register(api("carl"), name="churn", run=run.id, path="outputs/model.joblib")
        newest = api("carl").get(f"{URL}/churn").json()["version"]
        api("carl").put(f"{URL}/churn/aliases/a{newest}", {"version": newest}, format="json")
        with CaptureQueriesContext(connection) as seen:
            carl.get("/w/lab/models/churn")
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_a_logged_model_is_registered_from_its_page(browser, trained, people, lab):
    run = Run.objects.get(pk=trained(FILES).id)
    carl = people.actor("carl")
    made = create_logged_model("lab", actor=carl, experiment=run.experiment_id, name="net", run_id=run.pk)
    sha256, _ = blobs.put([b"flavors"], workspace_id=lab.pk)
    page, form = browser("carl"), {"logged": made.pk, "name": "churn"}
    early = page.post("/w/lab/models/register", form, follow=True).content.decode()
    assert "no files yet" in early
    add_file("lab", made.pk, actor=carl, path="MLmodel", sha256=sha256)
    done = page.post("/w/lab/models/register", form)
    assert done.headers["Location"] == "/w/lab/models/churn"
    kept = ModelVersion.objects.get(model__name="churn")
    assert (kept.run_id, kept.logged_model, [one["path"] for one in kept.files]) == (run.pk, made.pk, ["MLmodel"])
