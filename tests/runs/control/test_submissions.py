"""Code and run in one call: only bytes that the studio lacks cost more."""

import hashlib
from typing import Any

import pytest

from runs.models import Run
from runs.snapshots.models import Snapshot
from studio.kernel import blobs
from tests.runs.control.conftest import WS, bearer
from workspace.accounts.services import create_token
from workspace.audit.models import Entry

CODE = {"train.py": "print(1)", "lib/__init__.py": ""}


def body_of(files: dict[str, str], **more: Any) -> dict[str, Any]:
    listed = [
        {"path": path, "sha256": hashlib.sha256(text.encode()).hexdigest(), "size": len(text), "mode": 0o644}
        for path, text in files.items()
    ]
    return {"experiment": "digits", "files": listed, "config": {"script": "train.py"}, **more}


def put(lab, files: dict[str, str]) -> None:
    for text in files.values():
        blobs.put([text.encode()], workspace_id=lab.pk)


@pytest.fixture
def post(yard, people):
    """`post("carl", body)` with a personal token; `post(None, body)` is a visitor."""

    def enter(name: str | None, body: dict[str, Any], **headers: str) -> Any:
        token = create_token(actor=people.actor(name), name="t", days=1)[1] if name else "zaf_pat_none"
        return bearer(token).post(f"{WS}/submissions", body, format="json", headers=headers)

    return enter


def test_code_that_is_known_takes_one_call(post, lab, carl, node):
    lacking = post("carl", body_of(CODE))
    assert (lacking.status_code, lacking.json()["error"]["code"]) == (422, "blobs_missing")
    assert not Run.objects.exists() and not Snapshot.objects.exists()
    put(lab, CODE)
    first, second = (post("carl", body_of(CODE, tags={"a": "b"}, name="one", git={"commit": "c" * 40})) for _ in "ab")
    assert (first.status_code, second.status_code) == (201, 201)
    snapshot = Snapshot.objects.get()
    assert snapshot.pk == carl.snapshot(CODE)
    assert {run.snapshot_id for run in Run.objects.all()} == {snapshot.pk}
    assert Entry.objects.filter(action="snapshot.create").count() == 1
    assert Entry.objects.filter(action="run.submit").count() == 2
    told, known = first.json(), carl.look(Run.objects.get(pk=first.json()["id"]))
    assert told["warnings"] == []
    same = set(told) - {"queue", "reachable"}
    assert {key: told[key] for key in same} == {key: known[key] for key in same}
    assert [spec["run"] for spec in node.claim(most=2)["runs"]] == [told["id"], second.json()["id"]]


@pytest.mark.parametrize(("who", "status"), [("olga", 201), ("rio", 403), ("mallory", 404), ("ada", 403), (None, 401)])
def test_who_may_submit_code(post, lab, who, status):
    put(lab, CODE)
    assert post(who, body_of(CODE)).status_code == status
    assert Run.objects.count() == Snapshot.objects.count() == (status == 201)


def test_a_repeated_submission_makes_one_run(post, lab):
    put(lab, CODE)
    key = {"Idempotency-Key": "k" * 20}
    first, again = (post("carl", body_of(CODE), **key) for _ in "ab")
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    other = post("carl", body_of(CODE, name="other"), **key)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "key_reused")
    assert Run.objects.count() == 1
    assert post("olga", body_of(CODE), **key).json()["id"] != first.json()["id"], "a key is its owner's"


def test_bytes_that_were_lost_are_asked_for_again(post, lab):
    put(lab, CODE)
    assert post("carl", body_of(CODE)).status_code == 201
    blobs._path(hashlib.sha256(CODE["train.py"].encode()).hexdigest()).unlink()
    assert post("carl", body_of(CODE)).json()["error"]["code"] == "blobs_missing"
    put(lab, CODE)
    assert post("carl", body_of(CODE)).status_code == 201
    assert Snapshot.objects.count() == 1


def test_a_run_that_no_node_can_take_is_warned_of(post, lab, node):
    put(lab, CODE)
    config = {"script": "train.py", "resources": {"gpus": 4}}
    told = post("carl", body_of(CODE, config=config)).json()
    assert told["queue"]["code"] == "nothing_fits"
    assert len(told["warnings"]) == 1 and "GPU" in told["warnings"][0]


@pytest.mark.parametrize("files", [{}, {"other.py": "1"}])
def test_a_submission_needs_its_script(post, lab, files):
    put(lab, files)
    assert post("carl", body_of(files)).status_code in (400, 422)
    assert not Run.objects.exists() and not Snapshot.objects.exists()
