"""Files of a run through MLflow's proxy of artifacts."""

import pytest

from runs.artifacts.models import Artifact
from runs.services import cancel_run
from studio.kernel import blobs
from studio.kernel.errors import NotFound
from tests.conftest import People
from tests.mlflow.conftest import API, FILES, Door, Enter, refusal
from tests.runs.telemetry import ask


async def root(door: Door) -> tuple[str, str]:
    info = (await door.run())["info"]
    assert info["artifact_uri"].startswith("mlflow-artifacts:/")
    return f"{FILES}/{info['artifact_uri'].removeprefix('mlflow-artifacts:/')}", info["run_id"]


async def put(door: Door, path: str, body: bytes | list[bytes]) -> object:
    return await door.caller.call("PUT", path, body)


async def test_files_come_back_and_are_listed(carl: Door, enter: Enter):
    base, run_id = await root(carl)
    big = [bytes([at]) * 700_000 for at in range(5)]
    for path, body in {"a.txt": b"hello", "deep/er/b.bin": big, "deep/c": b"", "MLmodel": b"x"}.items():
        answer = await put(carl, f"{base}/{path}", body)
        assert (answer.status, answer.body) == (200, b"{}")
    got = await enter("rio").caller.get(f"{base}/deep/er/b.bin")
    assert (got.status, got.body) == (200, b"".join(big))
    assert got.headers["content-length"] == "3500000"
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert (await carl.caller.get(f"{base}/deep/c")).body == b""
    assert (await carl.caller.get(f"{base}/MLmodel")).headers["content-type"] == "text/plain"
    place = base.removeprefix(f"{FILES}/")
    listed = (await carl.caller.get(f"{FILES}?path={place}")).json()["files"]
    assert sorted(listed, key=lambda one: one["path"]) == [
        {"path": "MLmodel", "is_dir": False, "file_size": 1},
        {"path": "a.txt", "is_dir": False, "file_size": 5},
        {"path": "deep", "is_dir": True},
    ]
    assert [one["path"] for one in (await carl.caller.get(f"{FILES}?path={place}/deep")).json()["files"]] == ["c", "er"]
    assert (await carl.caller.get(f"{FILES}?path={place}/a.txt")).json() == {"files": []}
    inside = (await carl.get("artifacts/list", run_id=run_id, path="deep/er")).json()
    assert inside["files"] == [{"path": "deep/er/b.bin", "is_dir": False, "file_size": 3_500_000}]
    assert inside["root_uri"] == f"mlflow-artifacts:/{place}"
    assert (await carl.caller.get(f"{base}/./deep/er/b.bin")).status == 200
    for path in (f"{place}/.", f"{place}/", f"{place}/./"):
        assert (await carl.caller.get(f"{FILES}?path={path}")).json()["files"] == listed, path
    assert (await carl.get("artifacts/list", run_id=run_id, path=".")).json()["files"] == listed


async def test_a_file_sent_again_has_the_new_bytes(carl: Door):
    base, _ = await root(carl)
    for body in (b"one", b"two"):
        await put(carl, f"{base}/a", body)
    assert (await carl.caller.get(f"{base}/a")).body == b"two"


