"""The one ASGI entry: what goes where, and an orderly beginning and end."""

import asyncio

import pytest

from tests.kernel.asgi import PATIENCE, Caller
from zaffre.protocol import PROTOCOL


@pytest.fixture
def app():
    from studio.asgi import application

    return application


async def test_the_process_says_that_it_lives(app):
    assert (await Caller(app).get("/healthz")).status == 200


async def test_what_is_not_hot_is_djangos(transactional_db, app):
    assert (await Caller(app).get("/api/v1/me")).status == 401


async def test_start_and_stop(app):
    inbox: asyncio.Queue = asyncio.Queue()
    outbox: asyncio.Queue = asyncio.Queue()
    task = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, inbox.get, outbox.put)
    )
    async with asyncio.timeout(PATIENCE):
        for what in ("startup", "shutdown"):
            await inbox.put({"type": f"lifespan.{what}"})
            assert (await outbox.get())["type"] == f"lifespan.{what}.complete"
        await task


@pytest.mark.parametrize("path", ["/api/v1/me", "/agent/v1/nodes/hello", "/agent/v1/nodes/claim"])
async def test_another_version_of_the_protocol_is_refused_with_the_one_that_is_needed(transactional_db, app, path):
    refused = await Caller(app).post(path, {}, zaffre_protocol="99")
    assert refused.status == 426
    assert refused.json()["error"]["details"]["needed"] == PROTOCOL
    served = await Caller(app).post(path, {}, zaffre_protocol=str(PROTOCOL))
    assert served.status in {401, 405}


@pytest.mark.parametrize("announced", [True, False])
async def test_nobody_fills_the_disk_before_saying_who_it_is(transactional_db, app, announced, monkeypatch):
    from studio import asgi as entry

    given: list[int] = []
    real = entry.django_app

    async def counted(scope, receive, send):
        async def next_piece():
            message = await receive()
            given.append(len(message.get("body", b"")))
            return message

        await real(scope, next_piece, send)

    pieces = [bytes(1024 * 1024)] * 40
    headers = {"content_length": str(40 * 1024 * 1024)} if announced else {"transfer_encoding": "chunked"}
    monkeypatch.setattr(entry, "django_app", counted)
    answer = await Caller(app).call("POST", "/api/v1/tokens", pieces, content_type="application/json", **headers)
    assert (answer.status, answer.code) == (413, "too_large")
    assert sum(given) <= entry.MOST_BODY


async def test_djangos_part_does_not_wait_for_a_body_either(transactional_db, app, monkeypatch):
    monkeypatch.setattr("studio.kernel.hot.STALL", 0.1)
    headers = {"content_type": "application/json", "content_length": "100"}
    answer = await Caller(app).call("POST", "/api/v1/tokens", b'{"na', stalls=True, **headers)
    assert (answer.status, answer.code) == (408, "too_slow")
