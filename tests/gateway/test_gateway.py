"""The gateway before real replicas."""

import asyncio
import gzip
import json
import os
import stat
import subprocess
import sys
import tempfile

import pytest

from studio.gateway import table, wire
from studio.gateway.app import app
from tests.gateway.conftest import ECHO, KEY, OTHER_KEY, eventually, frozen
from tests.kernel.asgi import Caller
from tests.serve.test_serve import GOOD

SLOW = "import time\n\ndef init():\n    pass\n\ndef run(data):\n    time.sleep(0.3)\n    return 1\n"
DIES = "import os\n\ndef init():\n    pass\n\ndef run(data):\n    os._exit(1)\n"


async def test_a_request_reaches_the_replica_and_its_answer_comes_back(board, gate, start):
    board.put(start(GOOD).ready())
    door = gate()
    answer = await door.score({"data": [[1, 2]], "ü": "日本"})
    assert answer.status == 200
    assert answer.json()["got"] == {"data": [[1, 2]], "ü": "日本"}
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 36
    assert (await door.score(key=OTHER_KEY)).status == 200
    health = await door.call("GET", "/score/lab/digits/")
    assert (health.status, health.body) == (200, b"Healthy")
    # What the replica refuses is its answer, as it is.
    bad = await door.score(b"{not json")
    assert (bad.status, "not valid JSON" in bad.json()["message"]) == (400, True)
    assert (await door.call("GET", "/score/lab/digits/swagger.json?version=3")).status == 404


@pytest.mark.parametrize("key", ["", "wrong", "zaf_ept_primar", KEY + "x", "ü", "x" * 5000])
async def test_without_its_key_an_endpoint_looks_like_one_that_is_not_there(board, gate, start, key):
    board.put(start(GOOD).ready())
    board.put("unix:/nowhere.sock", name="lab/other", keys=("another",))
    door = gate()
    answers = [
        await door.score(at=at, key=key) for at in ("/score/lab/digits", "/score/lab/nothing", "/score/no/thing")
    ]
    answers.append(await door.score(at="/score/lab/digits/anything", key=key))
    answers.append(await door.call("DELETE", "/score/lab/digits", key=key))
    answers.append(await door.score(at="/score/lab/nothing", key=KEY))
    answers.append(await door.score(at="/score/lab/other", key=KEY))
    assert {one.status for one in answers} == {401}
    assert len({(one.body, str(sorted(one.headers.items()))) for one in answers}) == 1
    assert answers[0].code == "unauthenticated"
    assert answers[0].headers["www-authenticate"] == "Bearer"


async def test_basic_and_doubled_credentials_open_nothing(board, gate, start):
    board.put(start(GOOD).ready())
    caller = Caller(gate().gateway)
    for header in (f"Basic {KEY}", KEY, f"Bearer  {KEY} x", "Bearer", f"bearer {KEY},{OTHER_KEY}"):
        assert (await caller.post("/score/lab/digits", {}, authorization=header)).status == 401
    assert (await caller.post("/score/lab/digits", {}, authorization=f"bearer {KEY}")).status == 200


async def test_only_what_a_replica_offers_can_be_reached(board, gate, start):
    board.put(start(GOOD).ready())
    door = gate()
    assert (await door.call("PUT", "/score/lab/digits")).status == 405
    assert (await door.call("PUT", "/score/lab/digits")).headers["allow"] == "GET, POST"
    assert (await door.call("POST", "/score/lab/digits/swagger.json", b"{}")).status == 405
    for path in ("/score/lab/digits/score", "/score/lab/digits/../x", "/score/lab", "/score/", "/score//digits"):
        assert (await door.call("GET", path)).status == 404, path
    assert (await Caller(door.gateway).get("/healthz")).json() == {"status": "ok"}
    assert (await door.score(at="/score/lab/digits?a=\x7f")).status == 400


