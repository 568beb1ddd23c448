"""Who may do what through MLflow's door, and how the rest is refused."""

import base64
import json

import pytest

from runs.models import Experiment, Run
from studio.mlflow import auth
from studio.mlflow.urls import hot_routes
from tests.conftest import PASSWORD, People
from tests.kernel.asgi import Caller
from tests.mlflow.conftest import API, FILES, Door, Enter, refusal
from tests.runs.telemetry import Running, ask
from workspace.accounts.services import create_token

OK, HIDDEN, DENIED = (200, ""), (404, "RESOURCE_DOES_NOT_EXIST"), (403, "PERMISSION_DENIED")


def outcome(answer) -> tuple[int, str]:
    return OK if answer.status == 200 else refusal(answer)


READS = {"olga": OK, "carl": OK, "rio": OK, "mallory": HIDDEN, "ada": DENIED, None: (401, "UNAUTHENTICATED")}
SUBMITS = READS | {"rio": DENIED}
#: Only who started an interactive run writes into it.
WRITES = SUBMITS | {"olga": DENIED}


async def test_the_matrix(enter: Enter):
    carl = enter("carl")
    number = await carl.experiment()
    info = (await carl.run(number))["info"]
    run_id, place = info["run_id"], info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    await carl.caller.call("PUT", f"{FILES}/{place}/a", b"x")
    calls = {
        "get": (READS, lambda door: door.get("experiments/get", experiment_id=number)),
        "by name": (READS, lambda door: door.get("experiments/get-by-name", experiment_name="digits")),
        "experiments": (READS, lambda door: door.post("experiments/search", max_results=9)),
        "run": (READS, lambda door: door.get("runs/get", run_id=run_id)),
        "runs": (READS, lambda door: door.post("runs/search", experiment_ids=[number])),
        "history": (READS, lambda door: door.get("metrics/get-history", run_id=run_id, metric_key="a")),
        "list": (READS, lambda door: door.get("artifacts/list", run_id=run_id)),
        "listed": (READS, lambda door: door.caller.get(f"{FILES}?path={place}")),
        "download": (READS, lambda door: door.caller.get(f"{FILES}/{place}/a")),
        "logged models": (READS, lambda door: door.post("logged-models/search", experiment_ids=[number])),
        "models": (READS, lambda door: door.get("registered-models/search")),
        "versions": (READS, lambda door: door.get("model-versions/search")),
        "datasets": (READS, lambda door: door.post("experiments/search-datasets", experiment_ids=[number])),
        "rename": (SUBMITS, lambda door: door.post("experiments/update", experiment_id=number, new_name="digits")),
        "archive": (SUBMITS, lambda door: door.post("experiments/delete", experiment_id=number)),
        "restore": (SUBMITS, lambda door: door.post("experiments/restore", experiment_id=number)),
        "tag experiment": (
            SUBMITS,
            lambda door: door.post("experiments/set-experiment-tag", experiment_id=number, key="a", value="1"),
        ),
        "create": (SUBMITS, lambda door: door.post("runs/create", experiment_id=number)),
        "tag": (SUBMITS, lambda door: door.post("runs/set-tag", run_id=run_id, key="a", value="1")),
        "rename run": (SUBMITS, lambda door: door.post("runs/update", run_id=run_id, run_name="x")),
        "metric": (WRITES, lambda door: door.post("runs/log-metric", run_id=run_id, key="a", value=1, timestamp=1)),
        "param": (WRITES, lambda door: door.post("runs/log-parameter", run_id=run_id, key="a", value="1")),
        "batch": (WRITES, lambda door: door.post("runs/log-batch", run_id=run_id, tags=[{"key": "t", "value": "1"}])),
        "upload": (WRITES, lambda door: door.caller.call("PUT", f"{FILES}/{place}/b", b"x")),
        "delete": (SUBMITS, lambda door: door.post("runs/delete", run_id=run_id)),
        "bring back": (SUBMITS, lambda door: door.post("runs/restore", run_id=run_id)),
        "end": (WRITES, lambda door: door.post("runs/update", run_id=run_id, status="FINISHED")),
    }
    wrong = {}
    for call, (wanted, do) in calls.items():
        # carl last: his call may end what the others are refused.
        for name in ("olga", "rio", "mallory", "ada", None, "carl"):
            got = outcome(await do(enter(name)))
            if got != wanted[name]:
                wrong[call, name] = got
    assert wrong == {}


