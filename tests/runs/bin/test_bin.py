"""Deleted runs: what they free, how they come back, and that their bytes are gone in the end."""

import hashlib
import os
import re
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import ModelVersion
from runs.artifacts.models import Artifact
from runs.logs.models import Log, LogChunk
from runs.metrics.models import MetricChunk, MetricItem
from runs.models import Run
from runs.snapshots.models import Snapshot
from runs.snapshots.services import _users
from runs.tasks import empty_bin
from studio.kernel import blobs
from studio.kernel.models import BlobRef
from workspace.audit.models import Entry

API = "/api/v1/workspaces/lab"
WEEK = 7 * 24 * 3600


def put(lab, text: str) -> str:
    return blobs.put([text.encode()], workspace_id=lab.pk)[0]


def put_path(text: str):
    return blobs.path_of(hashlib.sha256(text.encode()).hexdigest())


def give(run, path: str, sha256: str, size: int) -> None:
    Artifact.objects.create(run_id=run.id, path=path, sha256=sha256, size=size)


def write(run, text: bytes) -> None:
    log, _ = Log.objects.get_or_create(run_id=run.id, attempt=1)
    LogChunk.objects.create(log=log, offset=0, length=len(text), data=text)


def register(client, run) -> None:
    body = {"name": "m", "run": run.id, "path": "outputs/model"}
    assert client.post(f"{API}/models", body, format="json").status_code == 201


def ended(make_run, count: int = 1, **more):
    runs = [make_run(status="completed", **more) for _ in range(count)]
    return runs if count > 1 else runs[0]


def collect(grace_over: bool = True) -> None:
    """The hourly clean-up; with `grace_over` as often as it takes."""
    call_command("gc")
    if grace_over:
        past = timezone.now() - timedelta(days=2)
        BlobRef.objects.filter(unnamed__isnull=False).update(unnamed=past)
        for ref in BlobRef.objects.all():
            os.utime(blobs.path_of(ref.sha256), (time.time() - 2 * 86400,) * 2)
        call_command("gc")


def expire(*runs) -> None:
    Run.objects.filter(pk__in=[run.id for run in runs]).update(deleted=timezone.now() - timedelta(seconds=WEEK + 1))


def freed(client, run) -> dict:
    return client.get(f"{API}/runs/{run.id}/freed").json()


def test_the_size_counts_what_nothing_else_names(make_run, lab, api):
    run, other = ended(make_run, 2)
    own, shared, model = put(lab, "own"), put(lab, "shared"), put(lab, "a model")
    give(run, "outputs/own", own, 3)
    give(run, "outputs/own again", own, 3)
    give(run, "outputs/shared", shared, 6)
    give(other, "outputs/shared", shared, 6)
    give(run, "outputs/model/m.bin", model, 7)
    write(run, b"hello\n")
    MetricChunk.objects.create(run_id=run.id, key="a", count=1, first_step=0, last_step=0, data=b"x" * 24, parts=b"y")
    MetricItem.objects.create(run_id=run.id, key="t", kind="text", time=1, value=b'"word"')
    assert (
        api("carl")
        .post(f"{API}/models", {"name": "m", "run": run.id, "path": "outputs/model"}, format="json")
        .status_code
        == 201
    )
    told = freed(api("rio"), run)
    assert told == {"runs": 1, "files": 3, "log": 6, "metrics": 31, "shared": 13, "bytes": 40, "deleted": None}
    page = api("carl").get(f"/w/lab/bin/add?run={run.id}").content.decode()
    assert "40 B" in page and "13 B stay" in page


def test_storage_is_released_and_what_others_have_stays(make_run, lab, api):
    run, other = ended(make_run, 2)
    own, shared, model = put(lab, "own"), put(lab, "shared"), put(lab, "a model")
    give(run, "outputs/own", own, 3)
    give(run, "outputs/shared", shared, 6)
    give(other, "outputs/shared", shared, 6)
    give(run, "outputs/model/m.bin", model, 7)
    write(run, b"hello\n")
    MetricChunk.objects.create(run_id=run.id, key="a", count=1, first_step=0, last_step=0, data=b"x" * 24)
    carl = api("carl")
    assert (
        carl.post(f"{API}/models", {"name": "m", "run": run.id, "path": "outputs/model"}, format="json").status_code
        == 201
    )
    assert carl.delete(f"{API}/runs/{run.id}").status_code == 204
    collect()
    empty_bin()
    assert blobs.path_of(own).exists() and LogChunk.objects.count() == 1, "in the bin nothing is lost"
    expire(run)
    empty_bin()
    assert not Run.objects.filter(pk=run.id).exists()
    assert [table.objects.count() for table in (LogChunk, Log, MetricChunk)] == [0, 0, 0]
    collect()
    assert [blobs.path_of(one).exists() for one in (own, shared, model)] == [False, True, True]
    assert ModelVersion.objects.get().run is None
    assert Entry.objects.filter(action="run.purge", actor_kind="system").count() == 1