async def test_credentials_and_hops_stay_outside_and_cookies_inside(board, gate, start):
    board.put(start(ECHO).ready())
    back = {"Set-Cookie": "sessionid=stolen", "X-Mine": "kept", "Clear-Site-Data": "*", "Content-Type": "text/html"}
    back |= {"Access-Control-Allow-Origin": "*", "Content-Security-Policy": "default-src *"}
    answer = await gate().score(
        {"data": 1},
        at="/score/lab/digits?a=1&b=%20x",
        cookie="sessionid=secret",
        connection="keep-alive, x-hop",
        x_hop="1",
        te="trailers",
        x_forwarded_for="1.2.3.4",
        proxy_authorization="Basic x",
        x_request_id="mine-7",
        x_answer=json.dumps(back),
    )
    seen = answer.json()
    assert seen["body"] == '{"data": 1}'
    assert seen["query"] == {"a": "1", "b": " x"}
    sent = {name.lower(): value for name, value in seen["headers"].items()}
    assert set(sent) == {"host", "content-length", "content-type", "x-request-id", "x-answer"}
    assert "zaf_ept" not in str(seen) and "secret" not in str(seen)
    assert answer.headers["x-mine"] == "kept" and answer.headers["x-request-id"] == "mine-7"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name in ("set-cookie", "clear-site-data", "access-control-allow-origin", "server"):
        assert name not in answer.headers


@pytest.mark.parametrize("pieces", [1, 40])
async def test_a_body_over_the_limit_is_413(board, gate, start, pieces):
    server = start(ECHO).ready()
    board.put(server)
    door = gate()
    fits, too_much = b"x" * (1024 * 1024), b"x" * (1024 * 1024 + 1)
    whole = await door.score(fits)
    assert whole.status == 200 and len(whole.json()["body"]) == len(fits)
    size = -(-len(too_much) // pieces)
    body = [too_much[at : at + size] for at in range(0, len(too_much), size)]
    # Without a length, as a chunked body is sent.
    sent = {"transfer_encoding": "chunked", "content_length": "0"} if pieces > 1 else {}
    answer = await door.call("POST", "/score/lab/digits", body, **sent)
    assert (answer.status, answer.code) == (413, "too_large")
    assert (await door.score()).status == 200


async def test_no_replica_is_503_with_the_reason(board, gate):
    door = gate()
    assert (await door.score()).status == 503  # nothing was published yet
    board.put(note="Deployment 1 failed: init() raised an exception.")
    await door.until(401, key="wrong")
    answer = await door.score()
    assert "init() raised" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"] == "2"
    assert (await door.score(key="wrong")).status == 401


async def test_a_key_made_anew_works_and_the_old_one_is_dead(board, gate, start):
    server = start(GOOD).ready()
    board.put(server)
    door = gate()
    assert (await door.score()).status == 200
    board.put(server, keys=("new", OTHER_KEY))
    await door.until(401)
    assert (await door.score(key="new")).status == 200
    assert (await door.score(key=OTHER_KEY)).status == 200


async def test_a_missed_bell_costs_seconds_only(board, gate, start):
    server = start(GOOD).ready()
    board.put(server)
    door = gate()
    assert (await door.score()).status == 200
    board.endpoints.clear()
    board.publish(bell=False)
    await door.until(401)


async def kill(server) -> None:
    """End a scoring server at once, and let the gateway's loop see its connections end."""
    server.process.kill()
    await asyncio.to_thread(server.process.wait, 30)
    await asyncio.sleep(0.05)


async def test_a_dead_replica_is_passed_over(board, gate, start):
    alive, dead = start(GOOD).ready(), start(GOOD).ready()
    board.put(alive, dead)
    door = gate()
    await asyncio.gather(*[door.score() for _ in range(8)])
    await kill(dead)
    statuses = [(await door.score()).status for _ in range(30)]
    assert statuses == [200] * 30
    await kill(alive)
    answer = await door.score()
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "not_ready", "2")


async def test_a_request_that_died_with_its_replica_is_repeated_only_when_that_does_no_harm(board, gate, start):
    board.put(start(DIES).ready())
    door = gate()
    answer = await door.score()
    assert (answer.status, answer.code) == (502, "replica_lost")
    dying, good = start(DIES).ready(), start(GOOD).ready()
    board.put(dying, good)
    door = gate()
    answers = [await door.score(idempotency_key="once") for _ in range(6)]
    assert [one.status for one in answers] == [200] * 6


