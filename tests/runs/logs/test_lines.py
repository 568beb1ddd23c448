"""A log by the numbers of its lines, and searched as a whole."""

import asyncio
import time
from functools import partial
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.lines import matching, searching, windows
from runs.logs import lines as reading
from runs.logs.models import Log, LogChunk
from runs.logs.tasks import compact_run
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask


async def write(code: Caller, running: Running, data: bytes, *, start: int = 0, size: int = 200_000) -> None:
    for at in range(0, len(data), size):
        answer = await code.patch_log(f"{running.agent}/log", start + at, data[at : at + size])
        assert answer.status == 202


async def page(person, running: Running, query: str = "", who: str = "rio"):
    answer = await person(who).get(f"{running.user}/log/lines{query}")
    assert answer.status == 200, answer.body
    return answer.json()


async def found(person, running: Running, query: str):
    answer = await person("rio").get(f"{running.user}/log/search?{query}")
    assert answer.status == 200, answer.body
    return answer.json()


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last + 1))


async def test_lines_have_the_numbers_of_the_whole_log_before_and_after_compaction(running, code, person):
    await write(code, running, numbered(1, 5000) + b"no end", size=777)
    for _ in range(2):
        end = await page(person, running, "?count=3")
        assert (end["first"], end["lines"], end["open"]) == (4999, ["line 4999", "line 5000", "no end"], True)
        assert end["total"] == 5001 and end["end"] == end["length"] and end["resume"] == end["length"] - 6
        for number in (1, 2, 99, 1234, 5000):
            told = await page(person, running, f"?line={number}&count=2")
            assert told["first"] == number and told["lines"][0] == f"line {number}"
        assert (await page(person, running, "?line=5001"))["lines"] == ["no end"]
        assert (await page(person, running, "?line=999999999"))["first"] == 5001
        await ask(lambda: compact_run(running.id))
    assert await ask(LogChunk.objects.count) == 1


async def test_an_empty_log_and_one_of_one_line(running, code, person):
    assert (await page(person, running))["lines"] == []
    await write(code, running, b"x")
    assert [(await page(person, running, query))["lines"] for query in ("", "?line=1", "?line=7")] == [["x"]] * 3
    await write(code, running, b"\n", start=1)
    told = await page(person, running)
    assert (told["lines"], told["open"], told["total"]) == (["x"], False, 1)
    assert (await page(person, running, "?line=2"))["lines"] == []


async def test_a_progress_bar_shows_its_last_state_and_a_giant_line_is_cut(running, code, person):
    bar = b"".join(b"\r%3d %% of it" % done for done in range(101))
    await write(code, running, bar + b"\r\n" + b"ab" * 400_000 + b"\nafter\n" + bar * 800)
    told = await page(person, running, "?line=1&count=2")
    assert told["lines"] == ["100 % of it"]
    giant = await page(person, running, "?line=2&count=5")
    assert len(giant["lines"]) == 1 and giant["lines"][0] == "ab" * 10_000 and giant["cut"] == {"0": 780_001}
    assert (await page(person, running, "?line=3&count=1"))["lines"] == ["after"]
    assert (await page(person, running, "?line=4"))["lines"] == ["100 % of it"]
    assert (await page(person, running))["lines"][-1] == "100 % of it"


async def test_numbers_count_what_is_left_out(running, code, person, settings):
    settings.LOG_HEAD_BYTES, settings.LOG_TAIL_BYTES = 1003, 500
    await write(code, running, numbered(1, 3000), size=90)
    end = await page(person, running, "?count=5")
    assert end["lines"] == [f"line {number}" for number in range(2996, 3001)] and end["first"] == 2996
    gap = end["gap"]
    assert gap["counted"] and gap["size"] > 20_000
    before = await page(person, running, f"?line={gap['line']}")
    assert before["first"] == gap["line"] and len(before["lines"]) == 1
    assert f"line {gap['line']}".startswith(before["lines"][0])
    behind = await page(person, running, "?line=1500&count=2")
    assert behind["first"] == gap["next"] and behind["lines"][1] == f"line {gap['next'] + 1}"
    hits = await found(person, running, "q=line+3000")
    assert [hit["line"] for hit in hits["hits"]] == [3000]
    assert [hit["line"] for hit in (await found(person, running, "q=line+5&limit=500"))["hits"]][:2] == [5, 50]


async def test_lines_that_never_came_are_said_to_be_uncounted(running, code, person):
    await write(code, running, b"one\ntwo\n")
    await code.patch_log(f"{running.agent}/log", 100, b"later\n", x_log_skip="1")
    told = await page(person, running)
    assert told["gap"] == {"line": 3, "next": 3, "size": 92, "counted": False}
    assert (told["first"], told["lines"]) == (3, ["later"])


async def test_a_log_from_before_lines_were_counted(running, code, person):
    await write(code, running, numbered(1, 300), size=70)
    await ask(lambda: (LogChunk.objects.update(first_line=None), Log.objects.update(newlines=None)))
    await write(code, running, numbered(301, 310), start=len(numbered(1, 300)))
    assert (await page(person, running, "?line=200&count=1"))["lines"] == ["line 200"]
    assert (await page(person, running, "?count=1"))["first"] == 310
    assert await ask(lambda: Log.objects.get().newlines) == 310