async def test_another_workspace_does_not_see_the_run(enter: Enter):
    info = (await enter("carl").run())["info"]
    stranger = Door(enter("mallory").caller, API.replace("/lab/", "/den/"))
    assert refusal(await stranger.get("runs/get", run_id=info["run_id"])) == HIDDEN
    assert refusal(await stranger.get("experiments/get", experiment_id=info["experiment_id"])) == HIDDEN
    found = await stranger.post("runs/search", experiment_ids=[info["experiment_id"]])
    assert found.json()["runs"] == []
    begun = await stranger.post("runs/create", experiment_id=info["experiment_id"])
    assert refusal(begun) == HIDDEN


def basic(app, username: str, password: str) -> Door:
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return Door(Caller(app, {"authorization": f"Basic {pair}"}))


async def test_basic_with_a_token_as_password(app, enter: Enter, people: People):
    _, plain = await ask(lambda: create_token(actor=people.actor("carl"), name="t", days=1))
    assert (await basic(app, "", plain).run())["info"]["user_id"] == "carl"
    assert refusal(await basic(app, "carl", plain[:-1] + "x").get("runs/get", run_id="x")) == (401, "UNAUTHENTICATED")


async def test_basic_with_a_password_until_it_changes(app, enter: Enter, people: People, monkeypatch):
    door = basic(app, "carl", PASSWORD)
    assert (await door.run())["info"]["user_id"] == "carl"
    proved = []
    monkeypatch.setattr(auth.services, "prove", lambda *_, **__: proved.append(1))
    monkeypatch.setattr(auth.belief, "BELIEVED", 0)
    assert (await door.run())["info"]["user_id"] == "carl"
    assert proved == []
    monkeypatch.undo()
    monkeypatch.setattr(auth.belief, "BELIEVED", 0)

    def change() -> None:
        people.carl.set_password("another long password")
        people.carl.save()

    await ask(change)
    assert refusal(await door.get("runs/get", run_id="x")) == (401, "UNAUTHENTICATED")


async def test_guessing_a_password_is_slowed_down(app, enter: Enter):
    for at in range(5):
        assert refusal(await basic(app, "rio", f"guess {at}").get("runs/get", run_id="x")) == (401, "UNAUTHENTICATED")
    answer = await basic(app, "rio", "guess 6").get("runs/get", run_id="x")
    assert refusal(answer) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert int(answer.headers["retry-after"]) > 2


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic YQ==", "Basic /w==", "Bearer", "Digest x", "Bearer x y"])
async def test_a_credential_that_is_none(app, enter: Enter, header):
    answer = await Door(Caller(app, {"authorization": header})).get("runs/get", run_id="x")
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_code_of_a_run_joins_its_run(app, enter: Enter, make_run, people: People):
    running, other = await ask(make_run), await ask(make_run)
    await ask(lambda: Experiment.objects.update(run_counter=2))
    code = Door(Caller(app, {"authorization": f"Bearer {running.token}"}))
    assert (await code.get("runs/get", run_id=running.id)).json()["run"]["info"]["status"] == "RUNNING"
    assert (await code.post("runs/update", run_id=running.id, status="RUNNING")).status == 200
    assert (await code.post("runs/log-metric", run_id=running.id, key="a", value=1, timestamp=1)).status == 200
    assert (await code.post("runs/set-tag", run_id=running.id, key="a", value="1")).status == 200
    info = (await code.get("runs/get", run_id=running.id)).json()["run"]["info"]
    place = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert (await code.caller.call("PUT", f"{FILES}/{place}/a", b"x")).status == 200
    ended = await code.post("runs/update", run_id=running.id, status="FINISHED")
    # The run ends with its script, and says so until then.
    assert ended.json()["run_info"]["status"] == "RUNNING"
    assert (await ask(lambda: Run.objects.get(pk=running.id))).status == "running"
    found = await code.post("runs/search", experiment_ids=[info["experiment_id"]])
    assert [one["info"]["run_id"] for one in found.json()["runs"]] == [running.id]
    await _refused(code, running, other, info["experiment_id"])
    stolen = Door(code.caller, API.replace("/lab/", "/den/"))
    assert refusal(await stolen.get("runs/get", run_id=running.id)) == HIDDEN
    assert refusal(await stolen.post("runs/log-metric", run_id=running.id, key="a", value=1, timestamp=2)) == HIDDEN


