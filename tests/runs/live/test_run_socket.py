"""A run page's socket: what it shows joins to what is stored, whatever is cut or lost in between."""

import asyncio
import base64
import random
import uuid
from contextlib import AsyncExitStack

import pytest

from runs import consumers, watching
from runs.logs import services as logs
from runs.metrics import services as metrics
from runs.models import Experiment, Run
from studio.kernel import events, live
from studio.kernel.actors import Actor
from tests.kernel.asgi import PATIENCE, Caller, Socket
from tests.runs.telemetry import Running, ask


@pytest.fixture(autouse=True)
async def quiet_hub():
    yield
    await live.hub().stop()


async def log_points(code: Caller, running: Running, *points: list) -> None:
    answer = await code.post(f"{running.agent}/metrics", {"batch": str(uuid.uuid4()), "points": list(points)})
    assert answer.status == 200, answer.body


class Watched:
    """What a page would hold: points by key and log bytes, checked for gaps as they come."""

    def __init__(self) -> None:
        self.seq = 0
        self.points: dict[str, list[tuple[int, float]]] = {}
        self.log = bytearray()

    async def take(self, socket: Socket) -> dict:
        frame = await socket.next()
        if frame["t"] == "points":
            assert frame["prev"] == self.seq, "a gap or a repeat"
            self.seq = frame["seq"]
            for key, (steps, values, times) in frame["data"].items():
                assert len(steps) == len(values) == len(times)
                self.points.setdefault(key, []).extend(zip(steps, values, strict=True))
        elif frame["t"] == "log":
            data = base64.b64decode(frame["text"])
            assert len(frame["text"]) <= 64 * 1024
            assert frame["offset"] == len(self.log), "a gap or a repeat"
            self.log += data
            await socket.send(t="ack")
        return frame

    async def until(self, socket: Socket, done) -> None:
        async with asyncio.timeout(PATIENCE):
            while not done():
                assert (await self.take(socket))["t"] != "closed"


async def test_run_points_and_log_appear_as_they_come(running, code: Caller, person):
    page = Watched()
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        first = await socket.until("run")
        assert (first["run"]["id"], first["run"]["status"]) == (running.id, "running")
        await log_points(code, running, ["loss", 0.5, 1, 1], ["loss", "Infinity", 2, 1])
        await code.patch_log(f"{running.agent}/log", 0, b"epoch 1\n")
        await page.until(socket, lambda: page.log and page.points)
        assert page.points == {"loss": [(1, 0.5), (2, "Infinity")]}
        assert bytes(page.log) == b"epoch 1\n"

        def end() -> None:
            running.change(status="completed")
            events.ring(f"run.{running.id}", b'{"t":"run"}')

        await ask(end)
        assert (await socket.until("run"))["run"]["status"] == "completed"


async def test_a_watcher_cut_many_times_misses_nothing(running, code: Caller, person):
    page = Watched()
    text = random.Random(7).randbytes(300_000)
    step = 0
    sent = 0
    for _ in range(6):
        async with person("rio").socket(running.ws) as socket:
            await socket.send(t="hello", seq=page.seq, log=len(page.log))
            for _ in range(3):
                step += 1
                await log_points(code, running, ["a", step, step, 1], ["b", -step, step, 1])
                piece = text[sent : sent + 13_000]
                await code.patch_log(f"{running.agent}/log", sent, piece)
                sent += len(piece)
            seen = len(page.log)
            await page.until(socket, lambda seen=seen: len(page.log) > seen)
        # Written while nobody watches.
        step += 1
        await log_points(code, running, ["a", step, step, 1], ["b", -step, step, 1])
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=page.seq, log=len(page.log))
        await page.until(socket, lambda: len(page.log) == sent and len(page.points.get("a", [])) == step)
    assert bytes(page.log) == text[:sent]
    assert page.points == {
        "a": [(at, at) for at in range(1, step + 1)],
        "b": [(at, -at) for at in range(1, step + 1)],
    }


