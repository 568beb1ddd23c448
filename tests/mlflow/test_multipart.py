"""Large files in parts and addresses without a credential, at MLflow's door: good for one thing, for a while."""

import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from studio.console.tasks import collect
from studio.kernel import addresses, blobs, parts
from tests.kernel.asgi import Caller
from tests.mlflow.conftest import API, FILES, Door, Enter, refusal
from tests.runs.telemetry import ask
from workspace.audit.models import Entry
from workspace.models import Membership

MPU = FILES.replace("/artifacts", "/mpu")
BODY = bytes(range(251)) * 40
PARTS = [BODY[:4096], BODY[4096:8192], BODY[8192:]]


async def begin(door: Door, count: int = 3, file: str = "C:\\data\\big.bin") -> tuple[str, dict[str, Any]]:
    number = await door.experiment(f"parts {time.monotonic()}")
    run = (await door.run(number))["info"]["run_id"]
    where = f"{number}/{run}/artifacts/deep"
    answer = await door.caller.post(f"{MPU}/create/{where}", {"path": file, "num_parts": count})
    assert answer.status == 200, answer.body
    return where, answer.json()


async def send(app: Any, made: dict[str, Any], number: int, data: bytes) -> Any:
    """Without any credential, as the client does."""
    url = urlsplit(made["credentials"][number - 1]["url"])
    return await Caller(app).call("PUT", url.path, data)


async def finish(door: Door, where: str, made: dict[str, Any], etags: list[str], **more: Any) -> Any:
    parts = [{"part_number": at, "etag": etag} for at, etag in enumerate(etags, 1)]
    told = {"path": "C:\\data\\big.bin", "upload_id": made["upload_id"], "parts": parts, **more}
    return await door.caller.post(f"{MPU}/complete/{where}", told)


async def test_parts_in_any_order_and_twice_become_one_file(carl, app):
    where, made = await begin(carl)
    etags = {}
    for number in (3, 1, 2, 1):
        answer = await send(app, made, number, PARTS[number - 1])
        assert answer.status == 200
        etags[number] = answer.headers["etag"]
    for _ in range(2):  # a repeated call gets the same answer
        assert (await finish(carl, where, made, [etags[1], etags[2], etags[3]])).json() == {}
    assert (await carl.caller.get(f"{FILES}/{where}/big.bin")).body == BODY
    assert not [one for one in blobs.staging().iterdir() if not one.name.endswith(".done")]


async def test_what_is_missing_or_changed_is_named_and_can_be_sent_again(carl, app):
    where, made = await begin(carl)
    etags = [(await send(app, made, number, PARTS[number - 1])).headers["etag"] for number in (1, 2)]
    for told, said in ((etags, "Part 3"), ([*etags, etags[0]], "Part 3"), ([etags[1], *etags], "Part 1")):
        answer = await finish(carl, where, made, told)
        assert answer.status == 400 and said in answer.json()["message"]
    etags.append((await send(app, made, 3, PARTS[2])).headers["etag"])
    assert (await finish(carl, where, made, etags)).status == 200
    assert (await carl.caller.get(f"{FILES}/{where}/big.bin")).body == BODY


async def test_an_address_is_good_for_one_part_of_one_upload_and_ends(carl, app, enter: Enter, monkeypatch):
    where, made = await begin(carl)
    path = urlsplit(made["credentials"][0]["url"]).path
    sealed = path.rpartition("/")[2]
    front = FILES.removesuffix("/artifacts")
    changed = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    for other in (changed, "zaf_url_", "nonsense", sealed.replace("zaf_url_", "")):
        assert (await Caller(app).call("PUT", f"{front}/parts/{other}", b"x")).status == 403
    assert (await Caller(app).call("PUT", f"{front}/signed/{sealed}", b"x")).status == 403
    assert (await Caller(app).get(f"{front}/signed/{sealed}")).status == 403
    assert (await Caller(app).call("PUT", path.replace("/mlflow/lab/", "/mlflow/den/"), b"x")).status == 403
    stolen = await finish(enter("olga"), where, made, ["a"])
    assert refusal(stolen) == (403, "PERMISSION_DENIED")
    later = time.time() + 25 * 3600
    monkeypatch.setattr(addresses, "time", type("Clock", (), {"time": staticmethod(lambda: later)}))
    assert (await Caller(app).call("PUT", path, b"x")).status == 403


