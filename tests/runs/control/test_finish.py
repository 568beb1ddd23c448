"""The last words of an attempt in one call: all of it is taken, or nothing."""

import hashlib

import pytest

from runs.artifacts.models import Artifact
from runs.models import Run
from studio.kernel import blobs, credentials
from tests.runs.control.conftest import WS, FakeCode
from workspace.audit.models import Entry

TEXT = "one\ntwo\n"
WHOLE = {"length": len(TEXT), "sha256": hashlib.sha256(TEXT.encode()).hexdigest()}


@pytest.fixture
def code(carl, node) -> FakeCode:
    carl.submit()
    code = FakeCode(node.claim())
    code.start()
    code.log("one\n", "two\n")
    return code


def kept(lab, text: str) -> str:
    return blobs.put([text.encode()], workspace_id=lab.pk)[0]


def finish(code: FakeCode, exit_code: int = 0, **more):
    told = {"exit_code": exit_code, "signal": None, "log_tail": "the end", "log": WHOLE}
    return code.post("finish", **{**told, **more})


def test_the_end_of_the_log_the_files_and_the_result_come_together(code, carl, lab):
    assert code.spec["finish"] is True
    files = [{"path": "outputs/a", "sha256": kept(lab, "a")}, {"path": "logs/b", "sha256": kept(lab, "bb")}]
    steps = [{"name": "outputs", "state": "done", "note": "2 files, 3 B", "seconds": 0.1, "ago": 0.1}]
    told = finish(code, files=files, steps=steps)
    assert (told.status_code, told.json()) == (200, {"status": "completed"})
    shown = carl.look(Run.objects.get(pk=code.spec["run"]))
    assert (shown["status"], shown["exit_code"], shown["log_tail"]) == ("completed", 0, "the end")
    assert [step["note"] for step in shown["steps"] if step["name"] == "outputs"] == ["2 files, 3 B"]
    at = f"{WS}/runs/{code.spec['run']}"
    assert {one["path"]: one["size"] for one in carl.client.get(f"{at}/artifacts").json()["artifacts"]} == {
        "logs/b": 2,
        "outputs/a": 1,
    }
    log = carl.client.get(f"{at}/log")
    assert (log.content.decode(), log.headers["X-Log-Complete"]) == (TEXT, "1")
    assert Entry.objects.filter(action="run.end", target=code.spec["run"]).count() == 1


@pytest.mark.parametrize(
    ("wrong", "status", "code_of"),
    [
        ({"log": {**WHOLE, "length": 7}}, 409, "log_mismatch"),
        ({"log": {**WHOLE, "sha256": "0" * 64}}, 409, "log_mismatch"),
        ({"files": [{"path": "outputs/a", "sha256": "0" * 64}]}, 422, "blobs_missing"),
        ({"files": [{"path": "../a", "sha256": "0" * 64}]}, 422, None),
        ({"log": {"length": -1, "sha256": "0" * 64}}, 422, None),
    ],
)
def test_what_is_wrong_with_one_part_keeps_the_others_out(code, carl, lab, wrong, status, code_of):
    right = {"files": [{"path": "outputs/b", "sha256": kept(lab, "b")}]}
    told = finish(code, **{**right, **wrong})
    assert told.status_code == status and code_of in (None, told.json()["error"]["code"])
    run = Run.objects.get(pk=code.spec["run"])
    assert (run.status, Artifact.objects.filter(run=run).count()) == ("running", 0)
    assert carl.client.get(f"{WS}/runs/{run.pk}/log").headers["X-Log-Complete"] == "0"
    # The parts by themselves are what the node goes on with.
    assert code.post("log/complete", **WHOLE).status_code == 200
    assert code.post("artifacts", **right).json() == {"added": 1}
    assert code.end().json() == {"status": "completed"}


def test_an_attempt_that_lost_its_run_leaves_nothing(code, lab):
    files = [{"path": "outputs/a", "sha256": kept(lab, "a")}]
    Run.objects.filter(pk=code.spec["run"]).update(attempt_no=2)
    late = finish(code, files=files)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "stale_attempt")
    assert not Artifact.objects.filter(run=code.spec["run"]).exists()


def test_said_twice_it_counts_once(code, lab):
    files = [{"path": "outputs/a", "sha256": kept(lab, "a")}]
    assert finish(code, files=files).status_code == 200
    credentials.forget()
    assert finish(code, exit_code=1, files=files).status_code == 401  # the token has ended with the run
    run = Run.objects.get(pk=code.spec["run"])
    assert (run.status, run.exit_code) == ("completed", 0)


def test_a_run_that_is_tried_again_keeps_what_the_failed_attempt_left(carl, node, lab):
    run = carl.submit(max_user_retries=1)
    code = FakeCode(node.claim())
    code.start()
    code.log(TEXT)
    files = [{"path": "outputs/a", "sha256": kept(lab, "a")}]
    told = finish(code, exit_code=3, files=files, reason="script_failed", message="Exit code 3.")
    assert told.json() == {"status": "queued"}
    run.refresh_from_db()
    assert run.reason.startswith("Attempt 1 failed. Exit code 3.")
    assert list(Artifact.objects.filter(run=run).values_list("path", flat=True)) == ["outputs/a"]


def test_the_log_is_left_open_where_it_is_not_whole(code, carl):
    assert finish(code, log=None).json() == {"status": "completed"}
    assert carl.client.get(f"{WS}/runs/{code.spec['run']}/log").headers["X-Log-Complete"] == "0"


def test_it_is_for_the_code_of_the_run_alone(code, carl, node):
    assert carl.client.post(f"{code.at}/finish", {"exit_code": 0}, format="json").status_code == 401
    assert node.client.post(f"{code.at}/finish", {"exit_code": 0}, format="json").status_code == 403
    carl.submit()
    other = FakeCode(node.claim())
    other.start()
    assert finish(FakeCode({**code.spec, "run": other.spec["run"]})).status_code == 404