async def test_code_begins_runs_below_its_own(app, enter: Enter, make_run):
    running = await ask(make_run)
    await ask(lambda: Experiment.objects.update(run_counter=1))
    code = Door(Caller(app, {"authorization": f"Bearer {running.token}"}))
    experiment = (await code.get("runs/get", run_id=running.id)).json()["run"]["info"]["experiment_id"]
    tags = [{"key": "mlflow.parentRunId", "value": running.id}]
    first = await code.run(experiment, run_name="fold 1", tags=tags, start_time=5)
    second = await code.run(run_name="fold 2")
    for child in (first, second):
        found = await code.read(child["info"]["run_id"])
        assert found["tags"]["mlflow.parentRunId"] == running.id
    run_id = first["info"]["run_id"]
    assert (await code.post("runs/log-metric", run_id=run_id, key="a", value=1, timestamp=1)).status == 200
    ended = await code.post("runs/update", run_id=run_id, status="FINISHED", end_time=6)
    assert ended.json()["run_info"]["status"] == "FINISHED"
    assert refusal(await code.post("runs/update", run_id=run_id, status="RUNNING")) == (409, "RESOURCE_CONFLICT")
    late = await code.post("runs/log-metric", run_id=run_id, key="a", value=1, timestamp=2)
    assert refusal(late) == (409, "RESOURCE_CONFLICT")


async def _refused(code: Door, running: Running, other: Running, experiment: str) -> None:
    assert refusal(await code.get("runs/get", run_id=other.id)) == HIDDEN
    assert refusal(await code.post("runs/log-metric", run_id=other.id, key="a", value=1, timestamp=1)) == HIDDEN
    assert refusal(await code.get("metrics/get-history", run_id=other.id, metric_key="a")) == HIDDEN
    assert refusal(await code.post("runs/create", experiment_id=str(10**9))) == DENIED
    assert refusal(await code.post("experiments/create", name="x")) == DENIED
    assert refusal(await code.post("experiments/delete", experiment_id=experiment)) == DENIED


async def test_a_lost_attempt_writes_nothing_more(app, enter: Enter, make_run):
    running = await ask(make_run)
    code = Door(Caller(app, {"authorization": f"Bearer {running.token}"}))
    await ask(lambda: running.change(attempt_no=2))
    answer = await code.post("runs/log-metric", run_id=running.id, key="a", value=1, timestamp=1)
    assert refusal(answer) == (409, "RESOURCE_CONFLICT")


@pytest.mark.parametrize(
    "path",
    [
        "api/2.0/mlflow/gateway/endpoints/create",
        "api/3.0/mlflow/traces",
        "v1/traces",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "PUT"])
async def test_what_is_not_there_is_told_at_once(enter: Enter, path, method):
    answer = await enter("carl").caller.call(method, f"/mlflow/lab/{path}", b"{}")
    assert refusal(answer) == (404, "ENDPOINT_NOT_FOUND")


ODD = [b"", b"{}", b"[]", b"null", b"x", b"\xff", b"[" * 100_000, b'{"run_id": 5}', b'{"a": 1e999}', b"{" * 9]
FIELDS = ["run_id", "experiment_id", "key", "name", "experiment_name", "metric_key", "path", "new_name", "page_token"]
VALUES = ["", " ", "\0", "x" * 5000, "../..", "-1", "9" * 40, "'", '"', "%", "日本", "\x1b[0m", "a/b", "NaN", "\u2028"]


def test_there_are_doors_to_knock_at():
    assert len(hot_routes) > 40