async def test_a_cut_upload_leaves_nothing(carl: Door):
    base, run_id = await root(carl)
    await carl.caller.call("PUT", f"{base}/a", b"half", cut=True)
    assert refusal(await carl.caller.get(f"{base}/a")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert await ask(lambda: Artifact.objects.filter(run=run_id).count()) == 0


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/x", "a//b", "a/./b", "a\\b", "C:/x", "a\0b", "x" * 1100, "a/\x07", "y" * 300, ""]
)
async def test_a_path_that_is_none(carl: Door, path):
    base, run_id = await root(carl)
    for answer in (await put(carl, f"{base}/{path}", b"x"), await carl.caller.get(f"{base}/{path}")):
        assert refusal(answer) in {(400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST")}
    assert await ask(lambda: Artifact.objects.filter(run=run_id).count()) == 0


async def test_places_that_are_no_run(carl: Door):
    base, run_id = await root(carl)
    experiment = base.split("/")[-3]
    for place in (
        f"{experiment}/{run_id}/models/x",
        f"{experiment}/models/m-1/artifacts/x",
        f"999/{run_id}/artifacts/x",
        f"{experiment}/nobody/artifacts/x",
        "x",
    ):
        for answer in (await put(carl, f"{FILES}/{place}", b"x"), await carl.caller.get(f"{FILES}/{place}")):
            assert refusal(answer) == (404, "RESOURCE_DOES_NOT_EXIST"), place
    assert refusal(await carl.caller.get(f"{FILES}?path=../..")) == (400, "INVALID_PARAMETER_VALUE")
    assert refusal(await carl.caller.get(FILES)) == (400, "INVALID_PARAMETER_VALUE")
    assert refusal(await carl.caller.get(f"{API}/artifacts/list?run_id={run_id}&path=../x"))[0] == 400


async def test_an_ended_run_takes_more_files_unless_it_was_canceled(carl: Door, people: People):
    base, run_id = await root(carl)
    await carl.post("runs/update", run_id=run_id, status="FINISHED")
    assert (await put(carl, f"{base}/a", b"x")).status == 200
    await carl.post("runs/update", run_id=run_id, status="RUNNING")
    await ask(lambda: cancel_run("lab", run_id, actor=people.actor("olga")))
    assert refusal(await put(carl, f"{base}/b", b"x")) == (409, "RESOURCE_CONFLICT")


async def test_files_and_folders_are_deleted(carl: Door, enter: Enter):
    base, run_id = await root(carl)
    for path in ("a", "ab", "deep/x", "deep/er/y", "deeper/z"):
        await put(carl, f"{base}/{path}", b"x")
    for path in ("a", "deep"):
        assert refusal(await enter("rio").caller.call("DELETE", f"{base}/{path}"))[0] == 403
        answer = await carl.caller.call("DELETE", f"{base}/{path}")
        assert (answer.status, answer.body) == (200, b"{}")
        again = await carl.caller.call("DELETE", f"{base}/{path}")
        assert refusal(again) == (404, "RESOURCE_DOES_NOT_EXIST")
    left = await ask(lambda: sorted(Artifact.objects.filter(run=run_id).values_list("path", flat=True)))
    assert left == ["ab", "deeper/z"]
    for path in ("", "..", "%2e%2e/x"):
        assert refusal(await carl.caller.call("DELETE", f"{base}/{path}"))[0] in {400, 404}


async def test_a_folder_of_many_is_one_entry_and_names_are_compared_whole(carl: Door):
    base, run_id = await root(carl)
    sha256 = "0" * 64

    def fill() -> None:
        paths = [f"many/{at:04}" for at in range(1500)] + ["many_more/a", "ma%y/b", "m", "many.txt"]
        Artifact.objects.bulk_create([Artifact(run_id=run_id, path=path, sha256=sha256, size=2) for path in paths])

    await ask(fill)
    place = base.removeprefix(f"{FILES}/")
    top = (await carl.caller.get(f"{FILES}?path={place}")).json()["files"]
    assert sorted((one["path"], one["is_dir"]) for one in top) == [
        ("m", False),
        ("ma%y", True),
        ("many", True),
        ("many.txt", False),
        ("many_more", True),
    ]
    inside = (await carl.get("artifacts/list", run_id=run_id, path="many")).json()["files"]
    assert len(inside) == 1500 and inside[7] == {"path": "many/0007", "is_dir": False, "file_size": 2}
    assert (await carl.get("artifacts/list", run_id=run_id, path="many_")).json()["files"] == []


async def test_a_range_and_the_head_of_a_file(carl: Door):
    base, _ = await root(carl)
    body = bytes(range(256)) * 9000
    await put(carl, f"{base}/a.json", body)
    head = await carl.caller.call("HEAD", f"{base}/a.json")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(body)))
    assert head.headers["content-type"] == "application/json"
    for asked, start, end in (("5-9", 5, 10), ("2300000-", 2_300_000, len(body)), ("-7", len(body) - 7, len(body))):
        part = await carl.caller.get(f"{base}/a.json", range=f"bytes={asked}")
        assert (part.status, part.body) == (206, body[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(body)}"
    assert (await carl.caller.get(f"{base}/a.json", range=f"bytes={len(body)}-")).status == 416
    for nonsense in ("bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes=-"):
        assert (await carl.caller.get(f"{base}/a.json", range=nonsense)).body == body


async def test_damaged_bytes_are_never_served_as_good(carl: Door):
    base, run_id = await root(carl)
    await put(carl, f"{base}/a", b"x" * 3_000_000)
    sha256 = await ask(lambda: Artifact.objects.get(run=run_id).sha256)
    assert (await carl.caller.get(f"{base}/a", range="bytes=0-9")).body == b"x" * 10
    path = blobs.path_of(sha256)
    path.write_bytes(b"x" * 2_999_999 + b"y")
    for headers in ({}, {"range": "bytes=0-9"}):
        with pytest.raises(NotFound):
            await carl.caller.get(f"{base}/a", **headers)


async def test_the_addresses_of_mlflows_pages(carl: Door, enter: Enter):
    base, run_id = await root(carl)
    await put(carl, f"{base}/deep/a.txt", b"hello")
    page = f"{API.partition('/api/')[0]}/get-artifact"
    got = await carl.caller.get(f"{page}?run_id={run_id}&path=deep/a.txt")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b"hello", "text/plain")
    assert got.headers["content-disposition"] == 'attachment; filename="a.txt"'
    assert refusal(await carl.caller.get(f"{page}?run_id={run_id}&path=../a"))[0] == 400
    assert refusal(await carl.caller.get(f"{page}?run_id={run_id}&path=none"))[0] == 404
    assert refusal(await carl.caller.get(f"{page}?path=deep/a.txt"))[0] == 400
    assert refusal(await enter("mallory").caller.get(f"{page}?run_id={run_id}&path=deep/a.txt"))[0] == 404