def test_it_is_restored_with_what_went_with_it(make_run, api):
    top, child, inner, apart = ended(make_run, 4)
    Run.objects.filter(pk__in=[child.id, apart.id]).update(parent=top.id)
    Run.objects.filter(pk=inner.id).update(parent=child.id)
    carl = api("carl")
    assert carl.delete(f"{API}/runs/{apart.id}").status_code == 204
    assert carl.delete(f"{API}/runs/{top.id}").status_code == 204
    entries = carl.get(f"{API}/bin").json()
    assert [(one["id"], one["freed"]["runs"], one["deleted_by"]) for one in entries["runs"]] == [
        (top.id, 3, "Carl"),
        (apart.id, 1, "Carl"),
    ]
    assert [carl.get(f"{API}/runs/{one.id}").status_code for one in (top, child, inner, apart)] == [404] * 4
    assert carl.post(f"{API}/runs/{top.id}/restore").status_code == 200
    assert [carl.get(f"{API}/runs/{one.id}").status_code for one in (top, child, inner, apart)] == [200, 200, 200, 404]
    assert carl.post(f"{API}/runs/{top.id}/restore").status_code == 200, "twice is harmless"


def test_what_goes_for_good_takes_nothing_else_along(make_run, api):
    top, child, apart = ended(make_run, 3)
    Run.objects.filter(pk__in=[child.id, apart.id]).update(parent=top.id)
    carl = api("carl")
    carl.delete(f"{API}/runs/{apart.id}")
    assert carl.delete(f"{API}/runs/{top.id}?forever=1").status_code == 409, "only what is in the bin"
    carl.delete(f"{API}/runs/{top.id}")
    assert carl.delete(f"{API}/runs/{top.id}?forever=1").status_code == 204
    assert set(Run.objects.values_list("pk", flat=True)) == {apart.id}
    assert carl.post(f"{API}/runs/{apart.id}/restore").json()["parent"] is None


def test_what_goes_on_and_what_is_anothers_stays(make_run, api, people):
    mine, going, child = make_run(status="failed"), make_run(), make_run()
    theirs = make_run(status="completed")
    Run.objects.filter(pk=theirs.id).update(submitted_by=people.olga)
    Run.objects.filter(pk=child.id).update(parent=mine.id)
    carl = api("carl")
    told = carl.post(f"{API}/runs/delete", {"runs": [mine.id, going.id, theirs.id, "x", mine.id]}, format="json").json()
    assert told["done"] == []
    assert [(one["id"], one["code"]) for one in told["refused"]] == [
        (mine.id, "not_final"),
        (going.id, "not_final"),
        (theirs.id, "forbidden"),
        ("x", "not_found"),
    ]
    child.change(status="completed")
    told = carl.post(f"{API}/runs/delete", {"runs": [mine.id, theirs.id]}, format="json").json()
    assert (told["done"], told["rows"]) == ([mine.id], 2)
    assert carl.delete(f"{API}/runs/{theirs.id}").status_code == 403
    assert api("olga").delete(f"{API}/runs/{theirs.id}").status_code == 204
    assert carl.post(f"{API}/runs/{theirs.id}/restore").status_code == 403
    assert carl.delete(f"{API}/runs/{theirs.id}?forever=1").status_code == 403


RIGHTS = {
    "bin": {"olga": 200, "carl": 200, "rio": 200, "mallory": 404, None: 401},
    "freed": {"olga": 200, "carl": 200, "rio": 200, "mallory": 404, None: 401},
    "archive": {"olga": 200, "carl": 200, "rio": 403, "mallory": 404, None: 401},
    "delete": {"olga": 204, "carl": 204, "rio": 403, "mallory": 404, None: 401},
    "restore": {"olga": 200, "carl": 200, "rio": 403, "mallory": 404, None: 401},
    "purge": {"olga": 204, "carl": 204, "rio": 403, "mallory": 404, None: 401},
}


@pytest.mark.parametrize("name", ["olga", "carl", "rio", "mallory", None])
def test_who_may_what(make_run, api, name):
    run = ended(make_run)
    client, address = api(name), f"{API}/runs/{run.id}"
    assert client.get(f"{API}/bin").status_code == RIGHTS["bin"][name]
    assert client.get(f"{address}/freed").status_code == RIGHTS["freed"][name]
    assert client.post(f"{address}/archive").status_code == RIGHTS["archive"][name]
    assert client.delete(address).status_code == RIGHTS["delete"][name]
    Run.objects.filter(pk=run.id).update(deleted=timezone.now())
    assert client.post(f"{address}/restore").status_code == RIGHTS["restore"][name]
    Run.objects.filter(pk=run.id).update(deleted=timezone.now())
    assert client.delete(f"{address}?forever=1").status_code == RIGHTS["purge"][name]


