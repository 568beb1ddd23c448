"""The content doors: bytes under their own hash, whole or not at all, and only for who may."""

import errno
import hashlib
import os

import pytest

from runs.models import Run
from runs.snapshots.models import Snapshot
from studio.kernel import blobs
from studio.kernel.ids import ulid
from tests.kernel.asgi import Caller
from tests.runs.telemetry import ask


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def carl(app, people, running) -> Caller:
    from workspace.accounts.services import create_token

    _, plain = create_token(actor=people.actor("carl"), name="t", days=1)
    return Caller(app, {"authorization": f"Bearer {plain}"})


LAB = "/api/v1/workspaces/lab/blobs"


async def test_missing_then_sent_then_known(carl: Caller, running, settings):
    data = b"print('hello')\n" * 200_000
    asked = {"sha256": [sha(b"other"), sha(data), sha(data)]}
    assert (await carl.post(f"{LAB}/missing", asked)).json() == {"missing": [sha(b"other"), sha(data)]}
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    first = await carl.call("PUT", f"{LAB}/{sha(data)}", pieces)
    assert (first.status, first.json()) == (201, {"sha256": sha(data), "size": len(data)})
    assert (await carl.call("PUT", f"{LAB}/{sha(data)}", pieces)).status == 200
    assert (await carl.post(f"{LAB}/missing", asked)).json() == {"missing": [sha(b"other")]}
    assert b"".join(blobs.read(sha(data))) == data
    assert list((settings.BLOB_DIR / "staging").iterdir()) == []


async def test_wrong_cut_and_unnamed_bytes_are_not_kept(carl: Caller, settings):
    wrong = await carl.call("PUT", f"{LAB}/{sha(b'one')}", b"two")
    assert (wrong.status, wrong.code) == (422, "digest_mismatch")
    assert (await carl.call("PUT", f"{LAB}/{sha(b'half')}", [b"ha"], cut=True)).status == 0
    for name in ("..", "A" * 64, "0" * 63):
        assert (await carl.call("PUT", f"{LAB}/{name}", b"x")).status == 422
    assert (await carl.post(f"{LAB}/missing", {"sha256": [sha(b"half"), sha(b"one")]})).json()["missing"] == [
        sha(b"half"),
        sha(b"one"),
    ]
    assert [each for each in settings.BLOB_DIR.rglob("*") if each.is_file()] == []


async def test_a_full_disk_is_told_and_leaves_nothing(carl: Caller, settings, monkeypatch):
    """Half of the bytes fit. Once there is room again the same file is taken, without a restart."""
    real, came = blobs.Incoming.write, []

    def write(self, piece):
        came.append(len(piece))
        if len(came) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, piece)

    data = b"x" * 6_000_000
    pieces = [data[at : at + 1_000_000] for at in range(0, len(data), 1_000_000)]
    with monkeypatch.context() as full:
        full.setattr(blobs.Incoming, "write", write)
        answer = await carl.call("PUT", f"{LAB}/{sha(data)}", pieces)
        assert (answer.status, answer.code) == (507, "disk_full")
        assert (await carl.get("/api/v1/workspaces/lab/runs")).status == 200
    assert [each for each in settings.BLOB_DIR.rglob("*") if each.is_file()] == []
    assert (await carl.post(f"{LAB}/missing", {"sha256": [sha(data)]})).json() == {"missing": [sha(data)]}
    assert (await carl.call("PUT", f"{LAB}/{sha(data)}", pieces)).status == 201


@pytest.mark.parametrize("body", [{"sha256": ["x"]}, {"sha256": 1}, [], {"sha256": [sha(b"x")] * 5001}])
async def test_a_question_that_cannot_be_meant(carl: Caller, body):
    assert (await carl.post(f"{LAB}/missing", body)).status == 422