async def test_a_frame_of_the_log_tells_when_and_by_which_stream_it_was_written(running, code: Caller, person):
    await code.patch_log(f"{running.agent}/log", 0, b"out\nerr\n", x_log_marks="0.1764222000000.1 4.5.2")
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=2)
        frame = await socket.until("log")
    assert (frame["offset"], frame["marks"]) == (2, [[0, 1764222000000, 1], [2, 1764222000005, 2]])


async def test_who_comes_back_after_much_was_written_and_joined_gets_the_rest_once(running, code: Caller, person):
    page = Watched()
    text = random.Random(8).randbytes(700_000)
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        await log_points(code, running, *(["a", at, at, 1] for at in range(10)))
        await code.patch_log(f"{running.agent}/log", 0, text[:1000])
        await page.until(socket, lambda: len(page.log) == 1000 and len(page.points.get("a", [])) == 10)
    # An hour, in which the background joins what was there with what is new.
    for at in range(10, 2010, 100):
        await log_points(code, running, *(["a", step, step, 1] for step in range(at, at + 100)))
    for at in range(1000, len(text), 100_000):
        await code.patch_log(f"{running.agent}/log", at, text[at : at + 100_000])
    system = Actor(kind="system")
    assert await ask(lambda: metrics.merge_run(running.id, actor=system)) > 0
    assert await ask(lambda: logs.compact_run(running.id, actor=system)) > 0
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=page.seq, log=len(page.log))
        await page.until(socket, lambda: len(page.log) == len(text) and len(page.points["a"]) >= 2010)
    assert bytes(page.log) == text
    assert page.points == {"a": [(at, at) for at in range(2010)]}


async def test_a_lost_bell_costs_time_only(running, code: Caller, person, monkeypatch):
    monkeypatch.setattr(consumers, "RECHECK", 0.5)
    monkeypatch.setattr(consumers, "SWEEP", 0.5)
    page = Watched()
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        await socket.until("run")
        for service in ("metrics", "logs"):
            monkeypatch.setattr(f"runs.{service}.services.ring_soon", lambda topic, kind, frame: None)
        await log_points(code, running, ["a", 1, 1, 1])
        await code.patch_log(f"{running.agent}/log", 0, b"silent\n")
        await page.until(socket, lambda: page.points and page.log)
    assert (page.points, bytes(page.log)) == ({"a": [(1, 1)]}, b"silent\n")


async def test_frames_out_of_order_and_repeated_are_put_right(running, code: Caller, person, monkeypatch):
    held: list[tuple[str, bytes]] = []
    monkeypatch.setattr("runs.metrics.services.ring_soon", lambda topic, kind, frame: held.append((topic, frame())))
    page = Watched()
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=-1)
        await socket.until("run")
        for step in range(4):
            await log_points(code, running, ["a", step, step, 1])

        def shuffled() -> None:
            for at in (2, 0, 2, 3, 1):
                events.ring(*held[at])

        await ask(shuffled)
        await page.until(socket, lambda: len(page.points.get("a", [])) == 4)
    assert page.points == {"a": [(step, step) for step in range(4)]}


async def test_after_redis_was_away_the_socket_catches_up(running, code: Caller, person, monkeypatch):
    import redis.asyncio
    from django.conf import settings

    # Neither may help: it is the hub that has to notice.
    monkeypatch.setattr(consumers, "SWEEP", 3600)
    monkeypatch.setattr(consumers, "RECHECK", 3600)
    page = Watched()
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        await socket.until("run")
        for service in ("metrics", "logs"):
            monkeypatch.setattr(f"runs.{service}.services.ring_soon", lambda topic, kind, frame: None)
        await log_points(code, running, ["a", 1, 1, 1])
        killer = redis.asyncio.from_url(settings.REDIS_URL)
        await killer.client_kill_filter(_type="pubsub")
        await killer.aclose()
        await page.until(socket, lambda: bool(page.points))
    assert page.points == {"a": [(1, 1)]}


async def test_more_points_than_a_frame_bears_are_not_told_one_by_one(running, code: Caller, person, monkeypatch):
    monkeypatch.setattr(consumers, "MAX_POINTS", 50)
    await log_points(code, running, *(["a", step, step, 1] for step in range(60)))
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=-1)
        assert (await socket.until("behind"))["t"] == "behind"
        await log_points(code, running, ["a", 60, 60, 1])
        frame = await socket.until("points")
        assert frame["data"]["a"][0] == [60]


