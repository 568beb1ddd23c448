"""When and by which stream a log was written: kept beside bytes that stay as they are whatever is said of them."""

import pytest

from runs.logs import marks
from runs.logs.models import LogChunk
from runs.logs.tasks import compact_run
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask

T = 1_764_222_000_000


async def say(code: Caller, running: Running, start: int, data: bytes, told: str | None):
    more = {} if told is None else {"x_log_marks": told}
    answer = await code.patch_log(f"{running.agent}/log", start, data, **more)
    assert answer.status == 202, answer.body
    return answer


async def page(person, running: Running, query: str = ""):
    answer = await person("rio").get(f"{running.user}/log/lines{query}")
    assert answer.status == 200, answer.body
    return answer.json()


async def test_lines_tell_when_and_by_which_stream_before_and_after_compaction(running, code, person):
    await say(code, running, 0, b"one\ntwo\n", f"0.{T}.1 4.5.2")
    await say(code, running, 8, b"three\nfo", f"0.{T + 10}.1")
    await say(code, running, 16, b"ur\n", f"0.{T + 20}.2")
    await say(code, running, 19, b"nobody knows\n", None)
    await say(code, running, 32, b"the node\n", f"0.{T + 90}.0")
    for _ in range(2):
        told = await page(person, running)
        assert told["lines"] == ["one", "two", "three", "four", "nobody knows", "the node"]
        assert told["times"] == [T, T + 5, T + 10, T + 10, 0, T + 90]
        assert told["streams"] == "oeoo--"
        part = await page(person, running, "?line=2&count=2")
        assert (part["times"], part["streams"]) == ([T + 5, T + 10], "eo")
        await ask(lambda: compact_run(running.id))
    chunk = await ask(LogChunk.objects.get)
    assert chunk.time == T
    assert (await person("rio").get(f"{running.user}/log")).body == b"one\ntwo\nthree\nfour\nnobody knows\nthe node\n"


async def test_a_piece_that_is_known_in_part_adds_what_is_said_of_the_rest(running, code, person):
    await say(code, running, 0, b"a\nb\n", f"0.{T}.1")
    await say(code, running, 0, b"a\nb\nc\nd\n", f"0.{T + 1}.1 2.1.2 4.7.1")
    told = await page(person, running)
    assert (told["lines"], told["streams"]) == (["a", "b", "c", "d"], "ooeo")
    assert told["times"] == [T, T, T + 2, T + 9]


@pytest.mark.parametrize(
    "header", ["", "x", "0.1", "0.1.3", "-1.1.1", "0.99999999999999999.1", "9999999.5.1", "0.-5.1", "0.1.1" * 9000]
)
async def test_what_cannot_be_read_is_left_out_and_no_byte_with_it(running, code, person, header):
    await say(code, running, 0, b"bytes are bytes\n", header)
    told = await page(person, running)
    assert told["lines"] == ["bytes are bytes"]
    assert (told["times"], told["streams"]) == ([0], "-")


def test_marks_are_cut_to_what_is_asked_and_joined_by_adding():
    said = [(10, T, 1), (20, T + 1, 2), (30, T + 2, 1)]
    assert marks.within(said, 25, 30) == [(25, T + 1, 2)]
    assert marks.within(said, 5, 15) == [(5, 0, 0), (10, T, 1)]
    assert marks.within(said, 0, 5) == []
    joined = marks.unpack(marks.pack(said[:1]) + marks.pack(said[1:]))
    assert [one.tolist() for one in joined] == [[10, 20, 30], [T, T + 1, T + 2], [1, 2, 1]]
