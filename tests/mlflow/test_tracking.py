"""Experiments, runs and what they log, through MLflow's door."""

import asyncio
import json

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from runs.models import Run
from runs.queries import get_experiment, get_run
from runs.services import cancel_run, delete_run, purge_run
from studio.kernel.errors import Conflict
from studio.shell.queries import find
from tests.conftest import People
from tests.mlflow.conftest import Door, Enter, refusal
from tests.runs.telemetry import ask
from workspace.audit.models import Entry


async def test_experiments_from_the_first_question_to_the_archive(carl: Door):
    assert refusal(await carl.get("experiments/get-by-name", experiment_name="x")) == (404, "RESOURCE_DOES_NOT_EXIST")
    number = await carl.experiment("x")
    again = await carl.post("experiments/create", name="x")
    assert refusal(again) == (400, "RESOURCE_ALREADY_EXISTS")
    shown = (await carl.get("experiments/get", experiment_id=number)).json()["experiment"]
    assert (shown["name"], shown["lifecycle_stage"]) == ("x", "active")
    assert shown["creation_time"] > 10**12
    assert (await carl.post("experiments/update", experiment_id=number, new_name="y")).json() == {}
    assert (await carl.post("experiments/delete", experiment_id=number)).json() == {}
    gone = (await carl.get("experiments/get-by-name", experiment_name="y")).json()["experiment"]
    assert (gone["experiment_id"], gone["lifecycle_stage"]) == (number, "deleted")
    assert refusal(await carl.post("runs/create", experiment_id=number)) == (400, "INVALID_PARAMETER_VALUE")
    found = (await carl.post("experiments/search", max_results=5)).json()["experiments"]
    assert [one["name"] for one in found] == ["Default"]
    assert (await carl.post("experiments/restore", experiment_id=number)).json() == {}
    assert (await carl.run(number))["info"]["experiment_id"] == number


async def test_experiments_are_searched_page_by_page(carl: Door):
    for name in ("abc", "abd", "xyz"):
        await carl.experiment(name)
    first = (await carl.post("experiments/search", max_results=1, filter="name LIKE 'ab%'")).json()
    assert [one["name"] for one in first["experiments"]] == ["abd"]
    token = first["next_page_token"]
    rest = (await carl.get("experiments/search", max_results=1, filter="name LIKE 'ab%'", page_token=token)).json()
    assert [one["name"] for one in rest["experiments"]] == ["abc"]
    assert "next_page_token" not in rest


EXPERIMENTS = [
    ({"filter": "attribute.name != 'a'"}, ["Abc", "ab", "Default"]),
    ({"filter": "name LIKE 'a%'"}, ["ab", "a"]),
    ({"filter": "tag.key = 'value'"}, ["a"]),
    ({"filter": "tag.key != 'value'"}, ["ab"]),
    ({"filter": "tags.`key` ILIKE '%alu%' AND name != 'a'"}, ["ab"]),
    ({"filter": "creation_time > 1000 and last_update_time >= 1000"}, ["Abc", "ab", "a", "Default"]),
    ({"filter": "creation_time < 1000"}, []),
    ({"order_by": ["name DESC"]}, ["ab", "a", "Default", "Abc"]),
    ({"order_by": ["name"]}, ["Abc", "Default", "a", "ab"]),
    ({"order_by": ["tags.key"]}, ["ab", "a", "Abc", "Default"]),
    ({"order_by": ["creation_time ASC"]}, ["Default", "a", "ab", "Abc"]),
    ({"order_by": ["last_update_time DESC", "experiment_id ASC"]}, ["a", "Abc", "ab", "Default"]),
]


