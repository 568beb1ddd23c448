"""The store of files: what nothing names goes after a while, what is named stays, and damage is found."""

import hashlib
import io
import os
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from registry.models import Model, ModelVersion
from runs.artifacts.models import Artifact
from runs.snapshots.models import Snapshot
from studio.console.tasks import collect
from studio.kernel import blobs
from studio.kernel.errors import Invalid
from studio.kernel.ids import ulid
from studio.kernel.manifests import check
from studio.kernel.models import BlobRef
from workspace.datasets.models import Dataset, DatasetVersion

DAY = 24 * 3600


def put(lab, text: str) -> str:
    return blobs.put([text.encode()], workspace_id=lab.pk)[0]


def gc(*words: str) -> str:
    out = io.StringIO()
    call_command("gc", *words, stdout=out)
    return out.getvalue()


def later(seconds: float = DAY + 60) -> None:
    """As if so much time had gone by since all that is in the store."""
    moment = timezone.now() - timedelta(seconds=seconds)
    BlobRef.objects.filter(unnamed__isnull=False).update(unnamed=moment)
    for ref in BlobRef.objects.all():
        age(ref.sha256, seconds)


def age(sha256: str, seconds: float = DAY + 60) -> None:
    os.utime(blobs.path_of(sha256), (time.time() - seconds,) * 2)


def held(*hashes: str) -> list[bool]:
    return [blobs.path_of(one).exists() and BlobRef.objects.filter(sha256=one).exists() for one in hashes]


def test_what_rows_name_stays_and_the_rest_goes_after_its_grace(lab, running):
    names = ("artifact", "snapshot", "dataset", "model", "nobody")
    artifact, snapshot, dataset, model, nobody = (put(lab, name) for name in names)
    Artifact.objects.create(run_id=running.id, path="a", sha256=artifact, size=8)
    entry = {"path": "a", "size": 1, "mode": 0o644}
    Snapshot.objects.create(
        id=ulid(), workspace=lab, digest="1" * 64, files=[{**entry, "sha256": snapshot}], file_count=1, size=1
    )
    version = {"version": 1, "files": [{**entry, "sha256": dataset}], "file_count": 1, "size": 1}
    DatasetVersion.objects.create(dataset=Dataset.objects.create(workspace=lab, name="d"), digest="2" * 64, **version)
    entries = [{**entry, "sha256": model}]
    ModelVersion.objects.create(model=Model.objects.create(workspace=lab, name="m"), version=1, files=entries, size=1)
    gc()
    assert held(nobody) == [True], "it may be the first file of an upload that goes on"
    later(DAY - 60)
    gc()
    assert held(nobody) == [True]
    later()
    assert "Removed 1 files (6 bytes)" in gc()
    assert held(artifact, snapshot, dataset, model, nobody) == [True, True, True, True, False]
    assert not blobs.path_of(nobody).exists()
    Artifact.objects.all().delete()
    collect()
    later()
    collect()
    assert held(artifact, snapshot) == [False, True]


def test_a_file_of_two_runs_stays_with_the_other(lab, make_run):
    shared = put(lab, "shared")
    one, two = make_run(), make_run()
    for run in (one, two):
        Artifact.objects.create(run_id=run.id, path="a", sha256=shared, size=6)
    Artifact.objects.filter(run_id=one.id).delete()
    gc()
    later()
    gc()
    assert b"".join(blobs.read(shared)) == b"shared"


def test_files_of_a_deleted_run_go_after_a_day_unless_another_has_them(api, lab, running, make_run):
    own, shared = put(lab, "own"), put(lab, "shared")
    other = make_run()
    Artifact.objects.create(run_id=running.id, path="a", sha256=own, size=3)
    for run in (running, other):
        Artifact.objects.create(run_id=run.id, path="b", sha256=shared, size=6)
    running.change(status="completed")
    gc()
    for address in (f"/api/v1/workspaces/lab/runs/{running.id}", f"/api/v1/workspaces/lab/runs/{running.id}?forever=1"):
        assert api("carl").delete(address).status_code == 204
    assert api("carl").get(f"/api/v1/workspaces/lab/runs/{running.id}/artifacts/a").status_code == 404
    gc()
    later(DAY - 60)
    gc()
    assert held(own, shared) == [True, True], "a mistake may still be undone from a backup of the database"
    later()
    gc()
    assert held(own, shared) == [False, True]
    answer = api("carl").get(f"/api/v1/workspaces/lab/runs/{other.id}/artifacts/b")
    assert b"".join(answer.streaming_content if answer.streaming else [answer.content]) == b"shared"


def test_another_workspace_keeps_its_own(lab, running):
    name = put(lab, "both")
    blobs.put([b"both"], workspace_id=10**9)
    Artifact.objects.create(run_id=running.id, path="a", sha256=name, size=4)
    gc()
    later()
    gc()
    assert blobs.missing([name], workspace_id=10**9) == [name], "nothing of it names the file"
    assert held(name) == [True]


@pytest.mark.parametrize(
    "use",
    [
        lambda name, lab: blobs.missing([name], workspace_id=lab.pk) == [],
        lambda name, lab: put(lab, "again"),
        lambda name, lab: check([{"path": "a", "sha256": name}], workspace_id=lab.pk, max_files=1, max_bytes=9),
    ],
    ids=["asked", "sent", "named"],
)
def test_whoever_uses_a_hash_keeps_it_from_the_collection(lab, use, db):
    name = put(lab, "again")
    gc()
    later()
    use(name, lab)
    age(name)
    gc()
    assert held(name) == [True]


def test_a_staged_file_is_given_up_after_an_hour(lab, db):
    incoming, waiting = blobs.Incoming(), blobs.Incoming()
    waiting._file.close()
    folder = os.path.dirname(incoming._name)
    os.utime(waiting._name, (time.time() - 3700,) * 2)
    assert "1 given-up" in gc()
    assert os.listdir(folder) == [os.path.basename(incoming._name)]
    incoming.write(b"goes on")
    with incoming:
        assert held(incoming.keep(workspace_id=lab.pk)[0]) == [True]


def fsck(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("fsck", *words, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_damage_is_named_with_its_owner_and_repaired_by_the_same_bytes(lab, running):
    good, flipped, lost = put(lab, "good"), put(lab, "flipped"), put(lab, "lost")
    Artifact.objects.create(run_id=running.id, path="a", sha256=flipped, size=7)
    assert fsck() == (0, "All stored files are whole.\n")
    blobs.path_of(flipped).write_bytes(b"flippee")
    blobs.path_of(lost).unlink()
    code, said = fsck("--set-aside")
    assert code == 1 and good not in said
    assert f"{flipped} damaged: artifacts.Artifact {Artifact.objects.get().pk} (workspace {lab.pk})" in said
    assert f"{lost} missing: named by no row" in said
    assert set(blobs.missing([good, flipped, lost], workspace_id=lab.pk)) == {flipped, lost}
    with pytest.raises(Invalid):
        blobs.put([b"other"], workspace_id=lab.pk, expected=flipped)
    put(lab, "flipped"), put(lab, "lost")
    assert fsck()[0] == 0
    assert hashlib.sha256(b"".join(blobs.read(flipped))).hexdigest() == flipped