async def test_parts_are_no_more_than_a_file_may_be_and_none_comes_after_the_end(carl, app, monkeypatch):
    where, made = await begin(carl)
    monkeypatch.setattr(blobs, "MAX_BLOB", 9000)
    etags = [(await send(app, made, number, PARTS[number - 1])).headers["etag"] for number in (1, 2)]
    assert refusal(await send(app, made, 3, PARTS[2])) == (400, "INVALID_PARAMETER_VALUE")
    monkeypatch.setattr(blobs, "MAX_BLOB", len(BODY))
    etags.append((await send(app, made, 3, PARTS[2])).headers["etag"])
    assert (await finish(carl, where, made, etags)).status == 200
    assert (await send(app, made, 1, PARTS[0])).status == 409


async def test_an_upload_that_is_given_up_leaves_nothing(carl, app):
    where, made = await begin(carl)
    await send(app, made, 1, PARTS[0])
    told = {"path": "C:\\data\\big.bin", "upload_id": made["upload_id"]}
    assert (await carl.caller.post(f"{MPU}/abort/{where}", told)).json() == {}
    assert not list(blobs.staging().iterdir())
    assert (await send(app, made, 1, PARTS[0])).status == 409
    assert not list(blobs.staging().iterdir())


async def test_an_upload_that_nobody_goes_on_with_is_collected(carl, app, monkeypatch):
    where, made = await begin(carl)
    etags = [(await send(app, made, number, PARTS[number - 1])).headers["etag"] for number in (1, 2, 3)]
    await ask(collect)
    assert len(list(blobs.staging().iterdir())) == 4  # somebody may go on with it
    hour_ago = time.time() - 3660
    for place in blobs.staging().iterdir():
        os.utime(place, (hour_ago, hour_ago))
    await ask(collect)
    assert not list(blobs.staging().iterdir())
    assert (await send(app, made, 1, PARTS[0])).status == 409
    assert (await finish(carl, where, made, etags)).status == 400


@pytest.mark.parametrize("what", ["run or model", "caller", "workspace"])
async def test_no_more_uploads_are_open_at_once_than_the_limit(carl, app, enter: Enter, monkeypatch, what):
    monkeypatch.setitem(parts.MOST_OPEN, what, 2)
    number = await carl.experiment()
    runs = [(await carl.run(number))["info"]["run_id"] for _ in range(2)]

    async def create(run: str, name: str) -> Any:
        told = {"path": name, "num_parts": 1}
        return await carl.caller.post(f"{MPU}/create/{number}/{run}/artifacts", told)

    first, second = await create(runs[0], "a"), await create(runs[0], "b")
    assert (first.status, second.status) == (200, 200)
    refused = await create(runs[0], "c")
    assert refusal(refused) == (409, "RESOURCE_CONFLICT")
    assert f"2 uploads in parts of this {what}" in refused.json()["message"]
    assert (await create(runs[1], "d")).status == (200 if what == "run or model" else 409)
    told = {"path": "a", "upload_id": first.json()["upload_id"]}
    assert (await carl.caller.post(f"{MPU}/abort/{number}/{runs[0]}/artifacts", told)).status == 200
    assert (await create(runs[0], "c")).status == 200


async def test_the_trail_says_from_where_an_address_was_used(carl, app):
    run = (await carl.run(await carl.experiment()))["info"]["run_id"]
    made = await carl.post("artifacts/presigned-upload-url", run_id=run, path="b.bin")
    assert (await Caller(app).call("PUT", urlsplit(made.json()["presigned_url"]).path, b"x")).status == 200
    line = await ask(lambda: Entry.objects.get(action="artifact.add", target=run))
    assert line.address == "127.0.0.1"


