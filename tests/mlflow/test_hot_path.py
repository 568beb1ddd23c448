"""What the fast way of logging may not lose: rights that ended, runs that are gone, bad values that are named."""

import asyncio
import json

import pytest
from django.db.models import Sum

from runs.metrics.models import MetricBatch, MetricChunk
from runs.models import Run
from studio.kernel import belief
from studio.mlflow.hot.telemetry import MOST_METRICS
from tests.conftest import People
from tests.kernel.asgi import PATIENCE, Answer
from tests.mlflow.conftest import Door, Enter, refusal
from tests.runs.telemetry import ask
from workspace.accounts.models import Token
from workspace.audit.models import Entry
from workspace.models import Membership


async def native(door: Door, run: str, **body: object) -> Answer:
    """The same person through our own door."""
    return await door.caller.post(f"/api/v1/workspaces/lab/runs/{run}/metrics", body)


async def until_refused(door: Door, run: str) -> Answer:
    """Log until that is refused. Nothing may be believed for longer than a second; the machine may be busy."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await door.post("runs/log-metric", run_id=run, key="a", value=1, timestamp=1)).status == 200:
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.05))])
    return answer


def points() -> int:
    return MetricChunk.objects.aggregate(count=Sum("count"))["count"] or 0


async def a_run(door: Door) -> str:
    run: str = (await door.run())["info"]["run_id"]
    answer = await door.post("runs/log-metric", run_id=run, key="a", value=1, timestamp=1)
    assert answer.status == 200, answer.body
    return run


@pytest.mark.parametrize(
    ("loss", "refused"),
    [
        (lambda: Membership.objects.filter(user__username="carl").update(role="reader"), (403, "PERMISSION_DENIED")),
        (lambda: Membership.objects.filter(user__username="carl").delete(), (404, "RESOURCE_DOES_NOT_EXIST")),
        (lambda: Token.objects.filter(user__username="carl").delete(), (401, "UNAUTHENTICATED")),
    ],
    ids=["role", "membership", "token"],
)
async def test_a_right_that_ended_ends_logging(carl: Door, people: People, loss, refused):
    run = await a_run(carl)
    await ask(loss)
    assert refusal(await until_refused(carl, run)) == refused


async def test_what_is_believed_is_asked_anew_after_its_time(carl: Door, people: People, monkeypatch):
    run = await a_run(carl)
    await ask(lambda: Membership.objects.filter(user__username="carl").update(role="reader"))
    monkeypatch.setattr(belief, "BELIEVED", 0)  # as if that time had passed
    answer = await carl.post("runs/log-metric", run_id=run, key="a", value=2, timestamp=2)
    assert refusal(answer) == (403, "PERMISSION_DENIED")
    assert await ask(points) == 1


async def test_nobody_is_believed_for_somebody_else(carl: Door, enter, people: People):
    run = await a_run(carl)
    for name, refused in (("rio", 403), ("olga", 403), ("mallory", 404), (None, 401)):
        answer = await enter(name).post("runs/log-metric", run_id=run, key="a", value=2, timestamp=2)
        assert answer.status == refused, name
    other = await enter("carl").caller.post(
        "/mlflow/den/api/2.0/mlflow/runs/log-metric", {"run_id": run, "key": "a", "value": 2, "timestamp": 2}
    )
    assert other.status == 404
    assert await ask(points) == 1


async def test_a_run_that_was_just_deleted_takes_nothing(carl: Door, people: People, monkeypatch):
    monkeypatch.setattr(belief, "BELIEVED", 3600)
    run = await a_run(carl)
    assert (await carl.post("runs/delete", run_id=run)).status == 200
    for call, body in (
        ("log-metric", {"key": "a", "value": 2, "timestamp": 2}),
        ("log-parameter", {"key": "p", "value": "2"}),
        ("log-batch", {"tags": [{"key": "t", "value": "2"}]}),
    ):
        answer = await carl.post(f"runs/{call}", run_id=run, **body)
        assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE"), call
        assert answer.json()["message"] == (f"The run {run} must be in the 'active' state. Current state is deleted.")
    assert await ask(points) == 1
    await ask(lambda: Run.objects.filter(pk=run).delete())
    answer = await carl.post("runs/log-metric", run_id=run, key="a", value=2, timestamp=2)
    assert refusal(answer) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_a_repeat_after_a_cut_connection_counts_once(carl: Door, people: People):
    run = await a_run(carl)
    body = {"metrics": [{"key": "a", "value": at, "timestamp": at, "step": at} for at in range(50)], "run_id": run}
    raw = json.dumps(body).encode()
    path = "/mlflow/lab/api/2.0/mlflow/runs/log-batch"
    # The sender goes away while its write is in line; then it says all again, twice at once.
    going = asyncio.ensure_future(carl.caller.call("POST", path, raw))
    await asyncio.sleep(0)
    going.cancel()
    answers = await asyncio.gather(*(carl.post("runs/log-batch", raw) for _ in range(2)))
    assert [answer.status for answer in answers] == [200, 200]
    assert await ask(points) == 51
    ours = {"batch": "b1", "points": [["b", 1.0, at, at + 1] for at in range(50)]}
    told = [(await native(carl, run, **ours)).json() for _ in range(2)]
    assert told == [{"accepted": 50, "duplicate": False}, {"accepted": 0, "duplicate": True}]
    assert await ask(points) == 101


async def test_parameters_and_tags_alone_are_not_remembered(carl: Door, people: People):
    run = (await carl.run())["info"]["run_id"]
    for _ in range(2):
        assert (await carl.post("runs/log-parameter", run_id=run, key="p", value="1")).status == 200
        assert (await carl.post("runs/log-batch", run_id=run, tags=[{"key": "t", "value": "1"}])).status == 200
    assert (await carl.read(run))["params"] == {"p": "1"}
    assert await ask(MetricBatch.objects.count) == 0


LONG = "k" * 10_000
GOOD = {"key": "good", "value": 1, "timestamp": 1}


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        ({"key": "loss", "value": "much", "timestamp": 1}, "metrics[1].value"),
        ({"key": LONG, "value": 1, "timestamp": 1}, "metrics[1].key"),
        ({"key": "loss", "value": 1, "timestamp": 1, "step": "later"}, "metrics[1].step"),
        ({"key": "loss", "value": 1, "timestamp": 1, "step": 2**63}, "metrics[1].step"),
        ({"key": "loss", "value": None, "timestamp": 1}, "metrics[1].value"),
        ({"key": "loss", "value": 1}, "metrics[1].timestamp"),
        ({"key": "a\nb", "value": 1, "timestamp": 1}, "[1] ('a\\nb')"),
    ],
)
async def test_a_bad_metric_is_named_and_nothing_is_kept(carl: Door, people: People, metric, named):
    run = (await carl.run())["info"]["run_id"]
    answer = await carl.post("runs/log-batch", run_id=run, metrics=[GOOD, metric])
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert named in answer.json()["message"]
    assert await ask(points) == 0


@pytest.mark.parametrize(
    ("point", "named"),
    [
        (["loss", "much", 1, 1], "points[1] ('loss')"),
        ([LONG, 1.0, 1, 1], f"points[1] ('{LONG[:80]}')"),
        (["loss", 1.0, "later", 1], "points[1] ('loss')"),
        (["loss", None, 1, 1], "points[1] ('loss')"),
        (["a\nb", 1.0, 1, 1], "points[1] ('a\\nb')"),
    ],
)
async def test_a_bad_point_is_named_at_our_own_door(carl: Door, people: People, point, named):
    run = (await carl.run())["info"]["run_id"]
    answer = await native(carl, run, batch="b", points=[["good", 1.0, 1, 1], point])
    assert answer.status == 422
    assert named in answer.json()["error"]["message"]
    assert await ask(points) == 0


@pytest.mark.parametrize("what", ["params", "tags"])
async def test_a_pair_with_a_long_key_is_named(carl: Door, people: People, what):
    run = (await carl.run())["info"]["run_id"]
    pairs = [{"key": "good", "value": "1"}, {"key": LONG, "value": "1"}]
    answer = await carl.post("runs/log-batch", run_id=run, **{what: pairs})
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert f"{what}[1].key" in answer.json()["message"]
    assert "good" not in (await carl.read(run))[what]


async def test_a_batch_over_the_limit_says_so(carl: Door, people: People):
    run = (await carl.run())["info"]["run_id"]
    many = [{**GOOD, "step": at} for at in range(MOST_METRICS + 1)]
    answer = await carl.post("runs/log-batch", run_id=run, metrics=many)
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert f"at most {MOST_METRICS} metrics. Got {MOST_METRICS + 1}" in answer.json()["message"]
    found = await native(carl, run, batch="b", points=[["a", 1.0, at, 1] for at in range(1001)])
    assert (found.status, found.code) == (422, "too_many_points")
    assert await ask(points) == 0


@pytest.mark.parametrize(
    ("call", "body", "named"),
    [
        ("log-metric", {"key": LONG, "value": 1, "timestamp": 1}, "key"),
        ("log-metric", {"key": "loss", "value": "much", "timestamp": 1}, "value"),
        ("log-metric", {"key": "loss", "value": 1, "timestamp": 1, "step": "epoch"}, "step"),
        ("log-metric", {"key": "loss", "value": 1, "timestamp": "now"}, "timestamp"),
        ("log-parameter", {"key": LONG, "value": "1"}, "key"),
        ("log-parameter", {"key": "lr", "value": ["1"]}, "value"),
        ("set-tag", {"key": LONG, "value": "1"}, "tags[0].key"),
        ("set-tag", {"key": "team", "value": ["1"]}, "value"),
    ],
)
async def test_a_wrong_value_of_one_call_is_named(carl: Door, people: People, call, body, named):
    run = (await carl.run())["info"]["run_id"]
    before = await carl.read(run)
    answer = await carl.post(f"runs/{call}", run_id=run, **body)
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    message = answer.json()["message"]
    assert named in message and len(message) < 1000, message
    assert await carl.read(run) == before


async def test_runs_that_begin_together_are_numbered_once_and_told_of(carl: Door):
    group = await carl.experiment()
    other = await carl.experiment("letters")
    both = [group, other] * 10
    made = await asyncio.gather(*(carl.run(one, run_name="twin", tags=[{"key": "at", "value": "x"}]) for one in both))
    ids = [one["info"]["run_id"] for one in made]

    def kept() -> list[tuple[int, int, str, str]]:
        rows = Run.objects.filter(pk__in=ids).order_by("experiment", "number")
        return list(rows.values_list("experiment_id", "number", "name", "tags__at"))

    assert await ask(kept) == [(int(one), at, "twin", "x") for one in (group, other) for at in range(1, 11)]
    deeds = await ask(lambda: list(Entry.objects.filter(action="run.start").values_list("target", "actor_name")))
    assert sorted(deeds) == sorted((id_, "carl") for id_ in ids)
    answer = await carl.get("runs/get", run_id=ids[0])
    assert answer.json()["run"]["info"] == made[0]["info"]


async def test_an_experiment_that_was_just_archived_takes_no_run(carl: Door):
    group = await carl.experiment()
    await carl.run(group)
    await carl.post("experiments/delete", experiment_id=group)
    answer = await carl.post("runs/create", experiment_id=group)
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert "must be in the 'active' state" in answer.json()["message"]
    assert await ask(Run.objects.count) == 1


async def test_a_right_that_ended_ends_the_beginning_of_runs(carl: Door, people: People):
    group = await carl.experiment()
    await carl.run(group)
    await ask(lambda: Membership.objects.filter(user__username="carl").update(role="reader"))
    async with asyncio.timeout(PATIENCE):
        while (answer := await carl.post("runs/create", experiment_id=group)).status == 200:
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.05))])
    assert refusal(answer) == (403, "PERMISSION_DENIED")


async def test_a_colleague_tags_a_run_and_it_is_written_down(carl: Door, enter: Enter):
    """What its own client says of a run is telemetry; what somebody else says is a deed."""
    run = await a_run(carl)
    olga = enter("olga")
    for door in (carl, olga):
        assert (await door.post("runs/set-tag", run_id=run, key=f"by{door is olga}", value="1")).status == 200
    assert {"byTrue": "1", "byFalse": "1"}.items() <= (await carl.read(run))["tags"].items()
    deeds = await ask(lambda: list(Entry.objects.filter(action="run.edit").values_list("target", "actor_name")))
    assert deeds == [(run, "olga")]