async def test_a_new_attempt_begins_its_log_anew(running, code: Caller, person):
    await code.patch_log(f"{running.agent}/log", 0, b"first attempt")
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        assert (await socket.until("log"))["attempt"] == 1

        def retried() -> None:
            running.change(attempt_no=2, status="starting")
            events.ring(f"run.{running.id}", b'{"t":"run"}')

        await ask(retried)
        frame = await socket.until("log")
        assert (frame["attempt"], frame["offset"], frame["length"]) == (2, 0, 0)


async def test_an_idle_socket_lives_longer_than_redis_patience(running, person, monkeypatch):
    # A client library that gives up a quiet connection after 5 s would end this socket before the beat.
    monkeypatch.setattr(consumers, "BEAT", 6.5)
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        assert (await socket.until("beat"))["t"] == "beat"
        await ask(lambda: events.ring(f"run.{running.id}", b'{"t":"run"}'))
        await ask(lambda: Run.objects.filter(pk=running.id).update(tags={"seen": "yes"}))
        await ask(lambda: events.ring(f"run.{running.id}", b'{"t":"run"}'))
        assert (await socket.until("run"))["run"]["tags"] == {"seen": "yes"}


@pytest.mark.parametrize(("name", "code"), [("mallory", 4404), ("ada", 4403), (None, 4401)])
@pytest.mark.parametrize("feed", [False, True])
async def test_who_may_not_watch(running, person, name, code, feed):
    path = "/ws/w/lab/feed" if feed else running.ws
    async with person(name).socket(path) as socket:
        assert (await socket.next()) == {"t": "closed", "code": code}


async def test_a_run_that_is_not_there_and_a_path_that_is_not_there(running, person):
    async with person("olga").socket("/ws/w/lab/runs/00000000000000000000000000") as socket:
        assert (await socket.next())["code"] == 4404
    async with person("olga").socket("/ws/elsewhere") as socket:
        assert socket.closed == 4404


async def test_another_sites_page_cannot_open_a_socket(running, person):
    async with person("rio").socket(running.ws, origin="http://evil.example") as socket:
        assert socket.closed is not None


async def test_a_token_watches_without_a_browser(running, app, people):
    from workspace.accounts.services import create_token

    _, plain = await ask(lambda: create_token(actor=people.actor("rio"), name="t", days=1))
    caller = Caller(app, {"authorization": f"Bearer {plain}"})
    async with caller.socket(running.ws, origin="") as socket:
        await socket.send(t="hello", seq=0, log=0)
        assert (await socket.until("run"))["run"]["id"] == running.id


async def test_who_loses_the_right_loses_the_socket(running, person, people, monkeypatch):
    from workspace.models import Membership

    monkeypatch.setattr(consumers, "RECHECK", 0.5)
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        await socket.until("run")
        await ask(lambda: Membership.objects.filter(user=people.rio).delete())
        assert (await socket.until("closed")) == {"t": "closed", "code": 4404}


async def test_the_feed_tells_what_changed(running, person):
    async with person("rio").socket("/ws/w/lab/feed") as socket, asyncio.timeout(PATIENCE):
        heard = asyncio.create_task(socket.until("fact"))
        while not heard.done():  # until the feed has joined its topic
            await ask(lambda: events.ring("runs.lab", b'{"run":{"id":"r1","status":"failed"}}'))
            await asyncio.wait([heard], timeout=0.2)
        assert heard.result() == {"t": "fact", "topic": "runs", "run": {"id": "r1", "status": "failed"}}


async def test_a_client_that_never_acknowledges_still_gets_all(running, code: Caller, person, monkeypatch):
    monkeypatch.setattr(consumers, "ACK", 0.2)
    text = random.Random(8).randbytes(200_000)
    await code.patch_log(f"{running.agent}/log", 0, text)
    got = b""
    async with person("rio").socket(running.ws) as socket, asyncio.timeout(PATIENCE):
        await socket.send(t="hello", seq=0, log=0)
        while len(got) < len(text):
            frame = await socket.next()
            if frame["t"] == "log":
                assert frame["offset"] == len(got)
                got += base64.b64decode(frame["text"])
    assert got == text