@pytest.mark.parametrize(("name", "status"), [("rio", 403), ("mallory", 404), ("ada", 403), (None, 401)])
async def test_who_may_not_send(person, name, status):
    answer = await person(name).call("PUT", f"{LAB}/{sha(b'x')}", b"x")
    # A session without the browser's CSRF token is refused before its role is looked at.
    assert answer.status == (401 if name is None else 403)
    caller = person(name)
    if name:
        caller = with_csrf(caller)
    assert (await caller.call("PUT", f"{LAB}/{sha(b'x')}", b"x")).status == status


def with_csrf(caller: Caller, **more: str) -> Caller:
    token = "a" * 32
    return Caller(
        caller.app,
        {"cookie": f"{caller.headers['cookie']}; csrftoken={token}", "x-csrftoken": token,
         "origin": "http://localhost", **more},
    )  # fmt: skip


async def test_a_browser_sends_with_its_csrf_token_from_our_own_pages_only(person):
    olga = person("olga")
    bare = await olga.call("PUT", f"{LAB}/{sha(b'x')}", b"x")
    assert (bare.status, bare.code) == (403, "csrf")
    other = await with_csrf(olga, origin="http://evil.example").call("PUT", f"{LAB}/{sha(b'x')}", b"x")
    assert (other.status, other.code) == (403, "csrf")
    forged = await with_csrf(olga, **{"x-csrftoken": "b" * 32}).call("PUT", f"{LAB}/{sha(b'x')}", b"x")
    assert (forged.status, forged.code) == (403, "csrf")
    assert (await with_csrf(olga).call("PUT", f"{LAB}/{sha(b'x')}", b"x")).status == 201


async def test_code_reads_its_own_files_only(running, make_run, code: Caller, carl: Caller, app):
    data, other = b"import zaffre\n" * 100_000, b"another run's file"
    for each in (data, other):
        await carl.call("PUT", f"{LAB}/{sha(each)}", each)

    def give() -> None:
        files = [{"path": "train.py", "sha256": sha(data), "size": len(data), "mode": 0o644}]
        snapshot = Snapshot.objects.create(
            id=ulid(), workspace=running.lab, digest=sha(b"tree"), files=files, file_count=1, size=len(data)
        )
        Run.objects.filter(pk=running.id).update(snapshot=snapshot)

    await ask(give)
    got = await code.get(f"{running.agent}/blobs/{sha(data)}")
    assert (got.status, got.body, got.headers["content-length"]) == (200, data, str(len(data)))
    assert (await code.get(f"{running.agent}/blobs/{sha(other)}")).status == 404
    assert (await code.get(f"/agent/v1/runs/{ulid()}/blobs/{sha(data)}")).status == 404
    twin = await ask(make_run)
    snapshot = await ask(lambda: Snapshot.objects.get())
    await ask(lambda: twin.change(snapshot=snapshot))
    assert (await code.get(f"{twin.agent}/blobs/{sha(data)}")).status == 404
    assert (await carl.get(f"{running.agent}/blobs/{sha(data)}")).status == 403
    assert (await Caller(app).get(f"{running.agent}/blobs/{sha(data)}")).status == 401
    await ask(lambda: running.change(attempt_no=2))
    assert (await code.get(f"{running.agent}/blobs/{sha(data)}")).code == "stale_attempt"


async def test_code_leaves_its_outputs(running, make_run, code: Caller):
    data = b"model bytes"
    asked = {"sha256": [sha(data)]}
    assert (await code.post(f"{running.agent}/blobs/missing", asked)).json() == {"missing": [sha(data)]}
    assert (await code.call("PUT", f"{running.agent}/blobs/{sha(data)}", data)).status == 201
    assert (await code.post(f"{running.agent}/blobs/missing", asked)).json() == {"missing": []}
    other = await ask(make_run)
    assert (await code.call("PUT", f"{other.agent}/blobs/{sha(data)}", data)).status == 404
    assert (await code.post(f"{other.agent}/blobs/missing", asked)).status == 404
