"""The history of a metric of several runs."""

import numpy as np
import pytest

from runs.metrics import services
from runs.metrics.columns import EMPTY, Series
from studio.kernel import lines
from studio.kernel.actors import SYSTEM
from studio.mlflow.hot.bulk import _at, sampled
from tests.mlflow.conftest import API, Door, Enter, refusal
from tests.runs.telemetry import ask

BULK, INTERVAL = "metrics/get-history-bulk", "metrics/get-history-bulk-interval"


async def log(door: Door, run_id: str, points: list[tuple[int, int, float]]) -> list[dict]:
    told = [{"key": "loss", "timestamp": at, "step": step, "value": value} for at, step, value in points]
    assert (await door.post("runs/log-batch", run_id=run_id, metrics=told)).status == 200
    return [{**one, "run_id": run_id} for one in told]


async def test_whole_histories(carl: Door, enter: Enter):
    runs = [(await carl.run())["info"]["run_id"] for _ in range(3)]
    first = await log(carl, runs[0], [(1, 2, 10.0), (1, 3, 11.0), (1, 3, 12.0), (2, 3, 12.0)])
    second = await log(carl, runs[1], [(7, -2, -1.0), (8, 0, 0.5)])
    for api in (API, API.replace("/api/", "/ajax-api/")):
        reader = Door(enter("rio").caller, api)
        found = await reader.get(BULK, run_id=runs, metric_key="loss")
        assert found.json()["metrics"] == first + second
    assert (await carl.get(BULK, run_id=runs, metric_key="loss", max_results=5)).json()["metrics"] == first + second[:1]
    assert refusal(await enter("mallory").get(BULK, run_id=runs, metric_key="loss")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refusal(await carl.get(BULK, run_id=[*runs, "x"], metric_key="a")) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_thinned_histories(carl: Door):
    one, two = [(await carl.run())["info"]["run_id"] for _ in range(2)]
    first = await log(carl, one, [(1, step, 1.5) for step in range(10)])
    second = await log(carl, two, [(1, step, 2.5) for step in range(20)])

    async def steps(**asked) -> list[int]:
        found = (await carl.get(INTERVAL, metric_key="loss", **asked)).json()["metrics"]
        assert all(point in first + second for point in found)
        return [point["step"] for point in found]

    assert await steps(run_ids=[one]) == list(range(10))
    assert await steps(run_ids=[one], max_results=5) == [0, 2, 4, 6, 8, 9]
    assert await steps(run_ids=[one], max_results=5, start_step=0, end_step=4) == [0, 1, 2, 3, 4]
    assert await steps(run_ids=[one, two], max_results=5) == [0, 4, 8, 9, 0, 4, 8, 9, 12, 16, 19]
    assert await steps(run_ids=[one], start_step=100, end_step=200) == []


@pytest.mark.parametrize(
    ("call", "asked", "said"),
    [
        (BULK, {"metric_key": "a"}, "must specify at least one run_id"),
        (BULK, {"run_id": ["x"] * 101, "metric_key": "a"}, "cannot specify more than 100"),
        (BULK, {"run_id": ["x"]}, "must specify a metric_key"),
        (INTERVAL, {"metric_key": "a"}, "Missing value for required parameter 'run_ids'."),
        (INTERVAL, {"run_ids": ["x"] * 101, "metric_key": "a"}, "must specify at most 100 run_ids."),
        (INTERVAL, {"run_ids": ["x"]}, "Missing value for required parameter 'metric_key'"),
        (INTERVAL, {"run_ids": ["x"], "metric_key": "a", "max_results": 0}, "max_results must be between 1 and 2500"),
        (INTERVAL, {"run_ids": ["x"], "metric_key": "a", "start_step": 1}, "both must be specified."),
        (
            INTERVAL,
            {"run_ids": ["x"], "metric_key": "a", "start_step": 1, "end_step": 0},
            "end_step must be greater than",
        ),
    ],
)
async def test_questions_without_an_answer(carl: Door, call, asked, said):
    answer = await carl.get(call, **asked)
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert said in answer.json()["message"]


def rising(*steps: int) -> Series:
    found = np.arange(*steps)
    return Series(found, found, found.astype(float))


def test_steps_are_taken_evenly_with_both_ends():
    assert sampled([rising(0, 1001, 10)], 5).tolist() == [0, 200, 400, 600, 800, 1000]
    assert sampled([rising(0, 101, 20)], 5).tolist() == [0, 20, 40, 60, 80, 100]
    assert sampled([rising(0, 10), rising(5, 15)], 100).tolist() == list(range(15))
    assert sampled([], 5).tolist() == sampled([EMPTY], 5).tolist() == []


async def test_a_spike_is_drawn_however_few_steps_are_asked_for(carl: Door):
    run = (await carl.run())["info"]["run_id"]
    await log(carl, run, [(at, at, 100.0 if at == 333 else -7.0 if at == 707 else 0.5) for at in range(1000)])
    for asked in ({}, {"start_step": 300, "end_step": 900}):
        answer = await carl.get(INTERVAL, run_ids=[run], metric_key="loss", max_results=10, **asked)
        found = {one["step"]: one["value"] for one in answer.json()["metrics"]}
        assert (found[333], found[707]) == (100.0, -7.0) and len(found) <= 14
        assert asked == {} or (min(found), max(found)) == (300, 900)


async def test_what_is_logged_later_is_in_the_next_chart_and_history(carl: Door, monkeypatch):
    run_id = (await carl.run())["info"]["run_id"]
    read: list[str] = []
    asked = lines.Line._answer

    def noted(line, query, *rest):
        if "data" in str(query) and "SELECT" in str(query):
            read.append(str(query))
        return asked(line, query, *rest)

    monkeypatch.setattr(lines.Line, "_answer", noted)
    logged: list[dict] = []
    for at in range(3):
        # The later the lower: steps come out of order, and one of them twice.
        logged += await log(carl, run_id, [(at + 1, 10 - at, float(at)), (at + 1, 10 - at, at + 0.5)])
        read.clear()
        for _ in range(2):
            chart = (await carl.get(INTERVAL, run_ids=[run_id], metric_key="loss")).json()["metrics"]
            assert chart == sorted(logged, key=lambda one: one["step"])
            history = (await carl.get("metrics/get-history", run_id=run_id, metric_key="loss")).json()["metrics"]
            assert [{**one, "run_id": run_id} for one in history] == logged
        assert len(read) == 1  # four answers
    assert await ask(lambda: services.merge_run(run_id, actor=SYSTEM)) == 2
    history = (await carl.get("metrics/get-history", run_id=run_id, metric_key="loss")).json()["metrics"]
    assert [{**one, "run_id": run_id} for one in history] == logged


@pytest.mark.parametrize("steps", [[0, 1, 2, 3, 5, 8], [0, 0, 1, 1, 1, 7], [5, 3, 1, 3, 0]])
def test_the_points_at_chosen_steps(steps):
    series = Series(np.array(steps), np.arange(len(steps)), np.arange(len(steps)) / 2)
    for chosen in ([], [0], [1, 3], [0, 1, 2, 3, 5, 7, 8], [4, 6], [9]):
        found = _at(series, np.array(chosen, np.int64))
        assert found.time.tolist() == [at for at, step in enumerate(steps) if step in chosen]
