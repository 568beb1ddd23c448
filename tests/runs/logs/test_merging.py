"""The logs of a run and of those below it as one: by time, forwards and backwards, each line once."""

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.logs import merging, services
from runs.logs.models import Log
from runs.models import Run
from studio.kernel.actors import Actor
from studio.kernel.ids import ulid
from tests.runs.telemetry import ask

T = 1_764_222_000_000


def below(parent: str, name: str, number: int) -> Run:
    one = Run.objects.get(pk=parent)
    fields = {"workspace": one.workspace, "experiment": one.experiment, "submitted_by": one.submitted_by}
    return Run.objects.create(
        id=ulid(), name=name, number=number, parent=one, kind="script", status="running", attempt_no=1, **fields
    )


def write(run: str, lines: list[tuple[int, str]], size: int = 3) -> None:
    """Lines (ms, text) as the chunks of a log, `size` of them in each."""
    log = Log.objects.create(run_id=run, attempt=1)
    held = services._Held(log, log.span)
    for at in range(0, len(lines), size):
        data, told = b"", []
        for time, text in lines[at : at + size]:
            told.append((held.span.length + len(data), T + time, 1))
            data += text.encode() + b"\n"
        held.add(data, told)
        services._store(run, held)
        log.refresh_from_db()
        held = services._Held(log, log.span)


async def page(person, running, query: str = "", who: str = "rio"):
    answer = await person(who).get(f"{running.user}/log/merged{query}")
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.fixture
async def family(running):
    """Three logs whose lines interleave, and what they are by time."""
    dice = random.Random(2)

    def make() -> list[tuple[int, str, str]]:
        runs = {running.id: "parent"} | {
            below(running.id, name, number).pk: name for number, name in enumerate(("one", "two"), 50)
        }
        whole = []
        for run, name in runs.items():
            times = sorted(dice.sample(range(10_000), 300))
            lines = [(time, f"{name} {number}") for number, time in enumerate(times, 1)]
            write(run, lines)
            whole += [(time, name, text) for time, text in lines]
        # What was written in the same millisecond stands in the order of the runs.
        return sorted(
            whole, key=lambda line: (line[0], ["parent", "one", "two"].index(line[1]), int(line[2].split()[1]))
        )

    return running, await ask(make)


@pytest.mark.parametrize("window", [128 * 1024, 200])
async def test_lines_of_all_logs_come_by_time_in_both_directions(family, person, monkeypatch, window):
    running, whole = family
    monkeypatch.setattr(merging, "WINDOW", window)
    told = await page(person, running, "?count=100")
    names = [source["name"] for source in told["sources"]]
    assert names[1:] == ["one", "two"] and told["live"]
    last, backwards = told["next"], told["lines"]
    while told["previous"]:
        told = await page(person, running, f"?count=100&before={told['previous']}")
        backwards = told["lines"] + backwards
    texts = [text for _, _, text in whole]
    assert [line["text"] for line in backwards] == texts
    assert [line["time"] for line in backwards] == [T + time for time, _, _ in whole]
    assert all(line["line"] == int(line["text"].split()[1]) for line in backwards)
    forwards, at = [], "0:0"
    while True:
        told = await page(person, running, f"?count=100&after={at}")
        if not told["lines"]:
            break
        forwards += told["lines"]
        at = told["next"]
    assert [line["text"] for line in forwards] == texts
    assert (await page(person, running, f"?after={last}"))["lines"] == []


async def test_some_of_the_runs_and_what_is_written_later(family, person, code):
    running, whole = family
    told = await page(person, running, "?count=5")
    two = told["sources"][2]["run"]
    only = await page(person, running, f"?count=1000&only={two}")
    assert [line["text"] for line in only["lines"]] == [text for _, name, text in whole if name == "two"]
    start = (await ask(lambda: Log.objects.get(run_id=running.id))).length
    await code.patch_log(f"{running.agent}/log", start, b"later\nand begun", x_log_marks=f"0.{T + 20000}.2")
    told = await page(person, running, f"?after={told['next']}")
    assert [(line["text"], line["stream"]) for line in told["lines"]] == [("later", "e")]
    await code.patch_log(f"{running.agent}/log", start + 15, b" and ended\n", x_log_marks=f"0.{T + 20001}.2")
    told = await page(person, running, f"?after={told['next']}")
    assert [line["text"] for line in told["lines"]] == ["and begun and ended"]


async def test_a_search_looks_through_all_of_them(family, person):
    running, _ = family
    answer = await person("rio").get(f"{running.user}/log/merged/search?q=%20299&limit=10")
    told = answer.json()
    assert told["count"] == 3 and told["whole"]
    assert [(hit["source"], hit["line"]) for hit in told["hits"]] == [(0, 299), (1, 299), (2, 299)]


@pytest.mark.django_db
def test_a_few_questions_however_many_runs(running, people):
    actor = Actor(kind="user", user_id=people.rio.pk)
    counts = []
    for more in (2, 9):
        for number in range(more):
            write(below(running.id, f"run-{more}-{number}", 100 * more + number).pk, [(number, "a line")] * 20)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            found = merging.read_merged(running.lab.slug, running.id, actor=actor, count=50)
        assert len(found.lines) >= 40
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 10


@pytest.mark.parametrize(("name", "status"), [("rio", 200), ("mallory", 404), ("ada", 403), (None, 401)])
async def test_who_may_read(running, person, name, status):
    assert (await person(name).get(f"{running.user}/log/merged")).status == status
    assert (await person(name).get(f"{running.user}/log/merged/search?q=x")).status == status


@pytest.mark.parametrize("query", ["?after=x", "?before=1:2:3,,", "?after=" + "9" * 60 + ":1", "?only=%00"])
async def test_a_place_that_cannot_be_read_is_the_beginning(family, person, query):
    running, _ = family
    await page(person, running, query)
