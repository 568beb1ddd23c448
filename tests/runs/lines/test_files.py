"""Files of a run by their lines: windows, searches that go on, files that grow, bytes that are hostile."""

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.artifacts import counting, texts
from runs.artifacts.models import Artifact
from runs.artifacts.queries import get_artifact
from runs.lines import matching, searching
from runs.lines.asked import Search, Wanted
from runs.models import Run
from studio.kernel import blobs
from studio.kernel.actors import Actor
from tests.runs.telemetry import Running, ask
from workspace.models import Workspace

Keep = Callable[[str, bytes], str]


@pytest.fixture
def keep(lab: Workspace, running: Running) -> Keep:
    """`keep(path, bytes)`: a file of the run, or other bytes for it; returns their hash."""
    counting.forget()

    def store(path: str, data: bytes) -> str:
        sha256, size = blobs.put([data], workspace_id=lab.pk)
        Artifact.objects.update_or_create(
            run_id=running.id, path=path, defaults={"sha256": sha256, "size": size, "created": timezone.now()}
        )
        return sha256

    return store


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last + 1))


async def page(person, running: Running, path: str, query: str = ""):
    answer = await person("rio").get(f"{running.user}/text/lines/{path}?{query}")
    assert answer.status == 200, answer.body
    return answer.json()


async def found(person, running: Running, path: str, query: str):
    answer = await person("rio").get(f"{running.user}/text/search/{path}?{query}")
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.mark.parametrize("block", [100, 4096])
async def test_windows_of_a_file(person, running, keep, monkeypatch, block):
    monkeypatch.setattr(blobs, "PIECE", block)
    monkeypatch.setattr(counting, "BLOCK", block)
    version = await ask(lambda: keep("outputs/a b/日本.txt", numbered(1, 5000) + b"no end"))
    end = await page(person, running, "outputs/a b/日本.txt", "count=3")
    assert (end["first"], end["lines"], end["open"]) == (4999, ["line 4999", "line 5000", "no end"], True)
    assert (end["total"], end["length"], end["version"]) == (5001, len(numbered(1, 5000)) + 6, version)
    for number in (1, 2, 99, 1234, 5000):
        told = await page(person, running, "outputs/a b/日本.txt", f"line={number}&count=2")
        assert told["first"] == number and told["lines"][0] == f"line {number}" and len(told["lines"]) == 2
    assert (await page(person, running, "outputs/a b/日本.txt", "line=5001"))["lines"] == ["no end"]
    assert (await page(person, running, "outputs/a b/日本.txt", "line=99999999"))["first"] == 5001
    text = counting.counting_of(version).text
    assert text and [text.line_at(at) for at in (0, 6, 7, text.length - 1)] == [1, 1, 2, 5001]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
async def test_a_text_of_windows_is_read_as_any_other(person, running, keep, monkeypatch, codec):
    """UTF-16, in blocks as small as they come: windows, its end, a search, and how much there is."""
    monkeypatch.setattr(blobs, "PIECE", 100)
    monkeypatch.setattr(counting, "BLOCK", 100)
    plain = "".join(f"{number}: 学習 loss=0.{number}\r\n" for number in range(1, 401)) + "😀 no end"
    await ask(lambda: keep("t.txt", ("\ufeff" + plain).encode(codec)))
    for number in (1, 2, 100, 400):
        told = await page(person, running, "t.txt", f"line={number}&count=1")
        assert (told["first"], told["lines"]) == (number, [f"{number}: 学習 loss=0.{number}"])
    end = await page(person, running, "t.txt", "count=2")
    assert (end["lines"], end["total"], end["open"]) == (["400: 学習 loss=0.400", "😀 no end"], 401, True)
    assert end["length"] == len(plain.encode())
    assert [hit["line"] for hit in (await found(person, running, "t.txt", "q=loss%3D0.33"))["hits"]][:2] == [33, 330]


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"x\n", b"\n\n\n"])
async def test_short_files(person, running, keep, data):
    await ask(lambda: keep("t.txt", data))
    lines = data.decode().splitlines()
    for query in ("", "line=1"):
        told = await page(person, running, "t.txt", query)
        assert (told["lines"], told["total"], told["open"]) == (lines, len(lines), data == b"x")


async def test_bytes_that_are_no_text_are_lines_all_the_same(person, running, keep):
    await ask(lambda: keep("t.log", b"\xfe\xfd\0\x1b[31mred\x1b[0m\n\x80" + b"ab" * 3_000_000 + b"\n<script>\n"))
    told = await page(person, running, "t.log", "line=1&count=1")
    assert told["lines"] == ["\ufffd\ufffd\0\x1b[31mred\x1b[0m"]
    giant = await page(person, running, "t.log", "line=2")
    assert len(giant["lines"]) == 1 and len(giant["lines"][0]) == 20_000 and giant["cut"]["0"] > 5_900_000
    assert (await page(person, running, "t.log", "line=3"))["lines"] == ["<script>"]
    assert [hit["line"] for hit in (await found(person, running, "t.log", "q=script"))["hits"]] == [3]


