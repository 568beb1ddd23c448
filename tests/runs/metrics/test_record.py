"""Points through the raw door: once, in order, exact, and from nobody who may not."""

import asyncio
import math
import struct
import uuid

import msgspec
import pytest
from django.db.models import Sum

from runs.metrics import services
from runs.metrics.models import MetricChunk
from runs.metrics.wire import Batch, Point
from runs.models import Run
from studio.kernel.actors import Actor
from studio.kernel.groupcommit import GroupCommit
from tests.kernel.asgi import Answer, Caller
from tests.runs.telemetry import Running, ask


def batch(*points: list, **more: object) -> dict:
    return {"batch": str(uuid.uuid4()), "points": list(points), **more}


async def read(person, running: Running, *, points: int = 1000, since: int = 0) -> dict:
    answer = await person("rio").get(f"{running.user}/series?points={points}&since_seq={since}")
    assert answer.status == 200, answer.body
    return answer.json()


async def test_points_come_back_as_they_were_logged(running, code: Caller, person):
    answer = await code.post(f"{running.agent}/metrics", batch(["loss", 0.5, 1, 1000], ["loss", 0.25, 2, 2000]))
    assert (answer.status, answer.json()) == (200, {"accepted": 2, "duplicate": False})
    assert answer.headers["x-desired"] == "run"
    found = await read(person, running)
    assert found["series"] == {"loss": {"step": [1, 2], "value": [0.5, 0.25], "time": [1000, 2000]}}
    summary = (await person("rio").get(f"{running.user}/metrics")).json()
    assert summary["seq"] == found["seq"] > 0
    assert summary["metrics"]["loss"] == {
        "kind": "list", "last": 0.25, "last_step": 2, "latest": [2, 2000, 0.25], "min": 0.25, "max": 0.5, "count": 2,
    }  # fmt: skip


async def test_a_repeated_batch_adds_nothing(running, code: Caller, person):
    body = batch(["loss", 1.0, 1, 1])
    first = await code.post(f"{running.agent}/metrics", body)
    again = await code.post(f"{running.agent}/metrics", body)
    assert first.json() == {"accepted": 1, "duplicate": False}
    assert (again.status, again.json()) == (200, {"accepted": 0, "duplicate": True})
    assert (await read(person, running))["series"]["loss"]["step"] == [1]


async def test_a_repeat_after_the_end_is_still_only_a_repeat(running, code: Caller):
    body = batch(["loss", 1.0, 1, 1])
    await code.post(f"{running.agent}/metrics", body)
    await ask(lambda: running.change(status="completed"))
    assert (await code.post(f"{running.agent}/metrics", body)).json()["duplicate"] is True
    late = await code.post(f"{running.agent}/metrics", batch(["loss", 2.0, 2, 2]))
    assert (late.status, late.code) == (409, "final")


async def test_twins_at_the_same_moment_count_once(running, code: Caller, person):
    body = batch(["loss", 1.0, 1, 1])
    answers = await asyncio.gather(*(code.post(f"{running.agent}/metrics", body) for _ in range(8)))
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 7
    assert (await read(person, running))["series"]["loss"]["step"] == [1]


async def test_order_does_not_matter_and_equal_steps_stay(running, code: Caller, person):
    await code.post(f"{running.agent}/metrics", batch(["a", 3, 3, 1], ["a", 1, 1, 1], ["a", 2.5, 2, 1]))
    await code.post(f"{running.agent}/metrics", batch(["a", 0, -4, 1], ["a", 9, 2, 1]))
    assert (await read(person, running))["series"]["a"] == {
        "step": [-4, 1, 2, 2, 3],
        "value": [0, 1, 2.5, 9, 3],
        "time": [1] * 5,
    }


HOSTILE = [0.1, 5e-324, -0.0, 1.7976931348623157e308, math.nan, math.inf, -math.inf, float(2**53 + 1), -1e-300]