async def test_experiments_are_found_by_name_tag_and_time(carl: Door):
    numbers = {}
    for name, value in (("a", "value"), ("ab", "vaLue"), ("Abc", None)):
        tags = [{"key": "key", "value": value}] if value else []
        numbers[name] = (await carl.post("experiments/create", name=name, tags=tags)).json()["experiment_id"]
        await asyncio.sleep(0.002)
    await carl.post("experiments/set-experiment-tag", experiment_id=numbers["a"], key="key", value="value")
    wrong = {}
    for asked, wanted in EXPERIMENTS:
        answer = await carl.post("experiments/search", **asked)
        found = [one["name"] for one in answer.json().get("experiments", [answer.json()])]
        if found != wanted:
            wrong[str(asked)] = found
    assert wrong == {}
    for asked in ({"filter": "metrics.a > 1"}, {"order_by": ["status"]}, {"filter": "tags.a > 'x'"}):
        assert refusal(await carl.post("experiments/search", **asked)) == (400, "INVALID_PARAMETER_VALUE")


async def test_the_default_experiment_is_there_from_the_beginning(carl: Door, enter: Enter):
    assert (await enter("rio").get("experiments/search", max_results=1)).json()["experiments"] == []
    assert refusal(await enter("rio").get("experiments/get", experiment_id="0")) == (404, "RESOURCE_DOES_NOT_EXIST")
    found = (await carl.get("experiments/search", max_results=1)).json()["experiments"]
    assert [one["name"] for one in found] == ["Default"]
    shown = (await enter("rio").get("experiments/get", experiment_id="0")).json()["experiment"]
    assert shown == found[0]


async def test_experiments_have_tags(carl: Door, enter: Enter, people: People):
    tags = [{"key": "mlflow.note.content", "value": "About digits."}, {"key": "team", "value": "vision"}]
    made = await carl.post("experiments/create", name="x", tags=tags, artifact_location="s3://a/b")
    number = made.json()["experiment_id"]

    async def read() -> dict:
        return (await enter("rio").get("experiments/get", experiment_id=number)).json()["experiment"]

    first = await read()
    assert (first["tags"], first["artifact_location"]) == (tags, "s3://a/b")
    described = await ask(lambda: get_experiment("lab", "x", actor=people.actor("rio")))
    assert described.description == "About digits."
    assert first["last_update_time"] == first["creation_time"]
    for key, value in (("team", "sound"), ("mlflow.note.content", "About noise."), ("long", "v" * 20_000)):
        answer = await carl.post("experiments/set-experiment-tag", experiment_id=number, key=key, value=value)
        assert (answer.status, answer.json()) == (200, {})
    assert (await carl.post("experiments/delete-experiment-tag", experiment_id=number, key="long")).status == 200
    gone = await carl.post("experiments/delete-experiment-tag", experiment_id=number, key="long")
    assert refusal(gone) == (404, "RESOURCE_DOES_NOT_EXIST")
    later = await read()
    assert {one["key"]: one["value"] for one in later["tags"]} == {
        "team": "sound",
        "mlflow.note.content": "About noise.",
    }
    assert later["last_update_time"] >= first["last_update_time"]
    await carl.post("experiments/delete-experiment-tag", experiment_id=number, key="mlflow.note.content")
    await carl.post("experiments/delete", experiment_id=number)
    assert [one["key"] for one in (await read())["tags"]] == ["team"]
    for call in ("set-experiment-tag", "update"):
        answer = await carl.post(f"experiments/{call}", experiment_id=number, key="a", value="b", new_name="c")
        assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
        assert "must be in the 'active' state" in answer.json()["message"]


NAMES = ["/Users/ann@x.org/my exp", "実験 1", "a\u3000b", "100%?#&<b>'\"\\", "x" * 500, "é" * 500]


@pytest.mark.parametrize("name", NAMES)
async def test_experiments_have_any_name(carl: Door, people: People, name):
    number = await carl.experiment(name)
    assert (await carl.get("experiments/get-by-name", experiment_name=name)).json()["experiment"]["name"] == name
    run = await carl.run(number)

    def pages() -> None:
        browser = Client()
        browser.force_login(people.rio)
        for page in (reverse("experiment", args=["lab", name]), reverse("run", args=["lab", run["info"]["run_id"]])):
            shown = browser.get(page)
            assert shown.status_code == 200
            assert escape(name) in shown.content.decode()
        assert browser.get("/api/v1/workspaces/lab/runs", {"experiment": name}).json()["runs"][0]["experiment"] == name

    await ask(pages)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 501, "a/../b", "..", "a\u2028b"])