async def test_a_large_file_is_counted_bit_by_bit(person, running, keep, monkeypatch):
    """No answer counts for longer than its time, and the next one goes on where it stopped."""
    monkeypatch.setattr(texts, "AT_ONCE", 1000)
    monkeypatch.setattr(texts, "SECONDS", 0.0)
    monkeypatch.setattr(blobs, "PIECE", 10_000)
    monkeypatch.setattr(counting, "BLOCK", 10_000)
    whole = numbered(1, 4000)
    await ask(lambda: keep("t.txt", whole))
    told, told_of = await page(person, running, "t.txt", "line=3000&count=1"), []
    while "counting" in told:
        told_of.append(told["counting"]["done"])
        assert told["counting"]["size"] == len(whole)
        told = await page(person, running, "t.txt", "line=3000&count=1")
    assert told_of == [*range(10_000, len(whole), 10_000), len(whole)] and told["lines"] == ["line 3000"]


async def test_a_file_that_grows_and_one_that_is_another(person, running, keep):
    first = await ask(lambda: keep("logs/w.log", numbered(1, 10) + b"li"))
    assert (await page(person, running, "logs/w.log"))["version"] == first
    second = await ask(lambda: keep("logs/w.log", numbered(1, 12)))
    told = await page(person, running, "logs/w.log", "line=11")
    assert (told["version"], told["lines"], told["total"]) == (second, ["line 11", "line 12"], 12)
    await ask(lambda: keep("logs/w.log", b"anew\n"))
    told = await page(person, running, "logs/w.log", "line=11")
    assert (told["first"], told["lines"], told["total"]) == (2, [], 1)


async def test_who_watches_the_run_is_told_of_its_files(person, running, code, keep):
    first, second = await ask(lambda: keep("logs/w.log", b"one\n")), await ask(lambda: keep("other", b"one\ntwo\n"))
    async with person("rio").socket(running.ws) as socket:
        await socket.send(t="hello", seq=0, log=-1)
        await socket.until("run")
        for sha256 in (first, second):
            body = {"files": [{"path": "logs/w.log", "sha256": sha256}]}
            assert (await code.post(f"{running.agent}/artifacts", body)).status == 200
            assert await socket.until("files") == {"t": "files"}


async def test_bytes_that_the_disk_changed_are_not_shown(person, running, keep):
    sha256 = await ask(lambda: keep("t.txt", numbered(1, 400_000)))
    place = blobs.path_of(sha256)
    data = bytearray(place.read_bytes())
    data[-5:] = b"WRONG"
    place.write_bytes(data)
    for door in ("lines/t.txt?count=1", "search/t.txt?q=line"):
        answer = await person("rio").get(f"{running.user}/text/{door}")
        assert answer.status == 404 and answer.json()["error"]["code"] == "blob_damaged", door
    place.write_bytes(numbered(1, 400_000))
    assert (await page(person, running, "t.txt", "line=399999&count=1"))["lines"] == ["line 399999"]


# --- searching --------------------------------------------------------------------------------------------------------


async def test_a_search_finds_every_line_and_goes_on(person, running, keep, monkeypatch):
    monkeypatch.setattr(searching, "PIECE", 5000)
    await ask(lambda: keep("t.txt", numbered(1, 2000) + b"A \x1b[31mNeedle\x1b[0m\n"))
    hit = (await found(person, running, "t.txt", "q=needle"))["hits"][0]
    assert hit["line"] == 2001 and hit["text"][hit["start"] : hit["end"]] == "Needle"
    assert (await found(person, running, "t.txt", "q=needle&case=1"))["count"] == 0
    assert (await found(person, running, "t.txt", f"q={quote('^line 1[0-9]{3}$')}&regex=1"))["count"] == 1000
    told = await found(person, running, "t.txt", "q=line&limit=10")
    assert (told["count"], told["whole"], told["next"]) == (2000, True, 11)
    told = await found(person, running, "t.txt", "q=line&limit=10&line=11")
    assert [one["line"] for one in told["hits"]] == list(range(11, 21)) and told["count"] == 1990


async def test_a_search_that_runs_out_of_time_says_where_to_go_on(person, running, keep, monkeypatch):
    monkeypatch.setattr(searching, "PIECE", 10_000)
    monkeypatch.setattr(matching, "BLOCK", 10_000)
    monkeypatch.setattr(searching, "SECONDS", 0.05)
    whole = numbered(1, 20_000)
    sha256 = await ask(lambda: keep("t.txt", whole))
    assert counting.counting_of(sha256).go_on(time.monotonic() + 60)
    read = counting.FileText.read

    def slow(self, start: int, end: int) -> bytes:
        time.sleep(0.01)
        return read(self, start, end)

    monkeypatch.setattr(counting.FileText, "read", slow)
    hits, counts, line = [], [], 1
    while line:
        told = await found(person, running, "t.txt", f"q=7777&line={line}")
        assert (told["next"] is None) is told["whole"] and (told["whole"] or told["next"] > line)
        hits += [hit["line"] for hit in told["hits"]]
        counts.append(told["count"])
        line = told["next"]
    assert hits == [7777, 17777] and sum(counts) == 2 and len(counts) > 3


