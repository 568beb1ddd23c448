"""The log protocol: bytes are bytes, repeats are harmless, gaps and other bytes are refused."""

import asyncio
import base64
import hashlib
import random

import pytest

from runs.logs.models import Log, LogChunk
from runs.logs.tasks import compact_run
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask

HOSTILE = b"\xff\xfe\x00\r\n\x1b[31mred\x1b[0m \xe3\x81 cut" + bytes(range(256)) * 40 + b"x" * 100_000 + b"no newline"


async def stored(person, running: Running, query: str = "") -> bytes:
    answer = await person("rio").get(f"{running.user}/log{query}")
    assert answer.status == 200, answer.body
    return answer.body


async def test_bytes_come_back_as_they_were_written(running, code: Caller, person):
    at = 0
    while at < len(HOSTILE):
        piece = HOSTILE[at : at + 4093]
        answer = await code.patch_log(f"{running.agent}/log", at, piece)
        assert (answer.status, answer.headers["range"]) == (202, f"0-{at + len(piece) - 1}")
        at += len(piece)
    whole = await person("rio").get(f"{running.user}/log")
    assert whole.body == HOSTILE
    assert (whole.headers["x-log-length"], whole.headers["x-log-offset"]) == (str(len(HOSTILE)), "0")
    assert (whole.headers["x-run-status"], whole.headers["x-log-complete"]) == ("running", "0")
    assert await stored(person, running, "?offset=5000&limit=9000") == HOSTILE[5000:14000]
    assert await stored(person, running, "?tail=77") == HOSTILE[-77:]
    assert await stored(person, running, f"?offset={len(HOSTILE) + 9}") == b""


async def test_a_run_without_output_has_an_empty_log(running, person):
    answer = await person("rio").get(f"{running.user}/log")
    assert (answer.status, answer.body, answer.headers["x-log-length"]) == (200, b"", "0")


async def test_a_repeat_is_accepted_and_changes_nothing(running, code: Caller, person):
    path = f"{running.agent}/log"
    for _ in range(3):
        answer = await code.patch_log(path, 0, b"hello ")
        assert (answer.status, answer.headers["range"], answer.headers["x-log-length"]) == (202, "0-5", "6")
    # A piece that begins inside what is held adds its new end only.
    assert (await code.patch_log(path, 3, b"lo world")).headers["x-log-length"] == "11"
    assert (await code.patch_log(path, 0, b"he")).headers["range"] == "0-10"
    assert await stored(person, running) == b"hello world"


async def test_a_gap_is_answered_with_what_is_held(running, code: Caller, person):
    first = await code.patch_log(f"{running.agent}/log", 10, b"later")
    assert (first.status, first.code, first.headers["x-log-length"]) == (416, "gap", "0")
    assert "range" not in first.headers
    await code.patch_log(f"{running.agent}/log", 0, b"01234")
    second = await code.patch_log(f"{running.agent}/log", 10, b"later")
    assert (second.status, second.headers["range"]) == (416, "0-4")
    assert await stored(person, running) == b"01234"


async def test_other_bytes_at_a_known_offset_are_refused(running, code: Caller, person):
    await code.patch_log(f"{running.agent}/log", 0, b"one two")
    answer = await code.patch_log(f"{running.agent}/log", 4, b"TWO three")
    assert (answer.status, answer.code, answer.headers["range"]) == (409, "log_differs", "0-6")
    assert await stored(person, running) == b"one two"


@pytest.mark.parametrize("header", ["", "bytes 0-/*", "bytes 3-1/*", "bytes 0-5/*", "lines 0-3/*", "bytes -1-3/*"])
async def test_a_malformed_range_is_refused(running, code: Caller, person, header):
    answer = await code.call("PATCH", f"{running.agent}/log", b"abcd", content_range=header)
    assert (answer.status, answer.code) == (400, "bad_range")
    assert await stored(person, running) == b""


async def test_an_empty_and_a_too_large_piece_are_refused(running, code: Caller):
    assert (await code.call("PATCH", f"{running.agent}/log", b"", content_range="bytes 0-0/*")).status == 422
    large = await code.patch_log(f"{running.agent}/log", 0, b"x" * (256 * 1024 + 1))
    assert (large.status, large.code) == (413, "too_large")


async def test_a_piece_cut_on_the_way_leaves_nothing(running, code: Caller, person):
    answer = await code.call("PATCH", f"{running.agent}/log", b"half", cut=True, content_range="bytes 0-9/*")
    assert answer.status == 0
    assert await stored(person, running) == b""


