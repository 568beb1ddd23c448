"""The door of charts: many runs and metrics at once, over a part of an axis, with the spike still there."""

import math
import uuid
from collections.abc import Callable

import numpy as np
import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.metrics import columns, levels, overlay
from runs.metrics.columns import Series
from runs.metrics.models import MetricChunk
from runs.metrics.tasks import merge_run
from runs.models import Run
from studio.kernel import lines
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask

CHART = "/api/v1/workspaces/lab/chart"


def asked(*runs: str, key: str = "loss", **more: object) -> str:
    return f"{CHART}?" + "&".join(
        [*(f"run={one}" for one in runs), f"key={key}", *(f"{k}={v}" for k, v in more.items())]
    )


def store(run_id: str, values: np.ndarray, *, key: str = "loss", steps: np.ndarray | None = None, size: int = 10_000):
    """A series as batches of `size` points would have left it."""
    steps = np.arange(len(values)) if steps is None else steps
    whole = Series(steps.astype(np.int64), 1_700_000_000_000 + 10 * np.arange(len(values)), values.astype(np.float64))
    MetricChunk.objects.bulk_create(
        MetricChunk(
            run_id=run_id, key=key, count=len(piece), first_step=int(piece.step.min()), last_step=int(piece.step.max()),
            data=columns.pack(piece),
        )
        for at in range(0, len(values), size)
        if len(piece := whole.take(slice(at, at + size)))
    )  # fmt: skip


async def line(caller: Caller, run: Running, **more: object) -> dict:
    answer = await caller.get(asked(run.id, **more))
    assert answer.status == 200, answer.body
    return answer.json()["series"][more.get("key", "loss")][run.id]


async def test_short_series_of_several_runs_are_told_as_they_are(make_run, person):
    one, other = await ask(make_run), await ask(lambda: make_run(status="completed"))

    def log() -> None:
        store(one.id, np.array([3.0, 2.0, math.nan]))
        store(other.id, np.array([5.0]))
        store(other.id, np.array([7.0]), key="acc")

    await ask(log)
    told = (await person("rio").get(asked(one.id, other.id) + "&key=acc")).json()
    assert told["series"]["loss"] == {
        one.id: {"x": [0, 1, 2], "value": [3, 2, "NaN"], "count": 3, "odd": 1},
        other.id: {"x": [0], "value": [5], "count": 1, "odd": 0},
    }
    assert told["series"]["acc"][one.id] == {"x": [], "value": [], "count": 0, "odd": 0}
    assert told["series"]["acc"][other.id]["value"] == [7]
    assert (told["runs"][one.id]["running"], told["runs"][other.id]["running"]) == (True, False)
    assert told["runs"][one.id]["seq"] > 0 and told["missing"] == []


@pytest.mark.parametrize("merged", [False, True])
async def test_a_spike_of_a_long_series_stays_and_a_zoom_finds_its_place(running, person, merged):
    values = np.cos(np.linspace(0, 9, 1_000_000))
    values[654_321], values[20] = 99.0, -99.0
    values[7] = math.inf
    await ask(lambda: store(running.id, values))
    if merged:
        await ask(lambda: merge_run(running.id))
        assert await ask(lambda: MetricChunk.objects.filter(fine__isnull=True).count()) == 0
    whole = await line(person("rio"), running, points=500)
    assert len(whole["x"]) <= 500 and (whole["count"], whole["odd"]) == (1_000_000, 1)
    assert (max(whole["high"]), min(whole["low"])) == (99, -99)
    assert (whole["x"][0], whole["x"][-1]) == (0, 999_999) and whole["x"] == sorted(whole["x"])
    at = whole["x"][whole["high"].index(99)]
    assert abs(at - 654_321) < 10_000
    # The mean of a bucket is that of its points.
    assert abs(whole["value"][250] - np.cos(9 * whole["x"][250] / 1e6)) < 0.3
    part = await line(person("rio"), running, points=500, first=at - 12_000, last=at + 12_000)
    assert max(part["high"]) == 99 and abs(part["x"][part["high"].index(99)] - 654_321) < 100
    assert at - 12_000 <= part["x"][0] and part["x"][-1] <= at + 12_000
    exact = await line(person("rio"), running, points=500, first=654_300, last=654_340)
    assert exact["x"] == list(range(654_300, 654_341)) and exact["value"][21] == 99 and "low" not in exact


async def test_axes_of_time_and_of_time_since_the_start(running, person):
    await ask(lambda: store(running.id, np.arange(50.0)))
    begin = 1_700_000_000_000
    by_time = await line(person("rio"), running, axis="time", first=begin + 100, last=begin + 120)
    assert by_time["x"] == [begin + 100, begin + 110, begin + 120] and by_time["value"] == [10, 11, 12]
    origin = (await person("rio").get(asked(running.id))).json()["runs"][running.id]["origin"]
    since = await line(person("rio"), running, axis="relative", first=begin - origin, last=begin - origin + 10)
    assert since["x"] == [begin - origin, begin - origin + 10] and since["value"] == [0, 1]


async def test_steps_backwards_twice_and_far_away(running, person):
    steps = np.concatenate([np.arange(30_000)[::-1], np.arange(30_000)])
    values = steps.astype(float)
    steps[-1] = 2**62

    def log() -> None:
        store(running.id, values, steps=steps)
        merge_run(running.id)

    await ask(log)
    found = await line(person("rio"), running, points=200)
    assert found["count"] == 60_000 and found["x"] == sorted(found["x"]) and found["x"][-1] == 2**62
    # One far step does not push all others together, and each bucket is drawn near the points that it holds.
    assert len(set(found["x"])) > 150
    assert all(abs(x - value) < 1500 for x, value in zip(found["x"][:-2], found["value"], strict=False))
    around = await line(person("rio"), running, points=200, first=100, last=109)
    assert around["x"] == [step for step in range(100, 110) for _ in range(2)]