def test_another_workspace_reaches_nothing(make_run, api):
    run = ended(make_run)
    mallory = api("mallory")
    for answer in (
        mallory.get(f"/api/v1/workspaces/den/runs/{run.id}/freed"),
        mallory.delete(f"/api/v1/workspaces/den/runs/{run.id}"),
        mallory.post(f"/api/v1/workspaces/den/runs/{run.id}/restore"),
        mallory.get(f"/w/den/bin/add?run={run.id}"),
        mallory.get(f"/w/den/bin/{run.id}/purge"),
        mallory.post(f"/w/den/bin/{run.id}/restore"),
    ):
        assert answer.status_code == 404
    told = mallory.post("/api/v1/workspaces/den/runs/delete", {"runs": [run.id]}, format="json").json()
    assert told["done"] == [] and told["refused"][0]["code"] == "not_found"
    told = mallory.post("/api/v1/workspaces/den/runs/archive", {"runs": [run.id]}, format="json").json()
    assert told["done"] == []
    assert Run.objects.get(pk=run.id).deleted is None


def test_archived_runs_are_hidden_until_they_are_asked_for(make_run, api, browser):
    run, child, other = ended(make_run, 3)
    Run.objects.filter(pk=child.id).update(parent=run.id)
    carl = api("carl")

    def listed(**query) -> set[str]:
        return {one["id"] for one in carl.get(f"{API}/runs", query).json()["runs"]}

    assert carl.post(f"{API}/runs/archive", {"runs": [run.id]}, format="json").json()["rows"] == 2
    assert listed() == {other.id}
    assert listed(archived="1") == {run.id, child.id}
    assert listed(archived="all") == {run.id, child.id, other.id}
    assert carl.get(f"{API}/runs/{run.id}").json()["archived"]
    page = browser("carl").get(f"/w/lab/runs/{run.id}").content.decode()
    assert "archived" in page
    assert browser("carl").post(f"/w/lab/runs/{run.id}/archive", {"archived": "0"}).status_code == 302
    assert listed() == {run.id, child.id, other.id}


def test_the_pages_ask_delete_and_bring_back(make_run, lab, browser, settings):
    run = ended(make_run)
    Run.objects.filter(pk=run.id).update(name="<script>alert(1)</script>")
    carl, rio = browser("carl"), browser("rio")
    page = carl.get(f"/w/lab/bin/add?run={run.id}").content.decode()
    assert "7 days" in page and "<script>alert" not in page
    answer = carl.post("/w/lab/bin/add", {"run": run.id, "next": "https://elsewhere.example/"})
    assert answer["Location"] == "/w/lab/runs"
    assert 'href="/w/lab/bin">Recycle bin' in carl.get("/w/lab/runs").content.decode()
    gone = rio.get(f"/w/lab/runs/{run.id}")
    assert gone.status_code == 404 and "recycle bin" in gone.content.decode()
    assert "bin_restore" not in gone.content.decode() and "Delete now" not in gone.content.decode()
    page = carl.get("/w/lab/bin").content.decode()
    assert "7 days" in page and "Carl" in page and "<script>alert" not in page
    assert carl.post(f"/w/lab/bin/{run.id}/restore").status_code == 302
    assert carl.get(f"/w/lab/runs/{run.id}").status_code == 200
    page = carl.get(f"/w/lab/bin/add?run={run.id}&next=javascript:alert(1)").content.decode()
    assert 'href="javascript' not in page


def test_a_big_one_goes_for_good_only_when_its_size_was_typed(make_run, lab, browser):
    run = ended(make_run)
    give(run, "outputs/big", "a" * 64, 1_234_567_890)
    BlobRef.objects.create(workspace_id=lab.pk, sha256="a" * 64, size=1_234_567_890)
    carl = browser("carl")
    carl.post("/w/lab/bin/add", {"run": run.id})
    page = carl.get(f"/w/lab/bin/{run.id}/purge").content.decode()
    assert re.search(r'<confirm-dialog name="1.2 GB">', page)
    carl.post(f"/w/lab/bin/{run.id}/purge", {"typed": "1.2 MB"})
    assert "It frees 1.2 GB, which was not typed" in carl.get("/w/lab/bin").content.decode()
    assert Run.objects.filter(pk=run.id).exists()
    carl.post(f"/w/lab/bin/{run.id}/purge", {"typed": "1.2 GB"})
    assert not Run.objects.exists()


