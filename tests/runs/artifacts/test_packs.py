"""Many small files in one body: all or none, hashed by who takes them, given only to who may read each."""

import hashlib

import pytest

from studio.kernel import blobs
from studio.kernel.models import BlobRef
from tests.runs.telemetry import ask
from zaffre.packs import in_packs, pack, unpack
from zaffre.protocol import MAX_PACK_BYTES, MAX_PACK_FILES, PACK_BELOW


def named(*contents: bytes) -> list[tuple[str, bytes]]:
    return [(hashlib.sha256(data).hexdigest(), data) for data in contents]


async def test_code_sends_a_pack_and_a_person_fetches_one(running, code, person):
    files = named(b"one", b"", b"three\n" * 100, b"one")
    answer = await code.call("POST", f"{running.agent}/blobs", pack(files))
    assert (answer.status, answer.json()) == (200, {"stored": 4, "size": 606})
    asked = {"files": [{"path": f"outputs/{at}", "sha256": sha256} for at, (sha256, _) in enumerate(files)]}
    assert (await code.post(f"{running.agent}/artifacts", asked)).json() == {"added": 4}
    door = f"{running.user}/artifacts/pack"
    token = {"authorization": f"Bearer {running.token}", "cookie": ""}
    given = await code.call("POST", door, b'{"files":["outputs/2","outputs/0"]}', **token)
    assert unpack(given.body) == [files[2], files[0]]
    missing = await code.call("POST", door, b'{"files":["outputs/2","outputs/nine"]}', **token)
    assert (missing.status, missing.code) == (404, "not_found") and "outputs/nine" in missing.json()["error"]["message"]
    for name, status in (("mallory", 404), (None, 401)):
        assert (await person(name).call("POST", door, b'{"files":["outputs/0"]}')).status in {status, 403}


async def test_a_pack_with_one_wrong_hash_stores_nothing(running, code):
    good, bad = named(b"good", b"bad")
    answer = await code.call("POST", f"{running.agent}/blobs", pack([good, (bad[0], b"other")]))
    assert (answer.status, answer.code) == (422, "digest_mismatch") and "file 2" in answer.json()["error"]["message"]
    assert await ask(BlobRef.objects.count) == 0
    assert not blobs.path_of(good[0]).exists() and not list(blobs.staging().iterdir())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}\n",
        b"[[1, 2]]\n12",
        b'[["..", 2]]\n12',
        b"[[1]]\n",
        pack(named(b"cut"))[:-1],
        pack(named(b"more")) + b"x",
        pack(named(b"x")).replace(b",1]", b",-1]"),
        pack(named(b"x")).replace(b",1]", b",true]"),
        pack([("a" * 64, b"")] * (MAX_PACK_FILES + 1)),
    ],
)
async def test_what_is_no_pack_is_said_to_be_none(running, code, body):
    answer = await code.call("POST", f"{running.agent}/blobs", body)
    assert (answer.status, answer.code) == (422, "bad_pack")


async def test_a_pack_has_a_limit(running, code):
    answer = await code.call("POST", f"{running.agent}/blobs", pack(named(b"x" * (MAX_PACK_BYTES + 300_000))))
    assert answer.status == 413


async def test_what_a_pack_gives_is_bounded_and_the_rest_is_asked_for(running, code, monkeypatch):
    monkeypatch.setattr("studio.kernel.packing.MAX_PACK_BYTES", 5)
    small, large = named(b"1234", b"56", b"7"), named(b"x" * PACK_BELOW)[0]
    await code.call("POST", f"{running.agent}/blobs", pack([*small, large]))
    files = [{"path": f"f/{at}", "sha256": sha256} for at, (sha256, _) in enumerate([*small, large])]
    await code.post(f"{running.agent}/artifacts", {"files": files})
    door, token = f"{running.user}/artifacts/pack", {"authorization": f"Bearer {running.token}"}
    given = await code.call("POST", door, b'{"files":["f/0","f/1","f/2"]}', **token)
    assert unpack(given.body) == small[:1]
    refused = await code.call("POST", door, b'{"files":["f/3"]}', **token)
    assert (refused.status, "f/3" in refused.json()["error"]["message"]) == (422, True)
    for body in (b'{"files":[]}', b'{"files":[1]}', b"x"):
        assert (await code.call("POST", door, body, **token)).status == 422


async def test_a_file_that_is_lost_is_repaired_by_a_pack(running, code):
    files = named(b"kept")
    await code.call("POST", f"{running.agent}/blobs", pack(files))
    blobs.path_of(files[0][0]).unlink()
    await code.call("POST", f"{running.agent}/blobs", pack(files))
    assert blobs.path_of(files[0][0]).read_bytes() == b"kept"


def test_groups_fit_into_packs():
    sizes = [MAX_PACK_BYTES - 1, 1, 1, *[0] * MAX_PACK_FILES, 1]
    groups = list(in_packs(sizes, lambda size: size))
    assert [size for group in groups for size in group] == sizes
    assert all(len(group) <= MAX_PACK_FILES and sum(group) <= MAX_PACK_BYTES for group in groups) and len(groups) == 3