async def test_the_least_loaded_replica_is_asked(board, gate, start):
    one, two = start(ECHO).ready(), start(ECHO).ready()
    board.put(one, two)
    door = gate()
    waiting: list[asyncio.Task] = []

    def held() -> bool:
        loads = {up.address: up.outstanding for up in door.gateway._table.upstreams.values()}
        stuck = loads.get(f"unix:{one.socket}", 0)
        if not stuck:
            waiting.append(asyncio.create_task(door.score()))
        # All but the stuck ones are answered: the other replica is idle.
        return stuck > 0 and sum(not task.done() for task in waiting) == stuck

    with frozen(one):
        await eventually(held)  # from now on it has a request that it does not answer
        pids = [(await door.score()).json()["pid"] for _ in range(10)]
        assert set(pids) == {two.process.pid}
    assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}


async def test_a_replica_that_does_not_answer_is_504_and_too_many_requests_are_429(board, gate, start):
    server = start(GOOD).ready()
    board.put(server)
    door = gate(seconds=1.0, queue=3)
    assert (await door.score()).status == 200
    with frozen(server):
        answers = await asyncio.gather(*[door.score() for _ in range(5)])
    assert sorted(one.status for one in answers) == [429, 429, 504, 504, 504]
    refused = next(one for one in answers if one.status == 429)
    assert (refused.code, refused.headers["retry-after"]) == ("too_many", "1")
    assert (await door.until(200)).status == 200


async def test_an_update_loses_no_request(board, gate, start):
    old, new = start(SLOW).ready(), start(SLOW).ready()
    board.put(old)
    door = gate()
    assert (await door.score()).status == 200
    statuses: list[int] = []
    over = asyncio.Event()

    async def client() -> None:
        while not over.is_set():
            statuses.append((await door.score()).status)

    clients = [asyncio.create_task(client()) for _ in range(4)]
    await eventually(lambda: len(statuses) > 6)
    board.put(new)
    await eventually(lambda: len(statuses) > 20)
    over.set()
    await asyncio.gather(*clients)
    assert set(statuses) == {200}


async def test_it_starts_from_its_copy_when_redis_is_away(board, gate, start, nowhere, tmp_path):
    copy = tmp_path / "run" / "routes.json"
    board.put(start(GOOD).ready())
    assert (await gate().score()).status == 200
    await eventually(copy.exists)
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    assert KEY not in copy.read_text()
    later = gate(redis_url=nowhere)
    assert (await later.score()).status == 200
    assert (await later.score(key="wrong")).status == 401


@pytest.mark.parametrize("content", [b"", b"{half", b"[]", b'{"version":"1"}'])
async def test_a_spoilt_copy_is_no_copy(gate, nowhere, tmp_path, content):
    copy = tmp_path / "routes.json"
    copy.write_bytes(content)
    answer = await gate(redis_url=nowhere, copy=copy).score()
    assert (answer.status, answer.code) == (503, "not_ready")


async def test_what_redis_lost_or_spoilt_changes_nothing(board, gate, start):
    board.put(start(GOOD).ready())
    door = gate()
    assert (await door.score()).status == 200
    board.client.delete(wire.ROUTES_KEY)
    board.client.publish(wire.ROUTES_BELL, "x")
    board.client.hset(wire.ROUTES_KEY, mapping={"version": "other", "body": b"{half"})
    board.client.publish(wire.ROUTES_BELL, "other")
    for _ in range(20):
        assert (await door.score()).status == 200
        await asyncio.sleep(0.01)
    board.put("unix:/nowhere.sock")
    await door.until(503)


async def test_nonsense_in_redis_does_not_end_the_listening(board, gate, start):
    board.put(start(GOOD).ready())
    door = gate()
    assert (await door.score()).status == 200
    board.client.hset(wire.ROUTES_KEY, mapping={"version": b"\xff\xfe", "body": b"{}"})
    board.client.publish(wire.ROUTES_BELL, "x")
    for _ in range(20):
        assert (await door.score()).status == 200
        await asyncio.sleep(0.01)
    board.put("unix:/nowhere.sock")  # a revoked key or a new replica must still arrive
    await door.until(503)