def same(one: float, other: float) -> bool:
    return struct.pack("<d", one) == struct.pack("<d", other) or (math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize("packed", [False, True])
async def test_values_are_bit_exact_and_the_answer_is_json(running, code: Caller, person, packed):
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    steps = [-(2**63), *range(len(HOSTILE) - 2), 2**63 - 1]
    if packed:
        body = batch(*(["x", value, step, 5] for value, step in zip(HOSTILE, steps, strict=True)))
        raw, kind = msgspec.msgpack.encode(body), "application/msgpack"
    else:
        body = batch(*(["x", names.get(str(v), v), step, 5] for v, step in zip(HOSTILE, steps, strict=True)))
        raw, kind = msgspec.json.encode(body), "application/json"
    answer = await code.post(f"{running.agent}/metrics", raw, content_type=kind)
    assert answer.status == 200, answer.body
    found = (await read(person, running))["series"]["x"]
    assert found["step"] == steps
    assert all(same(float(got), value) for got, value in zip(found["value"], HOSTILE, strict=True))
    summary = (await person("rio").get(f"{running.user}/metrics")).json()["metrics"]["x"]
    assert (summary["min"], summary["max"], summary["count"]) == ("-Infinity", "Infinity", len(HOSTILE))


@pytest.mark.parametrize(
    ("points", "named"),
    [
        ([["ok", 1.0, 1, 1], ["acc", "many", 1, 1]], "points[1] ('acc')"),
        ([["ok", 1.0, 1, 1], ["acc", None, 1, 1]], "points[1] ('acc')"),
        ([["acc", 1.0, "one", 1]], "points[0] ('acc')"),
        ([["acc", 1.0, 2**63, 1]], "points[0] ('acc')"),
        ([["k" * 251, 1.0, 1, 1]], "points[0]"),
        ([["nul\x00", 1.0, 1, 1]], "points[0]"),
        ([["", 1.0, 1, 1]], "points[0]"),
        ([7], "points[0]"),
        ([["x", 1.0, 1, 1]] * 1001, "1000"),
    ],
)
async def test_a_wrong_point_is_named_and_nothing_is_kept(running, code: Caller, person, points, named):
    answer = await code.post(f"{running.agent}/metrics", batch(*points))
    assert answer.status == 422
    assert named in answer.json()["error"]["message"]
    assert (await read(person, running))["series"] == {}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"batch":"a","points":[["x",NaN]]}', b'"' * 99, b"\xff\xfe"])
async def test_a_body_that_cannot_be_meant_is_refused(running, code: Caller, body):
    assert (await code.post(f"{running.agent}/metrics", body)).status == 422


async def test_a_thousand_points_pass_and_a_body_over_a_megabyte_does_not(running, code: Caller):
    answer = await code.post(f"{running.agent}/metrics", batch(*(["x", step / 7, step, 1] for step in range(1000))))
    assert answer.json()["accepted"] == 1000
    large = await code.call("POST", f"{running.agent}/metrics", [b"x" * 65536] * 17)
    assert (large.status, large.code) == (413, "too_large")


async def test_eight_writers_to_one_run_lose_nothing(running, code: Caller, person):
    async def write(writer: int) -> list[Answer]:
        return [
            await code.post(
                f"{running.agent}/metrics",
                batch(["shared", writer, at, 1], [f"own{writer}", at, at, 1], params={f"p{writer}": "x"}),
            )
            for at in range(25)
        ]

    answers = await asyncio.gather(*(write(writer) for writer in range(8)))
    assert all(answer.json()["accepted"] == 2 for of_one in answers for answer in of_one)
    summary = (await person("rio").get(f"{running.user}/metrics")).json()["metrics"]
    assert (summary["shared"]["count"], summary["shared"]["min"], summary["shared"]["max"]) == (200, 0, 7)
    assert all(summary[f"own{writer}"]["count"] == 25 for writer in range(8))
    found = (await read(person, running))["series"]
    assert len(found["shared"]["step"]) == 200
    assert all(found[f"own{writer}"]["value"] == list(range(25)) for writer in range(8))
    params = await ask(lambda: Run.objects.get(pk=running.id).params)
    assert params == {f"p{writer}": "x" for writer in range(8)}


def test_two_processes_that_write_to_one_run_lose_nothing(running, people):
    actor = Actor(kind="run", run_id=running.id, attempt=1, workspace_id=running.lab.pk)

    def item(name: str, value: float) -> services._Item:
        return services._Item(running.id, actor, Batch(name, [Point("x", value, 1, 1)]))

    # Each process has one commit thread; only the row's lock stands between the two.
    both = [GroupCommit("one", services._write), GroupCommit("two", services._write)]
    futures = [side.submit(item(f"own-{at}-{of}", at)) for at in range(60) for of, side in enumerate(both)]
    twins = [side.submit(item(f"twin-{at}", -1)) for at in range(20) for side in both]
    assert all(future.result(60).accepted == 1 for future in futures)
    assert sorted(future.result(60).duplicate for future in twins) == [False] * 20 + [True] * 20
    for side in both:
        side.close()
    assert Run.objects.get(pk=running.id).metrics["x"]["count"] == 140
    assert MetricChunk.objects.aggregate(points=Sum("count"))["points"] == 140