async def test_what_was_merged_in_between_is_read_once_more(running, person, monkeypatch):
    await ask(lambda: store(running.id, np.arange(3000.0), size=100))
    real, calls = overlay.levels.pieces_of, []

    def merged_before(wanted):
        if not calls:
            merge_run(running.id)
        calls.append(len(wanted))
        return real(wanted)

    monkeypatch.setattr(overlay.levels, "pieces_of", merged_before)
    found = await line(person("rio"), running, points=4000)
    assert calls == [30, 1] and found["value"] == list(range(3000))


async def test_the_number_of_statements_does_not_grow(make_run, people, lab, monkeypatch):
    raw: list[object] = []

    class Counted(psycopg.Cursor):
        def execute(self, query, *args, **more):
            raw.append(query)
            return super().execute(query, *args, **more)

        def stream(self, query, *args, **more):
            raw.append(query)
            return super().stream(query, *args, **more)

    asked = lines.Line._answer

    def count(runs: list[Running], keys: list[str]) -> int:
        raw.clear()
        with monkeypatch.context() as patch, CaptureQueriesContext(connection) as seen:
            patch.setattr(levels.psycopg, "Cursor", Counted)
            patch.setattr(lines.Line, "_answer", lambda *told: raw.append(told) or asked(*told))
            overlay.overlay("lab", [run.id for run in runs], keys, actor=people.actor("rio"))
        return len(seen) + len(raw)

    def both() -> tuple[int, int]:
        runs = [make_run() for _ in range(12)]
        for run in runs:
            for key in ("a", "b"):
                store(run.id, np.arange(4000.0), key=key, size=50)
        few = count(runs[:1], ["a"])
        for run in runs:
            merge_run(run.id)
        return few, count(runs, ["a", "b"])

    few, many = await ask(both)
    assert few == many <= 6


async def test_who_may_not_see_and_what_is_not_there(running, make_run, person):
    await ask(lambda: store(running.id, np.arange(5.0)))
    assert (await person(None).get(asked(running.id))).status == 401
    assert (await person("mallory").get(asked(running.id))).status == 404
    assert (await person("mallory").get(asked(running.id).replace("/lab/", "/den/"))).status == 404
    gone = await ask(make_run)
    await ask(lambda: Run.objects.filter(pk=gone.id).update(deleted="2026-01-01T00:00:00Z"))
    told = (await person("rio").get(asked(running.id, gone.id, "nothing"))).json()
    assert told["missing"] == [gone.id, "nothing"] and list(told["series"]["loss"]) == [running.id]
    assert (await person("rio").get(asked("nothing"))).status == 404
    assert (await person("rio").get(CHART)).json() == {"runs": {}, "missing": [], "series": {}}


@pytest.mark.parametrize(
    "query", ["axis=x", "points=3", "points=5000", "first=a", "last=1e5", f"first={2**63}", "points=1'"]
)
async def test_hostile_questions(running, person, query):
    assert (await person("rio").get(f"{asked(running.id)}&{query}")).status == 422


async def test_hostile_names_and_too_much(running, person):
    odd = await person("rio").get(
        asked(running.id, key="%00%3Cscript%3E'%22;--") + f"&first={-(2**63)}&last={2**63 - 1}"
    )
    assert odd.status == 200 and list(odd.json()["series"]) == ["<script>'\";--"]
    far = await person("rio").get(asked(running.id, axis="relative", first=-(2**63), last=2**63 - 1))
    assert far.status == 200
    assert (await person("rio").get(asked(*(f"r{at}" for at in range(201))))).status == 422
    keys = "&".join(f"key=k{at}" for at in range(400))
    assert (await person("rio").get(f"{asked(running.id)}&{keys}")).status == 422
    assert (await person("rio").get(asked(running.id, key="k" * 10_000))).status == 200


async def test_points_that_come_meanwhile_are_behind_the_number(running, code: Caller, person):
    async def log(step: int) -> None:
        points = [["loss", step, step, 1], ["other", step, step, 1]]
        assert (
            await code.post(f"{running.agent}/metrics", {"batch": str(uuid.uuid4()), "points": points})
        ).status == 200

    for step in range(3):
        await log(step)
        told = (await person("rio").get(asked(running.id))).json()
        newest = await ask(lambda: MetricChunk.objects.order_by("-id").values_list("id", flat=True)[0])
        assert told["runs"][running.id]["seq"] == newest
        assert told["series"]["loss"][running.id]["x"] == list(range(step + 1))


async def test_a_full_chunk_of_a_living_run_is_summed_up_once(running, person):
    await ask(lambda: store(running.id, np.arange(25_000.0), size=5000))
    assert await ask(lambda: merge_run(running.id)) is None
    rows = await ask(
        lambda: list(MetricChunk.objects.order_by("id").values_list("count", "low", "high", "total", "odd"))
    )
    assert rows == [
        (10_000, 0.0, 9999.0, 49_995_000.0, 0),
        (10_000, 10_000.0, 19_999.0, 149_995_000.0, 0),
        (5000, 20_000.0, 24_999.0, 112_497_500.0, 0),
    ]
    found: Callable[[], int] = lambda: len(MetricChunk.objects.first().fine)  # noqa: E731
    assert await ask(found) == 157 * 72
    xmin = "SELECT string_agg(xmin::text, ',') FROM metrics_metricchunk"

    def versions() -> str:
        with connection.cursor() as cursor:
            cursor.execute(xmin)
            return cursor.fetchone()[0]

    before = await ask(versions)
    await ask(lambda: merge_run(running.id))
    assert await ask(versions) == before