def test_the_bin_costs_the_same_for_many(make_run, browser):
    carl = browser("carl")

    def cost(count: int) -> int:
        runs = [ended(make_run) for _ in range(count)]
        for run in runs:
            write(run, b"x")
        Run.objects.filter(pk__in=[run.id for run in runs]).update(deleted=timezone.now())
        carl.get("/w/lab/bin")
        with CaptureQueriesContext(connection) as asked:
            assert carl.get("/w/lab/bin").status_code == 200
        return len(asked)

    assert cost(2) == cost(20) <= 26


@pytest.mark.parametrize("word", ["0", "-1", "x", "9" * 40, "٣", "%00"])
def test_odd_pages_and_runs(make_run, browser, api, word):
    ended(make_run)
    assert browser("carl").get(f"/w/lab/bin?page={word}").status_code == 200
    assert browser("carl").get(f"/w/lab/bin/add?run={word}").status_code == 404
    assert browser("carl").get(f"/w/lab/bin/{word}/purge").status_code == 404
    assert api("carl").delete(f"{API}/runs/{word}").status_code == 404


def test_code_goes_when_nothing_has_used_it_for_a_day(make_run, lab, api):
    run, other = ended(make_run, 2)
    carl, sent = api("carl"), {}
    for name in ("own", "shared", "alone", "again"):
        entry = {"path": "train.py", "sha256": put(lab, name), "size": len(name)}
        sent[name] = carl.post(f"{API}/snapshots", {"files": [entry]}, format="json").json()["id"]
    Run.objects.filter(pk=run.id).update(snapshot=sent["own"])
    Run.objects.filter(pk=other.id).update(snapshot=sent["shared"])
    carl.delete(f"{API}/runs/{run.id}")
    empty_bin()
    assert Snapshot.objects.count() == 4, "what was just sent waits for its run"
    Snapshot.objects.update(created=timezone.now() - timedelta(days=2))
    again = {"path": "train.py", "sha256": put(lab, "again"), "size": 5}
    assert carl.post(f"{API}/snapshots", {"files": [again]}, format="json").status_code == 200
    empty_bin()
    left = set(Snapshot.objects.values_list("pk", flat=True))
    assert left == {sent["own"], sent["shared"], sent["again"]}, "a run in the bin can be restored with its code"
    expire(run)
    empty_bin()
    assert set(Snapshot.objects.values_list("pk", flat=True)) == {sent["shared"], sent["again"]}
    collect()
    files = [put_path(name) for name in ("own", "shared", "alone", "again")]
    assert [one.exists() for one in files] == [False, True, False, True]
    assert {(model.__name__, field) for model, field in _users()} == {("Run", "snapshot"), ("Deployment", "code")}


def test_the_bin_has_the_filter_of_the_runs(make_run, browser, api):
    runs = ended(make_run, 3)
    for at, run in enumerate(runs):
        Run.objects.filter(pk=run.id).update(name=f"old-{at}", params={"lr": str(at)})
    below = ended(make_run)
    Run.objects.filter(pk=below.id).update(parent=runs[2].id)
    carl, rio = api("carl"), browser("rio")
    for run in runs:
        assert carl.delete(f"{API}/runs/{run.id}").status_code == 204

    def shown(text: str) -> list[str]:
        return re.findall(r'title="(old-\d)"', rio.get("/w/lab/bin", {"filter": text}).content.decode())

    assert shown("") == ["old-2", "old-1", "old-0"] and shown("params.lr >= 1") == ["old-2", "old-1"]
    assert shown("old-0") == ["old-0"] and shown("name ~ '^old-[01]$'") == ["old-1", "old-0"]
    page = rio.get("/w/lab/bin", {"filter": "params.lr = '1'"}).content.decode()
    assert "1 deleted run<" in page and 'value="params.lr = &#x27;1&#x27;"' in page
    # What went with a run stands in its entry, and is not found without it.
    assert below.id not in page and shown(f"id = '{below.id}'") == []
    empty = rio.get("/w/lab/bin", {"filter": "nobody"}).content.decode()
    assert "3 runs are in the bin" in empty and 'href="/w/lab/bin">Clear the filter' in empty
    for mistake in ("params.lr >", "name ~ '('"):
        wrong = rio.get("/w/lab/bin", {"filter": mistake})
        assert wrong.status_code == 422 and 'class="filter-wrong"' in wrong.content.decode(), mistake
    told = carl.get(f"{API}/bin", {"filter": "old-1"}).json()
    assert [one["name"] for one in told["runs"]] == ["old-1"] and told["count"] == 1
    assert carl.get(f"{API}/bin", {"filter": "params.lr >"}).status_code == 422