async def test_odd_bodies_never_break_a_door(enter: Enter):
    carl = enter("carl")
    info = (await carl.run())["info"]
    fine = {"run_id": info["run_id"], "experiment_id": info["experiment_id"], "value": "1", "timestamp": 1}
    bodies = [*ODD, *(json.dumps({field: value}).encode() for field in FIELDS for value in VALUES)]
    bodies += [json.dumps(fine | {field: value}).encode() for field in FIELDS for value in VALUES]
    bodies += [json.dumps(fine | {field: [[]]}).encode() for field in ("metrics", "params", "tags", "order_by")]
    broken = []
    for route in hot_routes:
        if route.method != "POST" or "ajax" in route.path or "<path" in route.path:
            continue
        for body in bodies:
            answer = await carl.caller.post(route.path.replace("<ws>", "lab"), body)
            # 501 is what a call answers that is not served on purpose; the client does not repeat it.
            if (answer.status >= 500 and answer.status != 501) or not answer.body.startswith(b"{"):
                broken.append((route.path, body[:80], answer.status))
    assert broken == []


async def test_odd_queries_never_break_a_door(enter: Enter):
    carl = enter("carl")
    run_id = (await carl.run())["info"]["run_id"]
    broken = []
    for route in hot_routes:
        if route.method != "GET" or "ajax" in route.path or "<path" in route.path:
            continue
        call = route.path.removeprefix("/mlflow/<ws>/api/2.0/mlflow/")
        for field in (*FIELDS, "max_results", "view_type", "filter"):
            for value in VALUES:
                for more in ({}, {"run_id": run_id, "metric_key": "a"}):
                    answer = await carl.get(call, **{**more, field: value})
                    if answer.status >= 500 or not answer.body.startswith(b"{"):
                        broken.append((call, field, value[:40], answer.status))
    assert broken == []


POINTS = [
    {"key": "a", "value": "much", "timestamp": 1},
    {"key": "a", "value": 1},
    {"value": 1, "timestamp": 1},
    {"key": "a", "timestamp": 1},
    {"key": "", "value": 1, "timestamp": 1},
    {"key": "k" * 251, "value": 1, "timestamp": 1},
    {"key": "a\nb", "value": 1, "timestamp": 1},
    {"key": "a\0", "value": 1, "timestamp": 1},
    {"key": "a", "value": 1, "timestamp": 2**63},
    {"key": "a", "value": 1, "timestamp": 1, "step": -(2**63) - 1},
    {"key": "a", "value": 1, "timestamp": 1, "step": 1.5},
    {"key": "a", "value": True, "timestamp": 1},
    {"key": "a", "value": None, "timestamp": 1},
    {"key": 5, "value": 1, "timestamp": 1},
]


@pytest.mark.parametrize("point", POINTS, ids=range(len(POINTS)))
async def test_a_point_that_cannot_be_meant(carl: Door, point):
    run_id = (await carl.run())["info"]["run_id"]
    good = {"key": "good", "value": 1, "timestamp": 1}
    alone = await carl.post("runs/log-metric", run_id=run_id, **point)
    inside = await carl.post("runs/log-batch", run_id=run_id, metrics=[good, point])
    assert refusal(alone) == refusal(inside) == (400, "INVALID_PARAMETER_VALUE")
    assert (await carl.read(run_id))["metrics"] == {}


async def test_a_body_over_the_limit(carl: Door):
    run_id = (await carl.run())["info"]["run_id"]
    answer = await carl.post("runs/log-parameter", run_id=run_id, key="a", value="x" * 1_100_000)
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")


def test_the_page_behind_the_printed_links(browser, lab, make_run):
    running = make_run()
    page = browser("rio").get("/mlflow/lab/")
    assert page.status_code == 200
    assert b'<mlflow-link runs="/w/lab/runs" experiments="/mlflow/lab/">' in page.content
    number = Run.objects.get(pk=running.id).experiment_id
    on = browser("rio").get(f"/mlflow/lab/?experiment={number}")
    assert (on.status_code, on["Location"]) == (302, "/w/lab/experiments/digits")
    for name, address, status in [
        ("rio", "?experiment=99999", 404),
        ("rio", "?experiment=x", 404),
        ("mallory", "", 404),
        ("mallory", f"?experiment={number}", 404),
        (None, "", 302),
    ]:
        assert browser(name).get(f"/mlflow/lab/{address}").status_code == status
