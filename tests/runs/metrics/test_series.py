"""Reading series: thinned without losing a spike, resumed without a repeat, the same after a merge."""

import math
import uuid

import numpy as np
import pytest

from runs.metrics import columns, queries
from runs.metrics.columns import Series
from runs.metrics.models import MetricChunk
from runs.metrics.tasks import merge_run
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask


def line(values: np.ndarray) -> Series:
    steps = np.arange(len(values), dtype=np.int64)
    return Series(steps, steps * 10, values.astype(np.float64))


async def log(code: Caller, running: Running, *points: list) -> None:
    answer = await code.post(f"{running.agent}/metrics", {"batch": str(uuid.uuid4()), "points": list(points)})
    assert answer.status == 200, answer.body


def test_a_spike_among_a_million_points_stays():
    values = np.sin(np.linspace(0, 50, 1_000_000))
    values[123_456], values[777_777] = 40.0, -40.0
    thinned = columns.thin(line(values), 1000)
    assert len(thinned) <= 1010
    assert {123_456, 777_777, 0, 999_999} <= set(thinned.step.tolist())
    assert bool(np.all(np.diff(thinned.step) > 0))


def test_two_spikes_side_by_side_both_stay():
    values = np.zeros(1_000_000)
    values[500_000], values[500_001] = 40.0, -40.0
    assert {500_000, 500_001} <= set(columns.thin(line(values), 500).step.tolist())


def test_points_of_one_step_stay_in_the_order_of_logging():
    steps = np.random.default_rng(3).integers(0, 200, 20_000)
    series = Series(steps, steps, np.arange(20_000, dtype=np.float64))
    sorted_series = columns.by_step(series)
    of_one = sorted_series.value[sorted_series.step == 77]
    assert len(of_one) > 50 and bool(np.all(np.diff(of_one) > 0))


def test_nan_and_infinity_survive_thinning():
    values = np.zeros(50_000)
    values[100:110] = math.nan
    values[30_000] = math.inf
    values[40_000] = -math.inf
    thinned = columns.thin(line(values), 200)
    kept = dict(zip(thinned.step.tolist(), thinned.value.tolist(), strict=True))
    assert math.isnan(kept[100]) and kept[30_000] == math.inf and kept[40_000] == -math.inf
    assert len(columns.thin(line(np.full(50_000, math.nan)), 200)) == 1
    assert len(thinned) <= 240


def test_a_short_series_is_told_whole():
    series = line(np.arange(100))
    assert columns.thin(series, 100) is series


def test_a_summary_ignores_nan_but_counts_it():
    first = columns.summed_up(None, line(np.array([math.nan])))
    assert first == {
        "kind": "scalar", "last": "NaN", "last_step": 0, "latest": [0, 0, "NaN"], "min": None, "max": None, "count": 1,
    }  # fmt: skip
    second = columns.summed_up(first, line(np.array([2.0, -math.inf])))
    assert (second["min"], second["max"], second["last"], second["count"]) == ("-Infinity", 2.0, "-Infinity", 3)


def test_the_latest_point_is_the_one_of_the_highest_step():
    def point(step: int, time: int, value: float) -> Series:
        return Series(np.array([step]), np.array([time]), np.array([value]))

    held = columns.summed_up(None, line(np.array([5.0, 6.0, 4.0])))
    assert held["latest"] == [2, 20, 4.0]
    for late in (point(1, 99, 7.0), point(2, 19, 7.0), point(2, 20, 3.0)):
        held = columns.summed_up(held, late)
        assert (held["latest"], held["last"]) == ([2, 20, 4.0], float(late.value[0]))
    assert columns.summed_up(held, point(2, 20, 9.0))["latest"] == [2, 20, 9.0]
    assert columns.summed_up(held, point(3, 0, math.nan))["latest"] == [3, 0, "NaN"]


async def test_a_long_stored_series_is_thinned_with_its_spike(running, person):
    def store() -> None:
        values = np.cos(np.linspace(0, 9, 1_000_000))
        values[654_321] = 99.0
        whole = line(values)
        MetricChunk.objects.bulk_create(
            MetricChunk(
                run_id=running.id, key="x", count=10_000, first_step=at, last_step=at + 9999,
                data=columns.pack(whole.take(slice(at, at + 10_000))),
            )
            for at in range(0, 1_000_000, 10_000)
        )  # fmt: skip

    await ask(store)
    answer = await person("rio").get(f"{running.user}/series?key=x&points=800")
    found = answer.json()["series"]["x"]
    assert len(found["step"]) <= 810 and len(answer.body) < 100_000
    assert found["value"][found["step"].index(654_321)] == 99.0