async def test_a_digest_is_checked_when_given(running, code: Caller):
    good = base64.b64encode(hashlib.sha256(b"abcd").digest()).decode()
    bad = base64.b64encode(hashlib.sha256(b"abce").digest()).decode()
    path = f"{running.agent}/log"
    assert (await code.patch_log(path, 0, b"abcd", content_digest=f"sha-256=:{bad}:")).code == "digest_mismatch"
    assert (await code.patch_log(path, 0, b"abcd", content_digest=f"sha-256=:{good}:")).status == 202


async def test_pieces_that_arrive_together_make_one_log(running, code: Caller, person):
    # Each sender repeats until its piece fits: the order of arrival must not matter.
    text = random.Random(4).randbytes(20_000)
    pieces = [(at, text[at : at + 1000]) for at in range(0, len(text), 1000)]

    async def push(at: int, piece: bytes) -> None:
        while True:
            answer = await code.patch_log(f"{running.agent}/log", at, piece)
            assert answer.status in {202, 416}
            if answer.status == 202:
                return

    await asyncio.gather(*(push(at, piece) for at, piece in pieces))
    assert await stored(person, running) == text


async def test_complete_only_when_length_and_hash_agree(running, code: Caller, person):
    await code.patch_log(f"{running.agent}/log", 0, b"all of it\n")
    sha = hashlib.sha256(b"all of it\n").hexdigest()
    for length, digest in [(9, sha), (10, hashlib.sha256(b"other").hexdigest())]:
        wrong = await code.post(f"{running.agent}/log/complete", {"length": length, "sha256": digest})
        assert (wrong.status, wrong.code) == (409, "log_mismatch")
    assert (await person("rio").get(f"{running.user}/log")).headers["x-log-complete"] == "0"
    for _ in range(2):
        right = await code.post(f"{running.agent}/log/complete", {"length": 10, "sha256": sha})
        assert (right.status, right.json()) == (200, {"complete": True})
    assert (await person("rio").get(f"{running.user}/log")).headers["x-log-complete"] == "1"
    assert (await code.patch_log(f"{running.agent}/log", 10, b"more")).status == 409


async def test_a_stale_attempt_writes_nothing_and_the_new_one_has_its_own_log(running, code: Caller, person):
    await code.patch_log(f"{running.agent}/log", 0, b"first attempt")
    await ask(lambda: running.change(attempt_no=2, status="starting"))
    late = await code.patch_log(f"{running.agent}/log", 13, b" goes on")
    assert (late.status, late.code) == (409, "stale_attempt")
    assert await stored(person, running) == b""
    assert await stored(person, running, "?attempt=1") == b"first attempt"
    await ask(lambda: running.change(attempt_no=1, status="failed"))
    assert (await code.patch_log(f"{running.agent}/log", 13, b"x")).code == "final"


async def test_compaction_keeps_every_byte(running, code: Caller, person):
    text = random.Random(5).randbytes(3_000)
    for at in range(0, len(text), 100):
        await code.patch_log(f"{running.agent}/log", at, text[at : at + 100])
    before = await ask(LogChunk.objects.count)
    await ask(lambda: compact_run(running.id))
    assert before == 30 and await ask(LogChunk.objects.count) == 1
    assert await stored(person, running) == text
    assert await stored(person, running, "?offset=1234&limit=99") == text[1234:1333]
    await code.patch_log(f"{running.agent}/log", len(text), b"and on")
    assert await stored(person, running, f"?offset={len(text) - 2}") == text[-2:] + b"and on"
    assert await ask(lambda: Log.objects.get(run_id=running.id).length) == len(text) + 6


async def test_a_long_log_is_streamed_whole(running, code: Caller, person, monkeypatch):
    monkeypatch.setattr("runs.logs.queries.MOST", 10_000)
    monkeypatch.setattr("runs.logs.queries.PIECE", 7_000)
    text = random.Random(6).randbytes(50_000)
    await code.patch_log(f"{running.agent}/log", 0, text)
    assert await stored(person, running) == text
    assert await stored(person, running, "?offset=100&limit=20") == text[100:120]


@pytest.mark.parametrize(
    ("name", "status"), [("olga", 200), ("carl", 200), ("rio", 200), ("mallory", 404), ("ada", 403), (None, 401)]
)
async def test_who_may_read(running, person, name, status):
    assert (await person(name).get(f"{running.user}/log")).status == status


@pytest.mark.parametrize("query", ["?offset=-1", "?limit=x", "?tail=99999999999999999999"])
async def test_hostile_numbers_are_refused(running, person, query):
    assert (await person("rio").get(f"{running.user}/log{query}")).status == 422
