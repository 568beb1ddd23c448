"""A log that is too long: its beginning and its end are kept, the rest is counted, and everybody is told."""

import base64
import random

import pytest

from runs.lines.span import Span
from runs.logs.models import Log, LogChunk
from runs.logs.tasks import compact_run
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask

TEXT = random.Random(7).randbytes(10_000)
HEAD, TAIL = 1000, 500
NOTE = b"\n[zaffre] %s bytes were left out here: the first 1000 bytes and the last 500 bytes of a log are kept.\n"


@pytest.fixture(autouse=True)
def limits(settings):
    settings.LOG_HEAD_BYTES, settings.LOG_TAIL_BYTES = HEAD, TAIL


async def send(code: Caller, running: Running, *, until: int, start: int = 0, size: int = 90, **headers: str) -> None:
    for at in range(start, until, size):
        answer = await code.patch_log(f"{running.agent}/log", at, TEXT[at : min(at + size, until)], **headers)
        assert (answer.status, answer.headers["x-log-length"]) == (202, str(min(at + size, until)))


async def read(person, running: Running, query: str = ""):
    return await person("rio").get(f"{running.user}/log{query}")


@pytest.mark.parametrize("size", [1, 90, 400, 1000, 1400])
async def test_the_first_and_the_last_bytes_are_kept_and_the_rest_is_counted(running, code, person, size):
    end = 5000 if size > 1 else 1700
    await send(code, running, until=1499 if size == 1 else 0, size=400)
    await send(code, running, start=1499 if size == 1 else 0, until=end, size=size)
    whole = await read(person, running)
    assert whole.body == TEXT[:HEAD] + NOTE % f"{end - 1500:,}".encode() + TEXT[end - TAIL : end]
    told = {"x-log-length": str(end), "x-log-elided": str(end - 1500), "x-log-head": "1000", "x-log-complete": "0"}
    assert {key: whole.headers[key] for key in told} == told
    held = await ask(lambda: sum(LogChunk.objects.values_list("length", flat=True)))
    assert held < HEAD + TAIL + 2 * max(size, 400), "what is left out is deleted"


async def test_a_log_of_exactly_the_limit_is_whole(running, code, person):
    await send(code, running, until=1500)
    whole = await read(person, running)
    assert whole.body == TEXT[:1500] and "x-log-elided" not in whole.headers


async def test_the_sender_is_slowed_down_once_the_beginning_is_full(running, code):
    path = f"{running.agent}/log"
    assert "x-next-in" not in (await code.patch_log(path, 0, TEXT[:1000])).headers
    assert float((await code.patch_log(path, 1000, TEXT[1000:1001])).headers["x-next-in"]) > 0


async def test_a_sender_may_say_that_bytes_are_lost(running, code, person):
    await send(code, running, until=700)
    refused = await code.patch_log(f"{running.agent}/log", 800, TEXT[800:900])
    assert (refused.status, refused.code) == (416, "gap")
    await send(code, running, start=800, until=900, x_log_skip="1")
    assert (await read(person, running)).body == TEXT[:700] + NOTE % b"100" + TEXT[800:900]
    await send(code, running, start=5000, until=5100, x_log_skip="1")
    held = await read(person, running)
    assert held.body == TEXT[:700] + NOTE % b"4,300" + TEXT[5000:5100] and held.headers["x-log-elided"] == "4300"


async def test_a_range_is_read_up_to_the_gap_and_from_after_it(running, code, person):
    await send(code, running, until=5000)
    before = await read(person, running, "?offset=950&limit=200")
    assert (before.body, before.headers["x-log-offset"]) == (TEXT[950:1000], "950")
    for offset in (1000, 3000, 4499, 4500):
        after = await read(person, running, f"?offset={offset}&limit=200")
        assert (after.body, after.headers["x-log-offset"]) == (TEXT[4500:4700], "4500")
    end = await read(person, running, "?tail=100000")
    assert (end.body, end.headers["x-log-offset"]) == (TEXT[4500:5000], "4500")
    assert (await read(person, running, "?tail=10")).body == TEXT[4990:5000]
    assert (await read(person, running, "?offset=2000")).body == TEXT[4500:5000]
    # Over the gap in one answer: 1500 bytes were asked for, and there is one line more.
    assert (await read(person, running, "?offset=900")).body == TEXT[900:1000] + NOTE % b"3,500" + TEXT[4500:5000]


async def test_repeats_of_what_is_left_out_are_accepted_and_others_compared(running, code, person):
    await send(code, running, until=5000)
    path = f"{running.agent}/log"
    for at in (0, 900, 1000, 3000, 4400, 4900):
        answer = await code.patch_log(path, at, TEXT[at : at + 200])
        assert (answer.status, answer.headers["x-log-length"]) == (202, str(max(5000, at + 200)))
    assert (await read(person, running)).body == TEXT[:HEAD] + NOTE % b"3,600" + TEXT[4600:5100]
    for at in (999, 4600):
        other = await code.patch_log(path, at, b"\0" * 20)
        assert (other.status, other.code) == (409, "log_differs")


async def test_completing_a_cut_log_does_not_call_it_complete(running, code, person):
    await send(code, running, until=5000)
    done = await code.post(f"{running.agent}/log/complete", {"length": 5000, "sha256": "0" * 64})
    assert (done.status, done.json()) == (200, {"complete": False})


async def test_compaction_keeps_what_is_held_on_both_sides(running, code, person):
    await send(code, running, until=5000)
    before = (await read(person, running)).body
    await ask(lambda: compact_run(running.id))
    assert await ask(LogChunk.objects.count) == 2
    assert (await read(person, running)).body == before
    await send(code, running, start=5000, until=6000)
    assert (await read(person, running)).body == TEXT[:HEAD] + NOTE % b"4,500" + TEXT[5500:6000]


async def test_a_long_download_with_a_gap_is_streamed(running, code, person, monkeypatch):
    monkeypatch.setattr("runs.logs.queries.MOST", 300)
    monkeypatch.setattr("runs.logs.queries.PIECE", 170)
    await send(code, running, until=5000)
    assert (await read(person, running)).body == TEXT[:HEAD] + NOTE % b"3,500" + TEXT[4500:5000]


async def test_a_watcher_is_told_what_was_left_out(running, code, person, monkeypatch):
    monkeypatch.setattr("runs.watching.LOG_FRAME", 300)
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=0)
        await send(code, running, until=600)
        got, elided, end = b"", 0, 0
        while end < 600:
            frame = await socket.next()
            if frame["t"] == "log":
                got += base64.b64decode(frame["text"])
                end = frame["offset"] + len(base64.b64decode(frame["text"]))
                if end < 600:
                    await socket.send(t="ack")
        # Not acknowledged: the log grows beyond what is kept while this browser looks away.
        await send(code, running, start=600, until=6000)
        await socket.send(t="ack")
        while end < 6000:
            frame = await socket.next()
            if frame["t"] == "log":
                piece = base64.b64decode(frame["text"])
                assert frame["offset"] == end + frame.get("elided", 0)
                elided += frame.get("elided", 0)
                got, end = got + piece, frame["offset"] + len(piece)
                await socket.send(t="ack")
        assert elided + len(got) == 6000
        assert got[:600] == TEXT[:600] and got.endswith(TEXT[5500:6000])


async def test_the_row_says_what_is_held(running, code):
    await send(code, running, until=5000)
    assert (await ask(lambda: Log.objects.get(run_id=running.id))).span == Span(1000, 4500, 5000)