async def test_with_and_without_a_lifespan(board, start):
    """The entry that servers use; `app` finds its Redis in the environment, as in production."""
    board.put(start(GOOD).ready())
    caller = Caller(app, {"authorization": f"Bearer {KEY}"})
    assert (await caller.post("/score/lab/digits", {})).status == 200  # no lifespan was sent
    inbox: asyncio.Queue = asyncio.Queue()
    out: asyncio.Queue = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, inbox.get, out.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await out.get())["type"] == "lifespan.startup.complete"
    assert (await caller.post("/score/lab/digits", {})).status == 200
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await out.get())["type"] == "lifespan.shutdown.complete"
    await life


async def test_the_web_process_answers_scoring_too(board, start):
    from studio.asgi import application
    from studio.gateway.app import _gateway

    board.put(start(GOOD).ready())
    caller = Caller(application, {"authorization": f"Bearer {KEY}"})
    assert (await caller.post("/score/lab/digits", {"a": 1})).json()["got"] == {"a": 1}
    assert (await caller.post("/score/lab/other", {})).code == "unauthenticated"
    await _gateway().stop()


def test_it_is_imported_without_django():
    code = (
        "import sys, studio.gateway.app; print([n for n in ('django', 'celery', 'rest_framework') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shares_of_deployments():
    def lane(number: int, weight: int, *replicas: str) -> wire.Deployment:
        return wire.Deployment(number, weight, tuple(wire.Replica(one, f"unix:/{one}") for one in replicas))

    lanes = (lane(1, 80, "a"), lane(2, 20, "b"), lane(3, 0, "c"), lane(4, 50))
    built = table.build(wire.make({"w/e": wire.Endpoint((), lanes)}), table.EMPTY)
    known = built.lanes["w/e"]

    def pick(chance: float, **more: object) -> str:
        found = table.choose(known, now=0.0, chance=lambda: chance, **more)
        return found.id if found else ""

    assert [pick(at) for at in (0.0, 0.79, 0.81, 0.999)] == ["a", "a", "b", "b"]
    a = built.upstreams[("a", "unix:/a")]
    assert pick(0.0, but=a) == "b"
    again = table.build(wire.make({"w/e": wire.Endpoint((), (lane(9, 100, "a"),))}), built)
    assert again.upstreams[("a", "unix:/a")] is a
    assert table.choose(again.lanes["w/e"], now=0.0, but=a) is None


async def serve_raw(path, reply: bytes):
    """A replica that says exactly these bytes to every request, then hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(answer, path)


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="zg-") as folder:
        yield f"{folder}/r.sock"


async def test_a_packed_answer_comes_back_packed(board, gate, place):
    packed = gzip.compress(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    async with await serve_raw(place, head.encode() + packed):
        board.put(f"unix:{place}")
        answer = await gate().score()
    assert (answer.status, answer.body, answer.headers["content-encoding"]) == (200, packed, "gzip")


async def test_a_redirect_is_not_followed_and_an_upgrade_not_made(board, gate, place):
    reply = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    async with await serve_raw(place, reply):
        board.put(f"unix:{place}")
        answer = await gate().score(connection="upgrade", upgrade="websocket")
    assert answer.status == 302


@pytest.mark.parametrize("length", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_half_an_answer_is_not_taken_for_a_whole_one(board, gate, place, length):
    async with await serve_raw(place, f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n5\r\nhalf\n\r\n".encode()):
        board.put(f"unix:{place}")
        gateway = gate().gateway
        sent: list[dict] = []

        async def send(message: dict) -> None:
            sent.append(message)

        async def receive() -> dict:
            return {"type": "http.request", "body": b"", "more_body": False}

        headers = [(b"authorization", f"Bearer {KEY}".encode())]
        scope = {"type": "http", "method": "POST", "path": "/score/lab/digits", "query_string": b"", "headers": headers}
        await gateway(scope, receive, send)
    assert sent[0]["status"] == 200
    assert all(message.get("more_body") for message in sent[1:])  # the server cuts the connection


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"])
async def test_an_answer_that_is_none_is_502(board, gate, place, reply):
    async with await serve_raw(place, reply):
        board.put(f"unix:{place}")
        answer = await gate().score()
    assert (answer.status, answer.code) == (502, "replica_lost")
