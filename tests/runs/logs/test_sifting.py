"""Lines of one stream, of a part of the time, and a search in these alone."""

import random

import pytest

from runs.logs import sifting
from runs.logs.tasks import compact_run
from tests.runs.telemetry import ask

T = 1_764_222_000_000


async def asked(person, running, query: str):
    answer = await person("rio").get(f"{running.user}/log/{query}")
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.fixture
async def mixed(running, code):
    """2000 lines, each its own millisecond; every seventh is an error. Pieces end in the middle of lines."""
    dice = random.Random(11)
    data, told = b"", []
    for number in range(1, 2001):
        told.append((len(data), T + number, 2 if number % 7 == 0 else 1))
        data += b"%s %d\n" % (b"error" if number % 7 == 0 else b"step", number)
    at = 0
    while at < len(data):
        size = dice.randrange(50, 900)
        inside = [mark for mark in told if at < mark[0] < at + size]
        first = [mark for mark in told if mark[0] <= at][-1]
        words, offset, time = [], at, 0
        for place, moment, stream in [(at, *first[1:]), *inside]:
            words.append(f"{place - offset}.{moment - time}.{stream}")
            offset, time = place, moment
        answer = await code.patch_log(f"{running.agent}/log", at, data[at : at + size], x_log_marks=" ".join(words))
        assert answer.status == 202
        at += len(data[at : at + size])
    return running


@pytest.mark.parametrize("joined", [False, True])
async def test_lines_of_a_stream_forwards_and_backwards(mixed, person, joined):
    if joined:
        await ask(lambda: compact_run(mixed.id))
    wanted = list(range(7, 2001, 7))
    forwards, line = [], 1
    while line:
        told = await asked(person, mixed, f"lines?stream=err&line={line}&count=60")
        assert told["lines"] == [f"error {number}" for number in told["numbers"]]
        assert told["times"] == [T + number for number in told["numbers"]]
        assert set(told["streams"]) <= {"e"} and told["total"] == 2000
        forwards += told["numbers"]
        line = told["next"]
    assert forwards == wanted
    backwards, query = [], ""
    while True:
        told = await asked(person, mixed, f"lines?stream=err&count=60{query}")
        backwards = told["numbers"] + backwards
        if told["previous"] is None:
            break
        query = f"&before={told['previous']}"
    assert backwards == wanted


async def test_lines_of_a_part_of_the_time(mixed, person):
    told = await asked(person, mixed, f"lines?since={T + 500}&until={T + 510}")
    assert told["numbers"] == list(range(500, 511))
    told = await asked(person, mixed, f"lines?since={T + 500}&until={T + 510}&stream=err&line=1")
    assert (told["numbers"], told["lines"]) == ([504], ["error 504"])
    assert (await asked(person, mixed, f"lines?since={T + 9000}"))["numbers"] == []


async def test_a_look_that_takes_too_long_says_where_to_go_on(mixed, person, monkeypatch):
    monkeypatch.setattr(sifting, "SECONDS", 0.0)
    found, line, looks = [], 1, 0
    while line:
        told = await asked(person, mixed, f"lines?stream=err&line={line}")
        found, line, looks = found + told["numbers"], told["next"], looks + 1
    assert found == list(range(7, 2001, 7)) and looks > 5
    found, query = [], ""
    while True:
        told = await asked(person, mixed, f"lines?stream=err{query}")
        found = told["numbers"] + found
        if told["previous"] is None:
            break
        query = f"&before={told['previous']}"
    assert found == list(range(7, 2001, 7))


@pytest.mark.parametrize("piece", [4 * 1024 * 1024, 997])
async def test_a_search_in_one_stream_counts_its_lines_alone(mixed, person, monkeypatch, piece):
    monkeypatch.setattr("runs.lines.searching.PIECE", piece)
    told = await asked(person, mixed, "search?q=error&stream=err&limit=500")
    assert (told["count"], [hit["line"] for hit in told["hits"]]) == (285, list(range(7, 2001, 7)))
    assert (await asked(person, mixed, "search?q=error&stream=out"))["count"] == 0
    told = await asked(person, mixed, f"search?q=^&regex=1&since={T + 10}&until={T + 19}")
    assert [hit["line"] for hit in told["hits"]] == list(range(10, 20))
    told = await asked(person, mixed, "search?q=1&stream=err&line=1500&limit=1")
    assert (told["hits"][0]["line"], told["next"]) == (1505, 1512)


async def test_lines_whose_stream_nobody_told_are_in_neither(running, code, person):
    await code.patch_log(f"{running.agent}/log", 0, b"nobody knows\n")
    for query in ("stream=out", "stream=err", "since=1"):
        assert (await asked(person, running, f"lines?{query}"))["lines"] == []
        assert (await asked(person, running, f"search?q=knows&{query}"))["count"] == 0


async def test_a_line_over_several_pieces_and_a_long_one(running, code, person):
    text = b"o" * 300 + b"\n" + b"e" * 200_000 + b"\nend"
    await code.patch_log(f"{running.agent}/log", 0, text, x_log_marks=f"0.{T}.1 301.1.2 200001.1.1")
    told = await asked(person, running, "lines?stream=err")
    assert told["numbers"] == [2] and told["lines"] == ["e" * 20_000] and told["cut"]["0"] > 0
    told = await asked(person, running, "lines?stream=out")
    assert (told["numbers"], told["lines"][1], told["open"]) == ([1, 3], "end", True)


@pytest.mark.parametrize(("name", "status"), [("rio", 200), ("mallory", 404), ("ada", 403), (None, 401)])
async def test_who_may_sift(running, person, name, status):
    assert (await person(name).get(f"{running.user}/log/lines?stream=err")).status == status


async def test_a_stream_that_there_is_not_is_refused(running, person):
    answer = await person("rio").get(f"{running.user}/log/lines?stream=stdwhat")
    assert (answer.status, answer.code) == (422, "bad_stream")
