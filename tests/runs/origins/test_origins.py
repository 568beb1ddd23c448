"""Where a run came from: uncommitted changes, the identical run before it, and running it again, by their doors."""

import pytest
from django.utils import timezone

from runs.models import Run
from tests.runs.control.conftest import WS, FakeCode, Submitter, carl, node, yard  # noqa: F401 - fixtures
from workspace.audit.models import Entry
from workspace.compute.models import ComputeTarget

DIFF = "diff --git a/train.py b/train.py\n-print(1)\n+print(2)\n"


def finish(run: Run, **metrics: float) -> Run:
    summaries = {key: {"kind": "list", "last": value, "count": 1} for key, value in metrics.items()}
    Run.objects.filter(pk=run.pk).update(status="completed", metrics=summaries)
    return Run.objects.get(pk=run.pk)


def reproduce(api, run: Run, who: str = "carl", **body: str):
    return api(who).post(f"{WS}/runs/{run.pk}/reproduce", body, format="json")


def test_an_identical_run_that_completed_is_told_at_submit(carl, api):  # noqa: F811
    first = carl.try_submit(arguments=["--lr", "0.1"]).json()
    assert first["same_as"] is None
    waiting = carl.try_submit(arguments=["--lr", "0.1"]).json()
    assert waiting["same_as"] is None, "one that has not completed is no result"
    finish(Run.objects.get(pk=first["id"]))
    same = carl.try_submit(arguments=["--lr", "0.1"], max_retries=3, max_duration_seconds=60).json()
    assert same["same_as"]["id"] == first["id"], "how often and how long it may run decides no result"
    for other in ({"arguments": ["--lr", "0.2"]}, {"environment_variables": {"SEED": "1"}}, {"environment": "sklearn"}):
        assert carl.try_submit(**{"arguments": ["--lr", "0.1"], **other}).json()["same_as"] is None
    changed = carl.try_submit({"train.py": "print(2)"}, arguments=["--lr", "0.1"]).json()
    assert changed["same_as"] is None
    Run.objects.filter(pk=first["id"]).update(deleted="2026-01-01T00:00Z")
    assert api("rio").get(f"{WS}/runs/{same['id']}").json()["same_as"] is None


def test_a_reproduction_has_the_versions_of_then(carl, api):  # noqa: F811
    run = finish(carl.submit(arguments=["--lr", "0.1"], environment="sklearn"), loss=0.5)
    answer = reproduce(api, run)
    assert answer.status_code == 201, answer.content
    again = Run.objects.get(pk=answer.json()["id"])
    assert (again.snapshot_id, again.environment_version_id) == (run.snapshot_id, run.environment_version_id)
    assert again.config["arguments"] == ["--lr", "0.1"]
    assert again.properties == {"reproduces": run.pk}
    assert Entry.objects.filter(action="run.submit", target=again.pk, actor_name="carl").exists()


@pytest.mark.parametrize(("who", "status"), [("carl", 201), ("rio", 403), ("mallory", 404), (None, 401)])
def test_who_may_reproduce(carl, api, who, status):  # noqa: F811
    run = finish(carl.submit())
    assert reproduce(api, run, who).status_code == status


