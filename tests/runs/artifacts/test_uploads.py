"""Large files in parts: kept one by one, checked one by one and as a whole, by nobody but who began them."""

import base64
import hashlib
import random
from typing import Any

import pytest

from runs.artifacts import uploading
from runs.artifacts.models import Artifact, Upload
from runs.services import cancel_run
from studio.console.tasks import collect
from studio.kernel import blobs, parts
from studio.kernel.models import BlobRef
from tests.conftest import People
from tests.kernel.asgi import Caller
from tests.runs.telemetry import ask
from workspace.accounts.services import create_token

PART = 1000
BODY = random.Random(8).randbytes(3 * PART + 300)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    defaults = {**uploading.begin_upload.__wrapped__.__kwdefaults__, "part_size": PART}
    monkeypatch.setattr(uploading.begin_upload.__wrapped__, "__kwdefaults__", defaults)


def digest(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


async def begin(code: Caller, running, **more) -> str:
    asked = {"size": len(BODY), "path": "outputs/big", "sha256": hashlib.sha256(BODY).hexdigest(), **more}
    answer = await code.post(f"{running.agent}/uploads", asked)
    assert (answer.status, answer.json()["part_size"], answer.json()["parts"]) == (201, PART, 4), answer.body
    return f"{running.agent}/uploads/{answer.json()['id']}"


async def send(code: Caller, where: str, *numbers: int) -> None:
    for number in numbers:
        data = BODY[(number - 1) * PART : number * PART]
        answer = await code.call("PUT", f"{where}/{number}", data, content_digest=digest(data))
        assert (answer.status, answer.json()) == (200, {"sha256": hashlib.sha256(data).hexdigest()})


async def test_parts_in_any_order_and_twice_become_one_file(running, code, person):
    where = await begin(code, running)
    await send(code, where, 4, 2, 2)
    assert (await code.get(where)).json()["held"] == [2, 4]
    early = await code.post(f"{where}/complete", {})
    assert (early.status, early.code) == (422, "parts_missing")
    assert early.json()["error"]["details"]["parts"] == [1, 3]
    assert await ask(Artifact.objects.count) == 0
    await send(code, where, 3, 1)
    for _ in range(2):
        done = await code.post(f"{where}/complete", {})
        assert done.json() == {"sha256": hashlib.sha256(BODY).hexdigest(), "size": len(BODY)}
    kept = await ask(lambda: Artifact.objects.get(run=running.id))
    assert (kept.path, kept.size) == ("outputs/big", len(BODY))
    assert b"".join(blobs.read(kept.sha256)) == BODY
    late = await code.call("PUT", f"{where}/1", BODY[:PART])
    assert (late.status, late.code) == (409, "upload_complete")


async def test_a_part_that_was_changed_on_the_way_is_refused(running, code):
    where = await begin(code, running)
    wrong = await code.call("PUT", f"{where}/1", b"x" * PART, content_digest=digest(BODY[:PART]))
    assert (wrong.status, wrong.code) == (422, "digest_mismatch")
    for number, data in ((1, BODY[:999]), (4, BODY[:PART]), (5, b"x"), (0, b"x")):
        bad = await code.call("PUT", f"{where}/{number}", data)
        assert (bad.status, bad.code) == (422, "bad_part")
    assert (await code.call("PUT", f"{where}/x", b"x")).code == "bad_part"
    cut = await code.call("PUT", f"{where}/1", BODY[:500], cut=True)
    assert cut.status == 0
    assert (await code.get(where)).json()["held"] == []


@pytest.mark.parametrize("announced", ["0" * 64, ""])
async def test_a_whole_that_is_not_what_was_sent_is_not_kept(running, code, announced):
    where = await begin(code, running, sha256=announced)
    await send(code, where, 1, 2, 3, 4)
    if not announced:
        upload = await ask(lambda: Upload.objects.get())
        with (blobs.staging() / f"upload-{upload.pk}").open("r+b") as file:
            file.write(b"rot")
    done = await code.post(f"{where}/complete", {})
    assert (done.status, done.code) == (422, "digest_mismatch")
    assert await ask(lambda: (Artifact.objects.count(), BlobRef.objects.count())) == (0, 0)


async def test_nobody_else_goes_on_with_an_upload(running, code, person, make_run, app):
    where = await begin(code, running)
    other = make_run
    for name, status in (("olga", 403), ("rio", 403), ("mallory", 403), (None, 401)):
        for answer in (await person(name).get(where), await person(name).post(f"{where}/complete", {})):
            assert answer.status in {status, 401, 404}, name
    second = await ask(lambda: other())
    stranger = Caller(app, {"authorization": f"Bearer {second.token}"})
    assert (await stranger.get(where)).status == 404
    moved = where.replace(running.id, second.id)
    assert (await stranger.get(moved)).code == "upload_gone"
    await ask(lambda: running.change(attempt_no=2))
    stale = await code.call("PUT", f"{where}/1", BODY[:PART])
    assert (stale.status, stale.code) == (409, "stale_attempt")


async def test_a_person_uploads_into_an_interactive_run_until_it_is_canceled(make_run, app, person, people: People):
    run = await ask(lambda: make_run(kind="interactive"))
    base = run.user
    pat = Caller(app, {"authorization": f"Bearer {await ask(lambda: token_of(people.carl))}"})
    made = await pat.post(f"{base}/uploads", {"size": len(BODY), "path": "big"})
    where = f"{base}/uploads/{made.json()['id']}"
    assert (await person("mallory").get(where)).status == 404
    assert (await person("olga").get(where)).status == 403
    await send(pat, where, 1, 2, 3)
    await ask(lambda: cancel_run("lab", run.id, actor=people.actor("carl")))
    assert (await pat.call("PUT", f"{where}/4", BODY[3 * PART :])).status == 409
    assert (await pat.post(f"{where}/complete", {})).status == 409


def token_of(user) -> str:
    return create_token(actor=user.as_actor(), name="t", days=1)[1]


async def test_an_abandoned_and_an_aborted_upload_leave_nothing(running, code, monkeypatch):
    where = await begin(code, running)
    await send(code, where, 1)
    assert (await code.call("DELETE", where)).status == 204
    assert (await code.get(where)).code == "upload_gone" and list(blobs.staging().iterdir()) == []
    where = await begin(code, running)
    await send(code, where, 1)
    monkeypatch.setattr("studio.kernel.store.STAGED", -60.0)
    monkeypatch.setattr("runs.artifacts.uploading.STAGED", -60.0)
    await ask(collect)
    assert list(blobs.staging().iterdir()) == [] and await ask(Upload.objects.count) == 0
    gone = await code.call("PUT", f"{where}/2", BODY[:PART])
    assert (gone.status, gone.code) == (409, "upload_gone")


@pytest.mark.parametrize(
    "body",
    [
        {"size": 0},
        {"size": -1},
        {"size": 6 * 1024**3},
        {"size": PART * 10_001},
        {"size": 9, "path": "../x"},
        {"size": 9, "sha256": "x"},
        {"size": "x"},
        {},
        [],
    ],
)
async def test_what_cannot_be_is_refused_before_a_byte(running, code, body):
    assert (await code.post(f"{running.agent}/uploads", body)).status in {413, 422}
    assert await ask(Upload.objects.count) == 0


@pytest.mark.parametrize("what", ["run or model", "caller", "workspace"])
async def test_no_more_uploads_are_open_at_once_than_the_limit(make_run, app, people: People, monkeypatch, what):
    monkeypatch.setitem(parts.MOST_OPEN, what, 2)
    runs = [await ask(lambda: make_run(kind="interactive")) for _ in range(2)]
    carl = Caller(app, {"authorization": f"Bearer {await ask(lambda: token_of(people.carl))}"})

    async def create(at: int) -> Any:
        return await carl.post(f"{runs[at].user}/uploads", {"size": 9})

    made = [await create(0), await create(0)]
    assert [answer.status for answer in made] == [201, 201]
    refused = await create(0)
    assert (refused.status, refused.code) == (409, "too_many_uploads")
    assert what in refused.json()["error"]["message"]
    assert (await create(1)).status == (201 if what == "run or model" else 409)
    assert (await carl.call("DELETE", f"{runs[0].user}/uploads/{made[0].json()['id']}")).status == 204
    assert (await create(0)).status == 201