async def test_a_stale_attempt_and_another_runs_token_are_refused(running, make_run, code: Caller):
    other = await ask(make_run)
    strange = await code.post(f"{other.agent}/metrics", batch(["x", 1, 1, 1]))
    assert strange.status == 404
    assert (await code.post(f"{running.agent}/metrics", batch(["x", 1, 1, 1]))).status == 200
    # The next attempt begins while this token is still in the cache of the door.
    await ask(lambda: running.change(attempt_no=2, status="starting"))
    late = await code.post(f"{running.agent}/metrics", batch(["x", 2, 2, 1]))
    assert (late.status, late.code) == (409, "stale_attempt")
    await ask(lambda: running.change(attempt_no=1, status="queued"))
    given_up = await code.post(f"{running.agent}/metrics", batch(["x", 3, 3, 1]))
    assert (given_up.status, given_up.code) == (409, "stale_attempt")
    assert await ask(lambda: Run.objects.get(pk=running.id).metrics["x"]["count"]) == 1


async def test_a_param_keeps_its_value_and_a_bad_neighbour_harms_nobody(running, code: Caller):
    assert (await code.post(f"{running.agent}/metrics", batch(params={"lr": 0.1}, tags={"stage": "one"}))).status == 200
    bodies = [batch(["x", at, at, 1], params={"lr": "0.2"} if at == 3 else {"lr": "0.1"}) for at in range(8)]
    answers = await asyncio.gather(*(code.post(f"{running.agent}/metrics", body) for body in bodies))
    assert [answer.status for answer in answers] == [200, 200, 200, 409, 200, 200, 200, 200]
    assert answers[3].code == "param_changed" and "'lr'" in answers[3].json()["error"]["message"]
    run = await ask(lambda: Run.objects.get(pk=running.id))
    assert (run.params, run.tags, run.metrics["x"]["count"]) == ({"lr": "0.1"}, {"stage": "one"}, 7)


async def test_keys_have_a_limit_that_does_not_fail_the_run(running, code: Caller, monkeypatch):
    monkeypatch.setattr("runs.metrics.services.MAX_KEYS", 3)
    answer = await code.post(f"{running.agent}/metrics", batch(*([f"k{at}", 1, 1, 1] for at in range(5))))
    told = answer.json()
    assert (told["accepted"], told["refused"], told["code"], told["keys"]) == (3, 2, "too_many_keys", ["k3", "k4"])
    assert sorted(await ask(lambda: Run.objects.get(pk=running.id).metrics)) == ["k0", "k1", "k2"]


WHO = [("olga", 200), ("carl", 200), ("rio", 200), ("mallory", 404), ("ada", 403), (None, 401)]


@pytest.mark.parametrize(("name", "status"), WHO)
async def test_who_may_read(running, person, name, status):
    caller = person(name)
    for path in (f"{running.user}/metrics", f"{running.user}/series", f"{running.user}/items"):
        answer = await caller.get(path)
        assert answer.status == status
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_only_running_code_writes_to_a_script_run(running, app, people, person):
    from workspace.accounts.services import create_token

    for name, status in [("carl", 403), ("rio", 403), ("mallory", 404)]:
        _, plain = await ask(lambda name=name: create_token(actor=people.actor(name), name="t", days=1))
        pat = Caller(app, {"authorization": f"Bearer {plain}"})
        assert (await pat.post(f"{running.user}/metrics", batch(["x", 1, 1, 1]))).status == status
        assert (await pat.post(f"{running.agent}/metrics", batch(["x", 1, 1, 1]))).status == 403
    assert (await Caller(app).post(f"{running.agent}/metrics", batch())).status == 401
    browser = person("carl")
    assert (await browser.post(f"{running.user}/metrics", batch(["x", 1, 1, 1]))).status == 401


async def test_a_person_logs_to_their_own_interactive_run(make_run, app, people):
    from workspace.accounts.services import create_token

    run = await ask(lambda: make_run(kind="interactive", attempt=0))
    answers = {}
    for name in ("carl", "olga", "rio", "mallory"):
        _, plain = await ask(lambda name=name: create_token(actor=people.actor(name), name="t", days=1))
        caller = Caller(app, {"authorization": f"Bearer {plain}"})
        answers[name] = (await caller.post(f"{run.user}/metrics", batch(["x", 1, 1, 1]))).status
    assert answers == {"carl": 200, "olga": 403, "rio": 403, "mallory": 404}
    assert await ask(lambda: MetricChunk.objects.filter(run_id=run.id).count()) == 1


@pytest.mark.parametrize("what", ["params", "tags"])
async def test_a_run_is_told_so_many_facts_and_no_more(running, code: Caller, person, what, monkeypatch):
    monkeypatch.setattr(services, "MAX_FACTS", 3)
    assert (await code.post(f"{running.agent}/metrics", batch(**{what: {"a": "1", "b": "2", "c": "3"}}))).status == 200
    full = await code.post(f"{running.agent}/metrics", batch(["loss", 1.0, 1, 1], **{what: {"d": "4"}}))
    assert (full.status, full.code) == (422, "too_many_facts")
    known = await code.post(f"{running.agent}/metrics", batch(["loss", 1.0, 1, 1], **{what: {"a": "1"}}))
    assert known.status == 200
