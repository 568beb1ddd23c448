"""The socket of charts: points of many runs over one connection, of the metrics on the screen, none of strangers."""

import uuid

import pytest

from runs.metrics import consumers
from runs.models import Run
from studio.kernel import live
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask
from workspace.models import Membership

ADDRESS = "/ws/w/lab/chart"


@pytest.fixture(autouse=True)
async def quiet_hub():
    yield
    await live.hub().stop()


@pytest.fixture
def pair(app, make_run, running) -> list[tuple[Running, Caller]]:
    """Two runs and the code of each."""
    runs = [running, make_run()]
    return [(run, Caller(app, {"authorization": f"Bearer {run.token}"})) for run in runs]


async def log(run: Running, code: Caller, *points: list) -> None:
    answer = await code.post(f"{run.agent}/metrics", {"batch": str(uuid.uuid4()), "points": list(points)})
    assert answer.status == 200, answer.body


async def test_points_of_several_runs_come_over_one_socket(pair, person, monkeypatch):
    # Frames of a topic that nobody heard a moment ago are held back, and then only the last one comes.
    monkeypatch.setattr("studio.kernel.bells.HOLD", 0.0)
    (one, first), (other, second) = pair
    await log(one, first, ["loss", 0, 0, 1])
    async with person("rio").socket(ADDRESS) as socket:
        await socket.send(t="watch", runs=[one.id, other.id], keys=["loss"])
        seqs = (await socket.until("seqs"))["seqs"]
        assert seqs[one.id] > 0 and seqs[other.id] == 0
        at = dict(seqs)
        seen: dict[str, list[int]] = {one.id: [], other.id: []}
        for step in range(1, 6):
            await log(one, first, ["loss", step, step, 1], ["other", step, step, 1])
            await log(other, second, ["loss", -step, step, 1])
        while len(seen[one.id]) < 5 or len(seen[other.id]) < 5:
            for run, prev, seq, data in (await socket.until("points"))["pieces"]:
                if seq <= at[run]:
                    continue  # rung before we listened, and read with the numbers
                assert prev == at[run] and seq > prev and data.keys() <= {"loss"}
                at[run] = seq
                steps, values, _ = data.get("loss", [[], [], []])
                seen[run] += steps
                assert values == [step if run == one.id else -step for step in steps]
        assert seen == {one.id: [1, 2, 3, 4, 5], other.id: [1, 2, 3, 4, 5]}
        # Somebody scrolls: another metric is on the screen now.
        await socket.send(t="watch", runs=[one.id], keys=["other"])
        assert (await socket.until("seqs"))["seqs"] == {one.id: at[one.id]}
        await log(one, first, ["loss", 6, 6, 1], ["other", 6, 6, 1])
        ((run, prev, _, data),) = (await socket.until("points"))["pieces"]
        assert (run, prev, list(data)) == (one.id, at[one.id], ["other"])


async def test_who_asks_for_bells_hears_of_all_that_runs_log(pair, person, monkeypatch):
    monkeypatch.setattr("studio.kernel.bells.HOLD", 0.0)
    (one, first), (other, second) = pair
    async with person("rio").socket(ADDRESS) as socket, person("rio").socket(ADDRESS) as deaf:
        await socket.send(t="watch", runs=[one.id, other.id], keys=[], bells=True)
        await deaf.send(t="watch", runs=[one.id, other.id], keys=["loss"])
        await socket.until("seqs")
        await deaf.until("seqs")
        table = {"key": "rows", "kind": "table", "value": {"a": [1]}, "step": 1}
        answer = await first.post(f"{one.agent}/metrics", {"batch": str(uuid.uuid4()), "items": [table]})
        assert answer.status == 200, answer.body
        assert await socket.until("rang") == {"t": "rang", "what": "items", "runs": [one.id]}
        answer = await second.post(f"{other.agent}/metrics", {"batch": str(uuid.uuid4()), "tags": {"team": "vision"}})
        assert answer.status == 200, answer.body
        assert await socket.until("rang") == {"t": "rang", "what": "run", "runs": [other.id]}
        # Of points it hears that there are some, and not what they are.
        await log(one, first, ["loss", 1, 1, 1])
        ((run, _, _, data),) = (await socket.until("points"))["pieces"]
        assert (run, data) == (one.id, {})
        # Who asked for none gets the points first, as the next frame of all.
        frame = await deaf.next()
        assert (frame["t"], [piece[0] for piece in frame["pieces"]]) == ("points", [one.id])


async def test_strangers_and_what_they_name(pair, person):
    (one, _), _ = pair
    for name, code in ((None, 4401), ("mallory", 4404)):
        async with person(name).socket(ADDRESS) as socket:
            await socket.send(t="watch", runs=[one.id], keys=["loss"])
            assert (await socket.until("closed"))["code"] == code
    async with person("mallory").socket("/ws/w/den/chart") as socket:
        await socket.send(t="watch", runs=[one.id, "\0", "x" * 9000], keys=["loss"])
        assert (await socket.until("seqs"))["seqs"] == {}


@pytest.mark.parametrize(
    "told", [{"runs": 1, "keys": []}, {"runs": [1], "keys": []}, {"runs": []}, {"keys": [[]], "runs": []}]
)
async def test_what_cannot_be_meant_is_not_heard(pair, person, told):
    (one, code), _ = pair
    async with person("rio").socket(ADDRESS) as socket:
        await socket.send(t="watch", **told)
        await socket.send(t="watch", runs=[one.id] * 500, keys=["loss"])
        assert list((await socket.until("seqs"))["seqs"]) == [one.id]
        await log(one, code, ["loss", 1, 1, 1])
        assert (await socket.until("points"))["pieces"][0][0] == one.id


async def test_who_leaves_the_workspace_hears_no_more(pair, person, people, monkeypatch):
    monkeypatch.setattr(consumers, "RECHECK", 0.2)
    (one, _), _ = pair
    async with person("rio").socket(ADDRESS) as socket:
        await socket.send(t="watch", runs=[one.id], keys=["loss"])
        await socket.until("seqs")
        await ask(lambda: Membership.objects.filter(user=people.rio).delete())
        assert (await socket.until("closed"))["code"] == 4404


async def test_a_lost_bell_is_made_good_by_the_numbers(pair, person, monkeypatch):
    monkeypatch.setattr(consumers, "SWEEP", 0.2)
    monkeypatch.setattr(consumers, "RECHECK", 0.2)
    monkeypatch.setattr("runs.metrics.services.ring_soon", lambda *_: None)
    (one, code), (gone, _) = pair
    async with person("rio").socket(ADDRESS) as socket:
        await socket.send(t="watch", runs=[one.id, gone.id], keys=["loss"])
        before = (await socket.until("seqs"))["seqs"]
        await log(one, code, ["loss", 1, 1, 1])
        await ask(lambda: Run.objects.filter(pk=gone.id).update(deleted="2026-01-01T00:00:00Z"))
        while (seqs := (await socket.until("seqs"))["seqs"])[one.id] == before[one.id]:
            pass
        assert list(seqs) == [one.id]
