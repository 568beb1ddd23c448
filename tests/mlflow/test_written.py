"""Pages of runs are kept as they were written, so whatever changes of a run must be seen in the next one."""

import psycopg

from studio.kernel import lines
from studio.kernel.kept import Kept
from studio.mlflow import pages
from tests.mlflow.conftest import Door, refusal


async def find(door: Door, **more: object) -> list[dict[str, object]]:
    answer = await door.post("runs/search", experiment_ids=["0"], **more)
    assert answer.status == 200, answer.body
    return answer.json()["runs"]


async def test_every_change_shows_in_the_next_search(carl: Door, enter):
    run_id = (await carl.run())["info"]["run_id"]
    changes = [
        ("runs/log-metric", {"key": "loss", "value": 0.5, "timestamp": 7, "step": 3}),
        ("runs/log-parameter", {"key": "depth", "value": "4"}),
        ("runs/set-tag", {"key": "colour", "value": "red"}),
        ("runs/set-tag", {"key": "colour", "value": "blue"}),
        ("runs/delete-tag", {"key": "colour"}),
        ("runs/update", {"run_name": "other"}),
        ("runs/update", {"status": "FINISHED", "end_time": 2000}),
        ("runs/update", {"status": "RUNNING"}),
    ]
    seen = await find(carl)
    for call, said in changes:
        assert (await carl.post(call, run_id=run_id, **said)).status == 200
        [found] = await find(carl)
        assert found == (await carl.get("runs/get", run_id=run_id)).json()["run"]
        assert [found] != seen, call
        seen = [found]
        assert [found] == await find(enter("rio"))  # and again, from what is kept
    assert (await carl.post("runs/delete", run_id=run_id)).status == 200
    assert await find(carl) == []
    [hidden] = await find(carl, run_view_type="ALL")
    assert hidden["info"]["lifecycle_stage"] == "deleted"


async def test_a_run_of_an_experiment_that_was_put_away_is_told_as_deleted(carl: Door):
    experiment = await carl.experiment()
    await carl.run(experiment)

    async def stages(view: str) -> list[str]:
        answer = await carl.post("runs/search", experiment_ids=[experiment], run_view_type=view)
        return [run["info"]["lifecycle_stage"] for run in answer.json()["runs"]]

    assert await stages("ALL") == await stages("ACTIVE_ONLY") == ["active"]
    assert (await carl.post("experiments/delete", experiment_id=experiment)).status == 200
    assert (await stages("ALL"), await stages("ACTIVE_ONLY")) == (["deleted"], [])
    assert await stages("DELETED_ONLY") == ["deleted"]
    assert (await carl.post("experiments/restore", experiment_id=experiment)).status == 200
    assert await stages("ALL") == ["active"]


async def test_what_a_run_reads_is_told_also_when_it_is_said_later(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    names = []
    for name in ("first", "second"):
        data = {"name": name, "digest": "d", "source_type": "local", "source": "x"}
        said = {"tags": [{"key": "mlflow.data.context", "value": "training"}], "dataset": data}
        answer = await carl.post("runs/log-inputs", run_id=run_id, datasets=[said])
        assert answer.status == 200, answer.body
        [found] = await find(carl)
        names.append([one["dataset"]["name"] for one in found["inputs"]["dataset_inputs"]])
    assert names == [["first"], ["first", "second"]]


async def test_a_stranger_is_told_nothing_of_what_is_kept(carl: Door, enter):
    await carl.run()
    assert len(await find(carl)) == 1
    answer = await enter("mallory").post("runs/search", experiment_ids=["0"])
    assert refusal(answer) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_numbers_beyond_json_and_documents_of_any_kind(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    for key, value in (("nan", "NaN"), ("inf", "Infinity"), ("big", 1e308), ("whole", 3)):
        said = {"key": key, "value": value, "timestamp": 1}
        assert (await carl.post("runs/log-metric", run_id=run_id, **said)).status == 200
    [found] = await find(carl)
    values = {one["key"]: one["value"] for one in found["data"]["metrics"]}
    assert values == {"nan": "NaN", "inf": 1.7976931348623157e308, "big": 1e308, "whole": 3}


async def test_the_oldest_is_forgotten_when_there_is_no_more_room(carl: Door, monkeypatch):
    monkeypatch.setattr(pages, "_kept", Kept(1500))
    for _ in range(5):
        await carl.run()
    first = await find(carl)
    assert len(first) == 5
    assert 1 <= len(pages._kept) < 5
    assert await find(carl) == first


async def test_a_page_costs_as_many_questions_as_one_run(carl: Door, monkeypatch):
    seen: list[str] = []

    def note(kind: type, name: str) -> None:
        asked = getattr(kind, name)

        def noted(one, query, *rest, **more):
            if "runs_run" in str(query):
                seen.append(str(query))
            return asked(one, query, *rest, **more)

        monkeypatch.setattr(kind, name, noted)

    note(psycopg.Cursor, "execute")
    note(lines.Line, "_answer")
    costs = []
    for count in (1, 6):
        for _ in range(count):
            await carl.run()
        for _ in range(2):
            seen.clear()
            await find(carl)
            costs.append(len(seen))
    # What found them, and what reads those that changed.
    assert costs == [2, 1, 2, 1]
