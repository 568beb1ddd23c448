"""The raw door's frame: matching, limits, errors in the one shape, and credentials."""

import asyncio
import time
from typing import Any

import pytest
from django.db import OperationalError

from studio.kernel import credentials, hot
from studio.kernel.errors import Conflict
from tests.conftest import People
from tests.kernel.asgi import Caller


async def hello(request: hot.Request, name: str) -> hot.Response:
    return hot.json({"name": name, "size": len(await request.body(limit=100_000))})


async def broken(request: hot.Request) -> hot.Response:
    raise ValueError("a secret inside")


async def away(request: hot.Request) -> hot.Response:
    raise OperationalError("connection refused")


async def taken(request: hot.Request) -> hot.Response:
    raise Conflict("No.", code="taken", name="x")


async def who(request: hot.Request) -> hot.Response:
    return hot.json({"name": (await request.actor(browser_may_write=True)).name})


ROUTER = hot.Router(
    [
        hot.route("POST", "/x/<name>/hello", hello),
        hot.route("GET", "/x/broken", broken),
        hot.route("GET", "/x/away", away),
        hot.route("GET", "/x/taken", taken),
        hot.route("GET", "/x/rest/<path:name>", hello),
        hot.route("GET", "/who", who),
        hot.route("POST", "/who", who),
    ]
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    found = ROUTER.match(scope["method"], scope["path"])
    assert found is not None
    await hot.serve(*found, scope, receive, send)


@pytest.mark.parametrize(
    ("method", "path", "matches"),
    [
        ("POST", "/x/a.b/hello", True),
        ("POST", "/x/a/b/hello", False),
        ("POST", "/x//hello", False),
        ("POST", "/x/a/hello/", False),
        ("POST", "/y/x/a/hello", False),
        ("GET", "/x/a/hello", False),
        ("GET", "/x/rest/a/b.c/", True),
        ("GET", "/x/rest/", False),
        ("POST", "/x/rest/a/b", False),
        ("HEAD", "/x/taken", False),
        ("POST", "/x/a\n/hello", True),
    ],
)
def test_matching(method, path, matches):
    assert (ROUTER.match(method, path) is not None) is matches


async def test_the_body_is_limited_and_the_rest_of_it_read(caplog):
    caller = Caller(app)
    fits = await caller.call("POST", "/x/n/hello", [b"x" * 50_000, b"y" * 50_000])
    assert fits.json() == {"name": "n", "size": 100_000}
    announced = await caller.call("POST", "/x/n/hello", [b"x" * 100_001])
    assert (announced.status, announced.code, announced.headers["connection"]) == (413, "too_large", "close")
    lied = await caller.call("POST", "/x/n/hello", [b"x" * 60_000] * 3, content_length="10")
    assert lied.status == 413


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(hot, "STALL", 0.1)
    answer = await Caller(app).call("POST", "/x/n/hello", b"half", stalls=True)
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "too_slow", "close")
    assert answer.json()["error"]["details"] == {"received": 4}


async def drip(piece: bytes, count: int) -> tuple[int, int]:
    """Send `count` pieces with a pause before each; returns (status, pieces that were taken)."""
    sent: list[int] = []
    out: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.01))])
        sent.append(len(piece))
        return {"type": "http.request", "body": piece, "more_body": len(sent) < count}

    async def send(message: Any) -> None:
        out.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x/n/hello", "headers": []}
    await app(scope, receive, send)
    return out[0]["status"], len(sent)


async def test_a_body_that_drips_is_refused_and_one_that_flows_slowly_is_not(monkeypatch):
    monkeypatch.setattr(hot, "START", 2.0)  # longer than any pause of this process
    status, taken = await drip(b"x", 10_000)
    assert status == 408 and taken < 10_000
    assert await drip(b"x" * 1024, 60) == (200, 60)


async def test_errors_have_the_one_shape_and_no_secret(caplog):
    caller = Caller(app)
    failed = await caller.get("/x/broken")
    assert failed.status == 500 and b"secret" not in failed.body and failed.code == "broken"
    assert "a secret inside" in caplog.text
    later = await caller.get("/x/away")
    assert (later.status, later.code, later.headers["retry-after"]) == (503, "unavailable", "2")
    conflict = await caller.get("/x/taken")
    assert conflict.status == 409
    assert conflict.json() == {
        "error": {"code": "taken", "message": "No.", "hint": None, "details": {"name": "x"}},
    }
    assert conflict.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("bearer", ["zaf_pat_x", "", "Basic abc", "Bearer zaf_ept_" + "a" * 20])
async def test_a_credential_that_is_none(db, bearer):
    answer = await Caller(app, {"authorization": bearer} if bearer else {}).get("/who")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "cookie", ["sessionid=none", "sessionid", 'sessionid="\x01; ;;=', "a=b; sessionid=" + "z" * 9000]
)
async def test_a_session_that_is_none(transactional_db, cookie):
    assert (await Caller(app, {"cookie": cookie}).get("/who")).status == 401


async def test_a_token_is_believed_for_a_moment_only(transactional_db, people: People, monkeypatch):
    from studio.kernel import db
    from workspace.accounts.models import Token
    from workspace.accounts.services import create_token

    credentials.forget()
    _, plain = await db.run(lambda: create_token(actor=people.olga.as_actor(), name="t", days=1))
    caller = Caller(app, {"authorization": f"Bearer {plain}"})
    assert (await caller.get("/who")).json() == {"name": "olga"}
    await db.run(lambda: Token.objects.all().delete())
    deadline = time.monotonic() + 60
    while (await caller.get("/who")).status == 200 and time.monotonic() < deadline:
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.1))])
    assert (await caller.get("/who")).status == 401


async def test_the_memory_of_tokens_is_bounded(transactional_db, people: People, monkeypatch):
    from studio.kernel import db
    from workspace.accounts.services import create_token

    credentials.forget()
    monkeypatch.setattr("studio.kernel.belief._MOST", 2)
    for _ in range(4):
        _, plain = await db.run(lambda: create_token(actor=people.olga.as_actor(), name="t", days=1))
        assert (await Caller(app, {"authorization": f"Bearer {plain}"}).get("/who")).status == 200
    assert len(credentials._known) <= 2


async def test_a_person_who_was_switched_off_is_nobody(transactional_db, people: People, client):
    from studio.kernel import db

    await db.run(lambda: client.force_login(people.olga))
    caller = Caller(app, {"cookie": f"sessionid={client.cookies['sessionid'].value}"})
    assert (await caller.get("/who")).json() == {"name": "olga"}

    def change_password() -> None:
        people.olga.set_password("another long password")
        people.olga.save()

    await db.run(change_password)
    assert (await caller.get("/who")).status == 401