@pytest.mark.parametrize("name", ["mallory", None])
async def test_strangers_see_no_lines_and_find_nothing(running, code, person, name):
    await write(code, running, b"secret\n")
    for path in ("lines", "search?q=secret"):
        answer = await person(name).get(f"{running.user}/log/{path}")
        assert answer.status == (404 if name else 401) and b"secret" not in answer.body


async def test_reading_lines_takes_few_statements(running, code):
    await write(code, running, numbered(1, 5000), size=500)

    def read() -> int:
        with CaptureQueriesContext(connection) as asked:
            windows.forward(log, *log.place_of(2500), 500)
        return len(asked)

    log = reading.LogText(await ask(Log.objects.get))
    assert await ask(read) <= 3


# --- searching --------------------------------------------------------------------------------------------------------


async def test_a_search_finds_every_line_and_says_where(running, code, person):
    text = numbered(1, 2000) + b"A \x1b[31mNeedle\x1b[0m in \xff\xfe here\n" + numbered(2002, 2500)
    await write(code, running, text, size=333)
    hit = (await found(person, running, "q=needle"))["hits"][0]
    assert hit["line"] == 2001 and hit["text"][hit["start"] : hit["end"]] == "Needle"
    assert (await found(person, running, "q=needle&case=1"))["count"] == 0
    assert (await found(person, running, f"q={quote('^line 1[0-9]{3}$')}&regex=1"))["count"] == 1000
    told = await found(person, running, "q=line&limit=10")
    assert (told["count"], told["whole"], len(told["hits"]), told["next"]) == (2499, True, 10, 11)
    more = await found(person, running, f"q=line&limit=10&line={told['next']}")
    assert [one["line"] for one in more["hits"]] == list(range(11, 21))
    assert (await found(person, running, "q=line+2500\n"))["count"] == 0


async def test_what_stands_around_a_hit_is_short_and_a_line_counts_once(running, code, person):
    await write(code, running, b"x" * 300_000 + b"needle" + b"y" * 300_000 + b" needle\nneedle\n")
    told = await found(person, running, "q=needle")
    assert [hit["line"] for hit in told["hits"]] == [1, 2] and told["count"] == 2
    assert len(told["hits"][0]["text"]) < 300


async def test_the_first_error(running, code, person):
    log = b"loss error 0.3\n0 errors\nstarting\nTraceback (most recent call last):\n  File\nValueError: no\n"
    await write(code, running, log)
    assert [hit["line"] for hit in (await found(person, running, "preset=error&limit=1"))["hits"]] == [4]


@pytest.mark.parametrize(
    "query",
    ["q=", f"q={'x' * 1001}", f"q={quote('(a')}&regex=1", f"q={quote('(?=a)')}&regex=1", "preset=other", "q=a&line=0"],
)
async def test_a_search_that_cannot_be_is_refused_with_the_reason(running, code, person, query):
    await write(code, running, b"a\n")
    answer = await person("rio").get(f"{running.user}/log/search?{query}")
    assert answer.status == 422 and answer.json()["error"]["message"]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*=(.*)*x", "(a?){60}a{60}", "a{1000}{1000}"])
async def test_a_hostile_expression_ends_soon(running, code, person, pattern):
    await write(code, running, (b"a" * 2000 + b"!\n") * 100)
    answer = await person("rio").get(f"{running.user}/log/search?q={quote(pattern)}&regex=1")
    assert answer.status in {200, 422}


async def test_a_search_ends_when_nobody_waits_and_after_its_time(running, code, person, monkeypatch):
    await write(code, running, numbered(1, 60_000))
    monkeypatch.setattr(searching, "PIECE", 10_000)
    slow, looked = matching.look_through, []

    def waits(found, pieces, *args, **more):
        def each():
            for piece in pieces:
                looked.append(1)
                time.sleep(0.02)
                yield piece

        return slow(found, each(), *args, **more)

    monkeypatch.setattr(searching, "look_through", waits)
    await person("rio").call("GET", f"{running.user}/log/search?q=nothing", gone_after=0.1)
    assert 0 < len(looked) < 50
    monkeypatch.setattr(searching, "SECONDS", 0.1)
    told = await found(person, running, "q=nothing")
    assert told["whole"] is False
    # The next search goes on where this one ended.
    monkeypatch.setattr(searching, "look_through", slow)
    monkeypatch.setattr(searching, "SECONDS", 60.0)
    assert 1 < told["next"] < 60_000
    more = await found(person, running, f"q=line&line={told['next']}&limit=1")
    assert (more["count"], more["whole"]) == (60_001 - told["next"], True)


async def test_too_many_searches_are_told_to_come_again(running, code, person, monkeypatch):
    await write(code, running, b"a\n")
    places = searching.TURNS.places
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    try:
        answer = await person("rio").get(f"{running.user}/log/search?q=a")
        assert answer.status == 503
    finally:
        for _ in range(taken):
            places.release()
    assert taken == searching.THREADS + searching.WAITING


async def test_other_answers_are_not_kept_waiting_by_a_search(running, code, person):
    await write(code, running, numbered(1, 200_000))
    search = partial(found, person, running, f"q={quote('(x|y)z.*0$')}&regex=1")
    told, *others = await asyncio.gather(search(), *(page(person, running, "?count=1") for _ in range(10)))
    assert told["whole"] and all(one["first"] == 200_000 for one in others)