def test_a_run_without_code_cannot_be_reproduced(carl, api):  # noqa: F811
    made = api("carl").post(f"{WS}/runs", {"kind": "interactive", "experiment": "digits"}, format="json")
    refused = reproduce(api, Run.objects.get(pk=made.json()["id"]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_snapshot")


def test_where_to_reproduce_a_run_whose_target_was_deleted_is_said(carl, api):  # noqa: F811
    run = finish(carl.submit())
    ComputeTarget.objects.filter(pk=run.target_id).update(deleted=timezone.now())
    error = reproduce(api, run).json()["error"]
    assert error["code"] == "no_such_target" and f"zaffre run reproduce {run.pk} --target NAME" in error["hint"]
    assert "--target" not in reproduce(api, run, target="nowhere").json()["error"]["hint"], "it was done already"


@pytest.mark.parametrize(
    ("now", "agrees", "verdicts"),
    [
        ({"loss": 0.5, "acc": 0.9}, True, ["equal", "equal"]),
        ({"loss": 0.5 + 1e-9, "acc": 0.9}, True, ["equal", "close"]),
        ({"loss": 0.6, "acc": 0.9}, False, ["equal", "different"]),
        ({"acc": 0.9}, False, ["equal", "missing"]),
    ],
)
def test_whether_the_numbers_agree(carl, api, browser, now, agrees, verdicts):  # noqa: F811
    run = finish(carl.submit(), loss=0.5, acc=0.9, **{"system/cpu": 3.0})
    again = Run.objects.get(pk=reproduce(api, run).json()["id"])
    before = api("rio").get(f"{WS}/runs/{again.pk}/agreement").json()
    assert before["agrees"] is None, "it has not ended"
    finish(again, **now)
    told = api("rio").get(f"{WS}/runs/{again.pk}/agreement").json()
    assert (told["agrees"], [one["verdict"] for one in told["metrics"]]) == (agrees, verdicts)
    assert told["same"] == {"code": True, "environment": True, "data": True, "words": True}
    page = browser("rio").get(f"/w/lab/runs/{again.pk}").content.decode()
    assert ("The numbers agree" in page) is agrees and ("The numbers differ" in page) is not agrees


def test_how_close_is_close_enough_may_be_said(carl, api):  # noqa: F811
    one, other = (finish(carl.submit(arguments=[word]), loss=value) for word, value in (("a", 1.0), ("b", 1.01)))
    at = f"{WS}/runs/{other.pk}/agreement"
    told = api("rio").get(at, {"with": one.pk, "close": "0.1"}).json()
    assert told["agrees"] is True and told["same"]["words"] is False
    assert api("rio").get(at, {"with": one.pk, "close": "nan"}).status_code == 422
    refused = api("rio").get(at)
    assert refused.status_code == 422 and "reproduces no other run" in refused.json()["error"]["message"]
    assert api("mallory").get(at, {"with": one.pk}).status_code == 404


def submit_with(carl, **git) -> Run:  # noqa: F811
    body = {
        "experiment": "digits",
        "snapshot": carl.snapshot({"train.py": "print(2)"}),
        "config": {"script": "train.py"},
        "git": {"commit": "0" * 40, "dirty": True, **git},
    }
    answer = carl.client.post(f"{WS}/runs", body, format="json")
    assert answer.status_code == 201, answer.content
    return Run.objects.get(pk=answer.json()["id"])


def test_uncommitted_changes_are_kept_and_shown(carl, api, browser):  # noqa: F811
    run = submit_with(carl, diff=DIFF, left_out=["data.csv"])
    assert "diff" not in run.git
    file = api("rio").get(f"{WS}/runs/{run.pk}/uncommitted.diff")
    assert file.content.decode() == DIFF and "attachment" in file["Content-Disposition"]
    page = browser("rio").get(f"/w/lab/runs/{run.pk}/snapshot").content.decode()
    assert "+print(2)" in page and "data.csv" in page
    assert "#uncommitted" in browser("rio").get(f"/w/lab/runs/{run.pk}").content.decode()
    assert api("mallory").get(f"{WS}/runs/{run.pk}/uncommitted.diff").status_code == 404
    other = submit_with(carl)
    assert api("rio").get(f"{WS}/runs/{other.pk}/uncommitted.diff").status_code == 404
    compared = browser("rio").get(f"/w/lab/compare?run={run.pk}&run={other.pk}&tab=code").content.decode()
    assert "+print(2)" in compared


def test_changes_that_are_hostile_stay_text(carl, browser):  # noqa: F811
    run = submit_with(carl, diff="+<script>alert(1)</script>\0")
    assert "<script>alert" not in browser("rio").get(f"/w/lab/runs/{run.pk}/snapshot").content.decode()


def test_more_changes_than_are_kept_are_refused(carl):  # noqa: F811
    body = {"experiment": "d", "snapshot": carl.snapshot({"a.py": ""}), "config": {"script": "a.py"}}
    refused = carl.client.post(f"{WS}/runs", {**body, "git": {"diff": "x" * 1_100_000}}, format="json")
    assert refused.status_code in (413, 422)
    assert not Run.objects.exists()


@pytest.mark.parametrize("way", ["again", "clone", "reproduce"])
def test_uncommitted_changes_stay_with_the_same_code(carl, browser, way):  # noqa: F811
    run = submit_with(carl, diff=DIFF, left_out=["data.csv"])
    form = {"experiment": "d", "kind": "script", "script": "train.py", "target": "local", "environment": "system:1"}
    answer = browser("carl").post(f"/w/lab/runs/{run.pk}/{way}", form)
    assert answer.status_code == 302, answer.content.decode()
    made = Run.objects.exclude(pk=run.pk).get()
    assert (made.git, made.snapshot_id) == (run.git, run.snapshot_id)
    assert (made.patch.text, made.patch.left_out) == (DIFF, ["data.csv"])
