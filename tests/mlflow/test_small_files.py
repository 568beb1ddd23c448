"""Files that come one request each: together they cost little, and each is whole, allowed and answered by itself."""

import asyncio
from urllib.parse import quote

import pytest

from runs.artifacts.models import Artifact
from runs.services import cancel_run
from studio.kernel import blobs
from tests.conftest import People
from tests.mlflow.conftest import FILES, Door, Enter, refusal
from tests.runs.telemetry import ask
from workspace.audit.models import Entry


async def root(door: Door) -> tuple[str, str]:
    info = (await door.run())["info"]
    return f"{FILES}/{info['artifact_uri'].removeprefix('mlflow-artifacts:/')}", info["run_id"]


async def test_many_at_once_are_all_kept_and_told_of(carl: Door):
    (one, first), (two, second) = await root(carl), await root(carl)
    bodies = {f"{base}/d/{at}": b"%d" % at * 1000 for base in (one, two) for at in range(40)}
    answers = await asyncio.gather(*(carl.caller.call("PUT", path, body) for path, body in bodies.items()))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"{}")}
    for path, body in bodies.items():
        assert (await carl.caller.get(path)).body == body
    for run in (first, second):
        lines = await ask(lambda run=run: list(Entry.objects.filter(action="artifact.add", target=run)))
        assert sum(line.fields["files"] for line in lines) == 40
    assert list(blobs.staging().iterdir()) == []


async def test_one_that_is_refused_harms_no_other(carl: Door, enter: Enter, people: People):
    (open_, _), (closed, run_id) = await root(carl), await root(carl)
    assert (await carl.caller.call("PUT", f"{closed}/before", b"x")).status == 200
    await ask(lambda: cancel_run("lab", run_id, actor=people.actor("olga")))
    places = [f"{base}/{at}" for at in range(10) for base in (open_, closed)]
    answers = await asyncio.gather(*(carl.caller.call("PUT", path, path.encode()) for path in places))
    for path, answer in zip(places, answers, strict=True):
        if path.startswith(open_):
            assert answer.status == 200 and (await carl.caller.get(path)).body == path.encode()
        else:
            assert refusal(answer) == (409, "RESOURCE_CONFLICT")
    await carl.post("runs/delete", run_id=open_.split("/")[-2])
    assert refusal(await carl.caller.call("PUT", f"{open_}/late", b"x"))[0] == 400
    for name, status in (("rio", 403), ("mallory", 404), (None, 401)):
        assert (await enter(name).caller.call("PUT", f"{open_}/theirs", b"x")).status == status
    assert await ask(lambda: Artifact.objects.filter(run=run_id).count()) == 1


async def test_a_run_takes_no_more_files_than_it_may_have(carl: Door, monkeypatch):
    monkeypatch.setattr("runs.artifacts.services.MOST_OF_A_RUN", 5)
    monkeypatch.setattr("runs.artifacts.small.MOST_OF_A_RUN", 5)
    base, run_id = await root(carl)
    answers = await asyncio.gather(*(carl.caller.call("PUT", f"{base}/{at}", b"x") for at in range(9)))
    assert sorted(answer.status for answer in answers).count(200) == 5
    refused = next(answer for answer in answers if answer.status != 200)
    assert "more than 5 files" in refused.json()["message"]
    held = await ask(lambda: sorted(Artifact.objects.filter(run=run_id).values_list("path", flat=True)))
    assert len(held) == 5
    assert (await carl.caller.call("PUT", f"{base}/{held[0]}", b"new")).status == 200, "new bytes at a known path fit"


@pytest.mark.parametrize("sizes", [(2 * 2**20, 3 * 2**20), (20_000, 30_000), (20_000, 2**20)])
async def test_two_writers_of_one_path_leave_one_of_them_whole(carl: Door, sizes):
    base, run_id = await root(carl)
    bodies = [bytes([at]) * size for at, size in enumerate(sizes)]
    for _ in range(5):
        pieces = [[body[at : at + 65_536] for at in range(0, len(body), 65_536)] for body in bodies]
        answers = await asyncio.gather(*(carl.caller.call("PUT", f"{base}/a", piece) for piece in pieces))
        assert [answer.status for answer in answers] == [200, 200]
        assert (await carl.caller.get(f"{base}/a")).body in bodies
    assert await ask(lambda: Artifact.objects.filter(run=run_id).count()) == 1


@pytest.mark.parametrize("size", [40_000, 4 * 2**20])
async def test_an_upload_that_is_cut_anywhere_leaves_what_was_there(carl: Door, size):
    base, run_id = await root(carl)
    assert (await carl.caller.call("PUT", f"{base}/old", b"old")).status == 200
    body = bytes(range(250)) * (size // 250)
    for cut in range(20):
        sent = body[: len(body) * cut // 20]
        pieces = [sent[at : at + 65_536] for at in range(0, len(sent), 65_536)] or [b""]
        for name in ("old", "new"):
            answer = await carl.caller.call("PUT", f"{base}/{name}", pieces, cut=True, content_length=str(len(body)))
            assert answer.status == 0
    assert (await carl.caller.get(f"{base}/old")).body == b"old"
    assert await ask(lambda: list(Artifact.objects.filter(run=run_id).values_list("path", flat=True))) == ["old"]
    assert list(blobs.staging().iterdir()) == []


async def test_a_commit_that_fails_names_no_file(carl: Door, monkeypatch):
    base, run_id = await root(carl)

    def fail(files: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("runs.artifacts.small._insert", fail)
        assert (await carl.caller.call("PUT", f"{base}/a", b"x" * 500)).status >= 500
    assert await ask(lambda: Artifact.objects.filter(run=run_id).exists()) is False
    assert (await carl.caller.call("PUT", f"{base}/a", b"x" * 500)).status == 200
    assert (await carl.caller.get(f"{base}/a")).body == b"x" * 500


async def test_a_folder_is_listed_by_its_very_name(carl: Door):
    base, run_id = await root(carl)
    for path in ("a_b/x", "a_b/y/z", "aXb/no", "a%/p", "axx/q", "a\u00e4/\u96ea"):
        assert (await carl.caller.call("PUT", f"{base}/{path}", b"123")).status == 200
    place = base.removeprefix(f"{FILES}/")

    async def listed(folder: str) -> list[dict[str, object]]:
        return (await carl.caller.get(f"{FILES}?path={place}/{quote(folder)}")).json()["files"]

    x, y = {"path": "x", "is_dir": False, "file_size": 3}, {"path": "y", "is_dir": True}
    assert await listed("a_b") == [x, y]
    assert await listed("a%") == [{"path": "p", "is_dir": False, "file_size": 3}]
    assert await listed("a\u00e4") == [{"path": "\u96ea", "is_dir": False, "file_size": 3}]
    assert await listed("nothing") == []
    await carl.post("runs/delete", run_id=run_id)
    for answer in (await carl.caller.get(f"{FILES}?path={place}/a_b"), await carl.caller.get(f"{base}/a_b/x")):
        assert answer.status == 400 and "deleted" in answer.json()["message"]