async def test_only_the_named_keys_are_read_and_unknown_ones_are_empty(running, code: Caller, person):
    await log(code, running, ["a", 1, 1, 1], ["b/ü 100%", 2, 1, 1])
    found = (await person("rio").get(f"{running.user}/series?key=b/%C3%BC%20100%25&key=none")).json()["series"]
    assert found == {
        "b/ü 100%": {"step": [1], "value": [2], "time": [1]},
        "none": {"step": [], "value": [], "time": []},
    }


async def test_since_answers_exactly_what_is_new_also_after_a_merge(running, code: Caller, person):
    seqs = []
    for step in range(30):
        await log(code, running, ["a", step, step, 1], ["b", step, step, 1])
        seqs.append((await person("rio").get(f"{running.user}/metrics")).json()["seq"])

    async def since(seq: int) -> dict[str, list[int]]:
        answer = (await person("rio").get(f"{running.user}/series?since_seq={seq}")).json()
        assert answer["seq"] == seqs[-1]
        return {key: one["step"] for key, one in answer["series"].items()}

    before = [await since(seq) for seq in [0, *seqs]]
    assert before[11]["a"] == list(range(11, 30)) and before[-1] == {}
    assert await ask(MetricChunk.objects.count) == 60
    await ask(lambda: merge_run(running.id))
    assert await ask(MetricChunk.objects.count) == 2
    assert [await since(seq) for seq in [0, *seqs]] == before
    # On top of merged chunks, and merged a second time.
    await log(code, running, ["a", 30, 30, 1])
    seqs.append((await person("rio").get(f"{running.user}/metrics")).json()["seq"])
    await ask(lambda: merge_run(running.id))
    assert (await since(seqs[20]))["a"] == list(range(21, 31))
    assert (await since(seqs[-2])) == {"a": [30]}


async def test_merging_while_points_come_loses_none(running, code: Caller, person):
    import asyncio

    async def write() -> None:
        for step in range(60):
            await log(code, running, ["a", step, step, 1])

    async def merge() -> None:
        while not writer.done():
            await ask(lambda: merge_run(running.id))

    async def watch() -> None:
        have: list[int] = []
        seq = 0
        while len(have) < 60:
            found = (await person("rio").get(f"{running.user}/series?since_seq={seq}")).json()
            seq = found["seq"]
            have += found["series"].get("a", {"step": []})["step"]
        assert have == list(range(60))

    writer = asyncio.create_task(write())
    async with asyncio.timeout(120):
        await asyncio.gather(writer, merge(), watch())
    assert (await person("rio").get(f"{running.user}/metrics")).json()["metrics"]["a"]["count"] == 60


async def test_a_key_that_is_new_in_the_middle_of_a_look_is_told(running, code: Caller, person, monkeypatch):
    """Who is told a sequence number must have been told every point up to it."""
    await log(code, running, ["a", 1, 1, 1])
    real = queries.get_run_as_told

    def look_then_log(*args, **kwargs):
        run = real(*args, **kwargs)
        run.metrics = {}  # as it was before the point
        return run

    monkeypatch.setattr(queries, "get_run_as_told", look_then_log)
    told = (await person("rio").get(f"{running.user}/series")).json()
    assert told["seq"] > 0
    assert told["series"]["a"]["step"] == [1]


async def test_many_small_batches_ask_for_a_merge(running, code: Caller, monkeypatch):
    from studio.kernel.models import Outbox

    monkeypatch.setattr("runs.metrics.services.MERGE_AFTER", 5)
    for step in range(12):
        await log(code, running, ["a", step, step, 1])
    asked = await ask(lambda: list(Outbox.objects.values_list("task", "args")))
    assert ("metrics.merge_run", [running.id]) in asked


@pytest.mark.parametrize("query", ["points=3", "points=x", "points=10001", "since_seq=-1", "&".join(["key=k"] * 1)])
async def test_hostile_questions(running, person, query):
    answer = await person("rio").get(f"{running.user}/series?{query}")
    assert answer.status == (200 if query.startswith("key") else 422)
    many = "&".join(f"key=k{at}" for at in range(101))
    assert (await person("rio").get(f"{running.user}/series?{many}")).status == 422