async def test_a_watcher_of_the_end_begins_near_the_end(running, code: Caller, person):
    text = random.Random(9).randbytes(200_000)
    await code.patch_log(f"{running.agent}/log", 0, text)
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=-1)
        frame = await socket.until("log")
        assert frame["length"] == len(text) and frame["offset"] >= len(text) - 64 * 1024
        start = frame["offset"]
        assert text[start:].startswith(base64.b64decode(frame["text"]))


async def test_many_waiting_frames_become_one(running, code: Caller, person, monkeypatch):
    held: list[tuple[str, bytes]] = []
    monkeypatch.setattr("runs.metrics.services.ring_soon", lambda topic, kind, frame: held.append((topic, frame())))
    await log_points(code, running, ["a", 0, 0, 1])
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=-1)
        await socket.until("points")  # its first look is over: what follows comes by frames only
        held.clear()
        for step in range(1, 20):
            await log_points(code, running, ["a", step, step, 1])
        hub = live.hub()
        (subscriber,) = hub._topics[f"run.{running.id}"]
        subscriber.at_once = None  # as for a browser that takes nothing
        for topic, frame in held:  # all at once, as one that was busy finds them
            subscriber.offer(topic, frame)
        frame = await socket.until("points")
        assert frame["data"]["a"][0] == list(range(1, 20))


async def test_many_sockets_ask_the_database_once(running, code: Caller, person, monkeypatch):
    asked: list[int] = []
    look = watching.look
    monkeypatch.setattr(watching, "look", lambda *names, **more: asked.append(1) or look(*names, **more))
    async with AsyncExitStack() as open_ones:
        sockets = [await open_ones.enter_async_context(person("rio").socket(running.ws)) for _ in range(10)]
        for socket in sockets:
            await socket.send(t="hello", seq=0, log=0)
            await socket.until("items")
        asked.clear()

        def end() -> None:
            running.change(status="completed")
            events.ring(f"run.{running.id}", b'{"t":"run"}')

        await ask(end)
        for socket in sockets:
            assert (await socket.until("run"))["run"]["status"] == "completed"
    assert len(asked) < len(sockets)


@pytest.mark.parametrize("feed", [False, True])
async def test_code_watches_its_own_run_only(running, code: Caller, feed):
    async with code.socket("/ws/w/lab/feed" if feed else running.ws, origin="") as socket:
        if feed:
            assert (await socket.until("closed")) == {"t": "closed", "code": 4403}
        else:
            await socket.send(t="hello", seq=0, log=0)
            assert (await socket.until("run"))["run"]["id"] == running.id


async def test_a_watcher_that_goes_while_it_joins_is_forgotten(monkeypatch):
    hub = live.Hub()
    monkeypatch.setattr(hub, "start", lambda: None)  # as while Redis is away
    joining = asyncio.create_task(hub.subscribe(["run.x"], patience=60))
    await asyncio.sleep(0)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert not any(hub._topics.values())


async def test_items_ring_and_are_read_elsewhere(running, code: Caller, person):
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        item = {"key": "who", "kind": "text", "value": "x" * 5000}
        body = {"batch": str(uuid.uuid4()), "items": [item]}
        assert (await code.post(f"{running.agent}/metrics", body)).status == 200
        async with asyncio.timeout(PATIENCE):
            while (frame := await socket.next())["t"] != "items":
                assert frame["t"] != "closed"
        assert frame == {"t": "items"}
    told = (await person("rio").get(f"{running.user}/items")).json()["items"]
    assert [one["value"] for one in told] == ["x" * 5000]


async def test_a_run_that_begins_below_is_told_of(running, code: Caller, person):
    await ask(lambda: Experiment.objects.update(run_counter=1))
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=-1)
        await socket.until("run")
        answer = await code.post(f"{running.agent}/children", {"children": [{"name": "fold 1"}]})
        assert answer.status == 201, answer.body
        await socket.until("children")