async def test_a_search_while_the_file_is_counted_goes_on_later(person, running, keep, monkeypatch):
    monkeypatch.setattr(searching, "SECONDS", 0.0)
    monkeypatch.setattr(blobs, "PIECE", 10_000)
    await ask(lambda: keep("t.txt", numbered(1, 4000)))
    told = await found(person, running, "t.txt", "q=line&line=7")
    assert told == {"hits": [], "count": 0, "whole": False, "next": 7}


@pytest.mark.parametrize("query", ["q=", f"q={'x' * 1001}", f"q={quote('(a')}&regex=1", "preset=other", "q=a&line=0"])
async def test_a_search_that_cannot_be_is_refused_with_the_reason(person, running, keep, query):
    await ask(lambda: keep("t.txt", b"a\n"))
    answer = await person("rio").get(f"{running.user}/text/search/t.txt?{query}")
    assert answer.status == 422 and answer.json()["error"]["message"]


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "status"), [("rio", 200), ("mallory", 404), (None, 401)])
async def test_strangers_see_no_lines_and_find_nothing(person, running, keep, who, status):
    await ask(lambda: keep("outputs/t.txt", b"secret\n"))
    for door in ("lines/outputs/t.txt", "search/outputs/t.txt?q=secret"):
        answer = await person(who).get(f"{running.user}/text/{door}")
        assert answer.status == status and (b"secret" in answer.body) is (status == 200), door
        other = await person("mallory").get(f"/api/v1/workspaces/den/runs/{running.id}/text/{door}")
        assert other.status == 404
    await ask(lambda: Run.objects.filter(pk=running.id).update(deleted=timezone.now()))
    assert (await person(who).get(f"{running.user}/text/lines/outputs/t.txt")).status == (status if not who else 404)


@pytest.mark.parametrize("path", ["../secret", "outputs/../t.txt", "/etc/passwd", "t.txt/", "%00", "x" * 5000])
async def test_no_other_way_to_a_file_than_its_name(person, running, keep, path):
    await ask(lambda: keep("t.txt", b"inside\n"))
    for door in ("lines", "search"):
        answer = await person("rio").get(f"{running.user}/text/{door}/{path}?q=a")
        assert answer.status == 404 and b"inside" not in answer.body


async def test_reading_and_searching_take_few_statements(running, keep, people):
    """However large the file is: its row is found, and the rest is read from the disk."""
    actor, stay = Actor(kind="user", user_id=people.rio.pk), Search(matching.finder("line"), 1, 100)

    def read(sha256: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            row = get_artifact("lab", running.id, "t.txt", actor=actor)
            texts._window(counting.counting_of(sha256), row, Wanted(5, 500))
            texts._search(sha256, stay, lambda: False)
        return len(asked)

    counts = []
    for lines in (10, 100_000):
        sha256 = await ask(lambda lines=lines: keep("t.txt", numbered(1, lines)))
        counts.append(await ask(lambda sha256=sha256: read(sha256)))
    assert counts[0] == counts[1] <= 4


async def test_what_is_known_of_files_is_bounded(running, keep, monkeypatch):
    """Files by who asked last; fewer of those that hold an open file because they are not counted to the end."""
    monkeypatch.setattr(counting, "MOST_KNOWN", 5)
    monkeypatch.setattr(counting, "MOST_BEGUN", 2)
    for data in range(9):
        sha256 = await ask(lambda data=data: keep("t.txt", b"%d" % data))
        assert counting.counting_of(sha256).go_on(time.monotonic() + 60)
    assert len(counting._known) == 5
    for number in range(9):
        counting.counting_of(f"{number:064d}")
    assert list(counting._known)[3:] == [f"{number:064d}" for number in (7, 8)] and len(counting._known) == 5


async def test_a_search_of_one_endless_line_ends_for_good(person, running, keep, monkeypatch):
    """Nobody is sent to a line again and again in which he cannot get any further."""
    monkeypatch.setattr(matching, "LONGEST_LINE", 10_000)
    monkeypatch.setattr(matching, "BLOCK", 10_000)
    sha256 = await ask(lambda: keep("t.txt", b"x" * 100_000))
    assert counting.counting_of(sha256).go_on(time.monotonic() + 60)
    monkeypatch.setattr(searching, "SECONDS", -1.0)
    assert await found(person, running, "t.txt", "q=y") == {"hits": [], "count": 0, "whole": False, "next": None}