async def test_names_that_experiments_cannot_have(carl: Door, name):
    assert refusal(await carl.post("experiments/create", name=name)) == (400, "INVALID_PARAMETER_VALUE")


async def test_a_deleted_run_is_nowhere_until_it_is_restored(carl: Door, enter: Enter, people: People):
    number = await carl.experiment()
    kept = (await carl.run(number, run_name="kept"))["info"]["run_id"]
    tags = [{"key": "mlflow.parentRunId", "value": kept}]
    gone = (await carl.run(number, run_name="wanderer", tags=tags))["info"]["run_id"]
    assert refusal(await enter("olga").post("runs/delete", run_id="x")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert (await carl.post("runs/delete", run_id=gone)).json() == {}
    assert (await carl.post("runs/delete", run_id=gone)).json() == {}
    read = (await carl.get("runs/get", run_id=gone)).json()["run"]["info"]
    assert (read["lifecycle_stage"], read["status"]) == ("deleted", "RUNNING")

    async def found(view: str) -> list[str]:
        answer = await carl.post("runs/search", experiment_ids=[number], run_view_type=view)
        return [one["info"]["run_name"] for one in answer.json()["runs"]]

    assert [await found(view) for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")] == [
        ["kept"],
        ["wanderer"],
        ["wanderer", "kept"],
    ]

    def seen() -> tuple[list[int], dict[str, bool]]:
        browser = Client()
        browser.force_login(people.rio)
        api = "/api/v1/workspaces/lab"
        statuses = [browser.get(page).status_code for page in (f"{api}/runs/{gone}", f"/w/lab/runs/{gone}")]
        texts = {
            "list": f"{api}/runs",
            "children": f"{api}/runs/{kept}/children",
            "deep": f"{api}/runs/{kept}/children?recursive=1",
            "home": "/w/lab/",
            "table": "/w/lab/runs",
        }
        return statuses, {what: "wanderer" in browser.get(page).content.decode() for what, page in texts.items()} | {
            "quick": bool(find("lab", "wanderer", actor=people.actor("rio"))),
            "count": browser.get(f"{api}/experiments").json()["experiments"][0]["runs"] == 2,
        }

    assert await ask(seen) == (
        [404, 404],
        dict.fromkeys(("list", "children", "deep", "home", "table", "quick", "count"), False),
    )
    for call, more in {
        "log-metric": {"key": "a", "value": 1, "timestamp": 1},
        "log-parameter": {"key": "a", "value": "1"},
        "log-batch": {"tags": [{"key": "a", "value": "1"}]},
        "set-tag": {"key": "a", "value": "1"},
        "delete-tag": {"key": "a"},
        "update": {"status": "FINISHED"},
    }.items():
        answer = await carl.post(f"runs/{call}", run_id=gone, **more)
        assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE"), call
        said = f"The run {gone} must be in the 'active' state. Current state is deleted."
        assert answer.json()["message"] == said
    assert refusal(await enter("olga").post("runs/restore", run_id="x")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert (await carl.post("runs/restore", run_id=gone)).json() == {}
    assert await ask(seen) == (
        [200, 200],
        dict.fromkeys(("list", "children", "deep", "home", "table", "quick", "count"), True),
    )
    assert (await carl.post("runs/log-parameter", run_id=gone, key="a", value="1")).status == 200


async def test_deleting_for_ever_spares_what_can_be_restored(carl: Door, people: People):
    parent = (await carl.run())["info"]["run_id"]
    child = (await carl.run(tags=[{"key": "mlflow.parentRunId", "value": parent}]))["info"]["run_id"]
    await carl.post("runs/update", run_id=parent, status="FINISHED")
    with pytest.raises(Conflict):
        await ask(lambda: delete_run("lab", parent, actor=people.actor("carl")))
    await carl.post("runs/delete", run_id=child)
    await ask(lambda: delete_run("lab", parent, actor=people.actor("carl")))
    await ask(lambda: purge_run("lab", parent, actor=people.actor("carl")))
    assert (await carl.post("runs/restore", run_id=child)).status == 200
    assert (await carl.get("runs/get", run_id=child)).status == 200


async def test_a_run_is_one_of_ours(carl: Door, enter: Enter, people: People):
    number = await carl.experiment()
    tags = [{"key": "mlflow.user", "value": "somebody"}, {"key": "mlflow.runName", "value": "first try"}]
    made = await carl.run(number, run_name="first try", tags=tags, start_time=1, user_id="x")
    info = made["info"]
    assert (info["status"], info["user_id"], info["run_name"]) == ("RUNNING", "x", "first try")
    assert info["artifact_uri"] == f"mlflow-artifacts:/{number}/{info['run_id']}/artifacts"
    assert info["start_time"] == 1
    ours = await ask(lambda: get_run("lab", info["run_id"], actor=people.actor("rio")))
    assert (ours.kind, ours.name, ours.tags) == ("interactive", "first try", {"mlflow.user": "somebody"})
    updated = await carl.post("runs/update", run_id=info["run_id"], status="FINISHED", end_time="5", run_name="second")
    assert updated.json()["run_info"]["status"] == "FINISHED"
    assert updated.json()["run_info"]["end_time"] == 5
    ended = await ask(lambda: get_run("lab", info["run_id"], actor=people.actor("rio")))
    assert (ended.status, ended.name) == ("completed", "second")
    assert (await carl.post("runs/update", run_id=info["run_id"], status="FINISHED")).status == 200


async def test_an_ended_run_takes_more_and_opens_again(carl: Door, enter: Enter, people: People):
    run = (await carl.run())["info"]["run_id"]
    metric = {"key": "a", "value": 1, "timestamp": 1}
    for status in ("FINISHED", "FAILED", "KILLED"):
        ended = (await carl.post("runs/update", run_id=run, status=status, end_time=9)).json()["run_info"]
        assert (ended["status"], ended["end_time"]) == (status, 9)
    assert (await carl.post("runs/log-metric", run_id=run, **metric)).status == 200
    assert (await carl.post("runs/log-batch", run_id=run, params=[{"key": "p", "value": "1"}])).status == 200
    assert (await carl.read(run))["metrics"] == {"a": 1}
    late = await enter("olga").post("runs/log-metric", run_id=run, **metric)
    assert refusal(late) == (403, "PERMISSION_DENIED")
    assert refusal(await enter("olga").post("runs/update", run_id=run, status="RUNNING")) == (403, "PERMISSION_DENIED")
    again = (await carl.post("runs/update", run_id=run, status="RUNNING")).json()["run_info"]
    assert again["status"] == "RUNNING"
    assert "end_time" not in again
    ours = await ask(lambda: get_run("lab", run, actor=people.actor("rio")))
    assert (ours.status, ours.ended, ours.reason_code) == ("running", None, "")


async def test_a_run_that_somebody_canceled_is_closed(carl: Door, people: People):
    run = (await carl.run())["info"]["run_id"]
    await ask(lambda: cancel_run("lab", run, actor=people.actor("olga")))
    late = await carl.post("runs/log-metric", run_id=run, key="a", value=1, timestamp=1)
    assert refusal(late) == (409, "RESOURCE_CONFLICT")
    assert refusal(await carl.post("runs/update", run_id=run, status="FINISHED")) == (409, "RESOURCE_CONFLICT")
    assert (await carl.post("runs/update", run_id=run, status="RUNNING")).status == 200
    assert (await carl.post("runs/log-metric", run_id=run, key="a", value=1, timestamp=1)).status == 200


MISFITS = [
    ("runs/log-metric", {"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
    ("runs/log-metric", {"step": "foo"}, "Invalid value \"foo\" for parameter 'step' supplied"),
    ("runs/log-batch", {"metrics": "foo"}, "Invalid value \"foo\" for parameter 'metrics' supplied"),
    ("runs/log-batch", {"tags": [{"key": 5}]}, "Invalid value 5 for parameter 'tags[0].key' supplied"),
    ("runs/set-tag", {"run_id": None, "key": "a"}, "Missing value for required parameter 'run_id'"),
    ("runs/set-tag", {"run_id": "x"}, "Missing value for required parameter 'key'"),
    ("runs/update", {"run_id": "x", "end_time": 10**18}, "Invalid value 1000000000000000000 for parameter 'end_time'"),
    ("runs/log-parameter", {"run_id": "x", "key": "a", "value": "1"}, "Run with id=x not found"),
    ("experiments/create", {"name": 123}, "Invalid value 123 for parameter 'name'"),
    (
        "experiments/create",
        {"name": "a", "artifact_location": 9.0},
        "Invalid value 9.0 for parameter 'artifact_location'",
    ),
    ("experiments/create", {}, "Missing value for required parameter 'name'"),
    ("experiments/delete", {"experiment_id": "123456789"}, "No Experiment with id=123456789 exists"),
    ("runs/search", {"max_results": 123456789}, "Invalid value 123456789 for parameter 'max_results' supplied"),
]


@pytest.mark.parametrize(("call", "body", "said"), MISFITS)
async def test_what_is_wrong_is_told_in_the_words_of_mlflow(carl: Door, call, body, said):
    answer = await carl.post(call, **body)
    assert answer.status in (400, 404)
    assert answer.json()["message"].startswith(said)


async def test_a_parameter_is_written_once(carl: Door):
    run = (await carl.run())["info"]["run_id"]
    for value, status in (("1", 200), ("1", 200), ("2", 400)):
        answer = await carl.post("runs/log-parameter", run_id=run, key="a", value=value)
        assert answer.status == status
    assert answer.json()["message"] == (
        "Changing param values is not allowed. Param with key='a' was already logged with value='1' for "
        f"run ID='{run}'. Attempted logging new value '2'."
    )


async def test_a_thousand_tags(carl: Door):
    run = (await carl.run(tags=[{"key": f"t{at}", "value": "x"} for at in range(999)]))["info"]["run_id"]
    assert (await carl.post("runs/set-tag", run_id=run, key="a", value="1")).status == 200
    assert refusal(await carl.post("runs/set-tag", run_id=run, key="b", value="1")) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(("word", "ours"), [("FAILED", "failed"), ("KILLED", "canceled"), (3, "completed")])
async def test_the_ends_of_a_run(carl: Door, people: People, word, ours):
    run_id = (await carl.run())["info"]["run_id"]
    assert (await carl.post("runs/update", run_uuid=run_id, status=word)).status == 200
    found = await ask(lambda: get_run("lab", run_id, actor=people.actor("rio")))
    assert found.status == ours


async def test_without_an_experiment_runs_go_to_the_default_one(carl: Door):
    made = await carl.run("0")
    shown = (await carl.get("experiments/get", experiment_id="0")).json()["experiment"]
    assert (shown["name"], shown["experiment_id"]) == ("Default", made["info"]["experiment_id"])
    assert len((await carl.post("runs/search", experiment_ids=["0"])).json()["runs"]) == 1


async def test_a_child_run_has_its_parent(carl: Door, people: People):
    parent = (await carl.run())["info"]["run_id"]
    child = (await carl.run(tags=[{"key": "mlflow.parentRunId", "value": parent}]))["info"]["run_id"]
    loose = (await carl.run(tags=[{"key": "mlflow.parentRunId", "value": "nobody"}]))["info"]["run_id"]
    rows = await ask(lambda: dict(Run.objects.values_list("pk", "parent_id")))
    assert rows == {parent: None, child: parent, loose: None}
    found = (
        await carl.post("runs/search", experiment_ids=["0"], filter=f"tags.mlflow.parentRunId = '{parent}'")
    ).json()
    assert [one["info"]["run_id"] for one in found["runs"]] == [child]


async def test_what_is_logged_comes_back(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    one = await carl.post("runs/log-metric", run_id=run_id, run_uuid=run_id, key="loss", value=0.5, timestamp="17")
    assert (one.status, one.json()) == (200, {})
    assert (await carl.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1")).json() == {}
    batch = {
        "metrics": [
            {"key": "loss", "value": 0.25, "timestamp": 18, "step": "3"},
            {"key": "odd", "value": "NaN", "timestamp": 18},
            {"key": "most", "value": "-Infinity", "timestamp": 18, "step": -1, "model_id": None},
        ],
        "params": [{"key": "depth", "value": "4"}, {"key": "empty", "value": ""}],
        "tags": [{"key": "team", "value": "vision"}],
    }
    assert (await carl.post("runs/log-batch", run_id=run_id, **batch)).json() == {}
    run = (await carl.get("runs/get", run_id=run_id)).json()["run"]["data"]
    assert {one["key"]: (one["value"], one["step"], one["timestamp"]) for one in run["metrics"]} == {
        "loss": (0.25, 3, 18), "odd": ("NaN", 0, 18), "most": (-1.7976931348623157e308, -1, 18),
    }  # fmt: skip
    data = await carl.read(run_id)
    assert data["params"] == {"lr": "0.1", "depth": "4", "empty": ""}
    assert data["tags"]["team"] == "vision"
    history = (await carl.get("metrics/get-history", run_id=run_id, metric_key="loss", max_results=25000)).json()
    assert history == {
        "metrics": [
            {"key": "loss", "value": 0.5, "timestamp": 17, "step": 0},
            {"key": "loss", "value": 0.25, "timestamp": 18, "step": 3},
        ]
    }
    assert (await carl.get("metrics/get-history", run_id=run_id, metric_key="none")).json() == {"metrics": []}


async def test_history_page_by_page(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    points = [{"key": "a", "value": at, "timestamp": 1000 - at, "step": at} for at in range(25)]
    await carl.post("runs/log-batch", run_id=run_id, metrics=points)
    seen, token = [], ""
    while True:
        page = (
            await carl.get("metrics/get-history", run_id=run_id, metric_key="a", max_results=10, page_token=token)
        ).json()
        seen += [one["step"] for one in page["metrics"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == list(range(24, -1, -1))


async def test_the_metric_of_a_run_is_that_of_its_highest_step(carl: Door):
    """Asynchronous logging sends many requests at once, and they come in any order."""
    run_id = (await carl.run())["info"]["run_id"]
    for step in (3, 1, 2):
        await carl.post("runs/log-metric", run_id=run_id, key="a", value=step / 2, timestamp=9, step=step)
    assert (await carl.read(run_id))["metrics"] == {"a": 1.5}
    found = await carl.post("runs/search", experiment_ids=["0"], filter="metrics.a = 1.5")
    assert len(found.json()["runs"]) == 1


async def test_a_repeated_request_adds_nothing(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    body = json.dumps({"run_id": run_id, "metrics": [{"key": "a", "value": 1, "timestamp": 5}]}).encode()
    answers = await asyncio.gather(*(carl.post("runs/log-batch", body) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    history = (await carl.get("metrics/get-history", run_id=run_id, metric_key="a")).json()
    assert len(history["metrics"]) == 1


async def test_a_tag_may_go_back_to_what_it_was(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    for value in ("1", "2", "1"):
        await carl.post("runs/log-batch", run_id=run_id, tags=[{"key": "phase", "value": value}])
    assert (await carl.read(run_id))["tags"]["phase"] == "1"


async def test_params_are_written_once(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    for _ in range(2):
        assert (await carl.post("runs/log-parameter", run_id=run_id, key="a", value="1")).status == 200
    changed = await carl.post("runs/log-parameter", run_id=run_id, key="a", value="2")
    assert refusal(changed) == (400, "INVALID_PARAMETER_VALUE")
    assert "Changing param values is not allowed" in changed.json()["message"]
    twice = [{"key": "b", "value": "1"}, {"key": "b", "value": "2"}]
    metrics = [{"key": "m", "value": 1, "timestamp": 1}]
    refused = await carl.post("runs/log-batch", run_id=run_id, params=twice, metrics=metrics)
    assert refusal(refused) == (400, "INVALID_PARAMETER_VALUE")
    assert await carl.read(run_id) | {"tags": {}} == {"params": {"a": "1"}, "metrics": {}, "tags": {}}


async def test_long_values_are_cut_and_not_lost(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    await carl.post("runs/log-parameter", run_id=run_id, key="a", value="x" * 7000)
    await carl.post("runs/set-tag", run_id=run_id, key="b", value="x" * 9000)
    data = await carl.read(run_id)
    assert (len(data["params"]["a"]), len(data["tags"]["b"])) == (6000, 8000)


@pytest.mark.parametrize(
    ("what", "count"), [("metrics", 1001), ("params", 101), ("tags", 101)], ids=["metrics", "params", "tags"]
)
async def test_limits_of_a_batch(carl: Door, what, count):
    run_id = (await carl.run())["info"]["run_id"]
    many = [{"key": f"k{at}", "value": "1", "timestamp": 1} for at in range(count)]
    assert refusal(await carl.post("runs/log-batch", run_id=run_id, **{what: many})) == (400, "INVALID_PARAMETER_VALUE")
    assert (await carl.post("runs/log-batch", run_id=run_id, **{what: many[:-1]})).status == 200


async def test_tags_of_a_run(carl: Door, people: People):
    run_id = (await carl.run())["info"]["run_id"]
    await carl.post("runs/set-tag", run_id=run_id, key="a", value="1")
    await carl.post("runs/set-tag", run_id=run_id, key="mlflow.runName", value="renamed")
    tags = (await carl.read(run_id))["tags"]
    assert tags == {"a": "1", "mlflow.runName": "renamed"}
    assert (await carl.post("runs/delete-tag", run_id=run_id, key="a")).json() == {}
    assert refusal(await carl.post("runs/delete-tag", run_id=run_id, key="a")) == (404, "RESOURCE_DOES_NOT_EXIST")
    written = await ask(lambda: list(Entry.objects.values_list("action", flat=True)))
    assert {"run.start", "run.edit"} <= set(written)


async def test_the_name_of_a_run_is_a_tag_in_a_batch_too(carl: Door, people: People):
    run = (await carl.run(run_name="first"))["info"]["run_id"]
    tags = [{"key": "mlflow.runName", "value": "second"}, {"key": "a", "value": "1"}]
    assert (await carl.post("runs/log-batch", run_id=run, tags=tags)).status == 200
    found = (await carl.get("runs/get", run_id=run)).json()["run"]
    assert (found["info"]["run_name"], (await carl.read(run))["tags"]) == (
        "second",
        {"mlflow.runName": "second", "a": "1"},
    )


async def test_a_missing_value_of_one_metric_has_its_plain_name(carl: Door):
    run = (await carl.run())["info"]["run_id"]
    for what in ("key", "value", "timestamp"):
        body = {"key": "a", "value": 1, "timestamp": 1, what: None}
        answer = await carl.post("runs/log-metric", run_id=run, **body)
        assert answer.json()["message"] == f"Missing value for required parameter '{what}'."


async def test_the_workspace_page_shows_how_to_log(carl: Door, people: People):
    def look() -> list[str]:
        browser = Client()
        browser.force_login(people.rio)
        return [browser.get(page).content.decode() for page in ("/w/lab/", "/w/lab/runs")]

    before = await ask(look)
    await carl.run()
    for page in (*before, (await ask(look))[0]):
        assert "MLFLOW_TRACKING_URI=" in page and "/mlflow/lab" in page


async def test_a_key_that_is_too_long_is_named(carl: Door):
    run = (await carl.run())["info"]["run_id"]
    long = "k" * 10_000
    for call, body in {
        "log-metric": {"key": long, "value": 1, "timestamp": 1},
        "log-parameter": {"key": long, "value": "1"},
        "log-batch": {"metrics": [{"key": "a", "value": 1, "timestamp": 1}], "params": [{"key": long, "value": "1"}]},
    }.items():
        answer = await carl.post(f"runs/{call}", run_id=run, **body)
        assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
        assert "k" * 250 in answer.json()["message"] and "exceeds the maximum length of 250" in answer.json()["message"]
    assert (await carl.read(run))["metrics"] == {}