async def test_addresses_begin_with_the_public_address_where_one_was_set(carl, settings):
    run = (await carl.run(await carl.experiment()))["info"]["run_id"]

    async def origin(host: str) -> str:
        told = json.dumps({"run_id": run, "path": "b.bin"}).encode()
        made = await carl.caller.call("POST", f"{API}/artifacts/presigned-upload-url", told, host=host)
        return made.json()["presigned_url"].partition("/mlflow/")[0]

    assert await origin("127.0.0.1:9") == "http://127.0.0.1:9"
    assert await origin("evil.example") == settings.PUBLIC_URL
    settings.PUBLIC_URL = "https://studio.example"
    for host in ("studio.example", "127.0.0.1:9", "evil.example"):
        assert await origin(host) == "https://studio.example"


@pytest.mark.parametrize(
    ("given", "status"),
    [({"num_parts": 3}, 400), ({"path": "a", "num_parts": 0}, 400), ({"path": "a", "num_parts": 10_001}, 400)],
)
async def test_a_beginning_that_cannot_be(carl, given, status):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    answer = await carl.caller.post(f"{MPU}/create/{number}/{run}/artifacts", given)
    assert answer.status == status


async def test_who_begins_an_upload(carl, enter: Enter):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    for name, status in (("olga", 403), ("rio", 403), ("mallory", 404), (None, 401)):
        told = {"path": "a", "num_parts": 1}
        assert (await enter(name).caller.post(f"{MPU}/create/{number}/{run}/artifacts", told)).status == status


async def test_addresses_of_whole_files(carl, app, enter: Enter):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    made = await carl.post("artifacts/presigned-upload-url", run_id=run, path="a/b.bin")
    assert (await Caller(app).call("PUT", urlsplit(made.json()["presigned_url"]).path, BODY)).status == 200
    told = (await carl.post("artifacts/presigned-download-url", run_id=run, path="a/b.bin")).json()
    assert told["file_size"] == len(BODY)
    path = urlsplit(told["presigned_url"]).path
    assert (await Caller(app).get(path)).body == BODY
    part = await Caller(app).call("GET", path, range="bytes=10-19")
    assert (part.status, part.body) == (206, BODY[10:20])
    front = FILES.removesuffix("/artifacts")
    of_path = (await enter("rio").caller.get(f"{front}/presigned/{number}/{run}/artifacts/a/b.bin")).json()
    assert (await Caller(app).get(urlsplit(of_path["url"]).path)).body == BODY
    assert (await Caller(app).call("PUT", path, b"x")).status == 403
    for name, status in (("mallory", 404), (None, 401)):
        refused = await enter(name).post("artifacts/presigned-download-url", run_id=run, path="a/b.bin")
        assert refused.status == status
    assert (await enter("rio").post("artifacts/presigned-upload-url", run_id=run, path="c")).status == 403
    for wrong in ({}, {"run_id": run, "model_id": "m", "path": "a"}, {"run_id": run, "path": "../a"}):
        assert (await carl.post("artifacts/presigned-download-url", **wrong)).status == 400


async def test_an_address_ends_with_the_rights_of_who_made_it(carl, app, lab):
    run = (await carl.run(await carl.experiment()))["info"]["run_id"]
    made = await carl.post("artifacts/presigned-upload-url", run_id=run, path="b.bin")
    path = urlsplit(made.json()["presigned_url"]).path
    await ask(lambda: Membership.objects.filter(workspace=lab, user__username="carl").delete())
    assert (await Caller(app).call("PUT", path, json.dumps("x").encode())).status == 404


async def test_a_long_path_in_any_script_has_an_address(carl, app):
    number = await carl.experiment()
    run = (await carl.run(number))["info"]["run_id"]
    path = "/".join(["\U00020b9f" * 60] * 16)
    made = await carl.post("artifacts/presigned-upload-url", run_id=run, path=path)
    assert (await Caller(app).call("PUT", urlsplit(made.json()["presigned_url"]).path, BODY)).status == 200
    told = (await carl.post("artifacts/presigned-download-url", run_id=run, path=path)).json()
    assert (await Caller(app).get(urlsplit(told["presigned_url"]).path)).body == BODY
