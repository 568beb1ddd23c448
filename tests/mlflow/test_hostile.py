"""Whatever stands in a field of a call, no door breaks, and what is refused is named."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernel.asgi import Answer
from tests.mlflow.conftest import FILES, Door, Enter
from tests.mlflow.routes import SERVED, addresses

PAIR = {"key": "k", "value": "v"}
POINT = {"key": "k", "value": 1, "timestamp": 1, "step": 1}
DATA = {"dataset": {"name": "d", "digest": "d", "source_type": "s", "source": "{}", "schema": "", "profile": ""}}
TAG = {"key": "k", "value": "v"}
VERSION = {"name": "words", "version": "1"}
#: What a call takes besides the ids in `OF`; {call: fields}. Those that end something come last.
CALLS: dict[str, dict[str, Any]] = {
    "POST experiments/create": {"name": "fresh", "artifact_location": "s3://x", "tags": [PAIR]},
    "POST experiments/search": {"max_results": 5, "filter": "name = 'a'", "order_by": ["name"], "view_type": "ALL"}
    | {"page_token": ""},
    "POST experiments/update": {"new_name": "other"},
    "POST experiments/set-experiment-tag": TAG,
    "POST experiments/delete-experiment-tag": {"key": "k"},
    "POST experiments/search-datasets": {"experiment_ids": ["1"]},
    "POST runs/create": {"user_id": "u", "run_name": "n", "start_time": 1, "tags": [PAIR]},
    "POST runs/update": {"status": "RUNNING", "end_time": 1, "run_name": "n"},
    "POST runs/search": {"experiment_ids": ["1"], "filter": "", "run_view_type": "ALL", "max_results": 5}
    | {"order_by": ["metrics.a"], "page_token": ""},
    "POST runs/log-metric": POINT | {"model_id": "", "dataset_name": "d", "dataset_digest": "d"},
    "POST runs/log-parameter": TAG,
    "POST runs/log-batch": {"metrics": [POINT], "params": [PAIR], "tags": [PAIR]},
    "POST runs/set-tag": TAG,
    "POST runs/delete-tag": {"key": "k"},
    "POST runs/log-inputs": {"datasets": [DATA | {"tags": [PAIR]}], "models": [{"model_id": "m-1"}]},
    "POST runs/outputs": {"models": [{"model_id": "m-1", "step": 1}]},
    "POST runs/log-model": {"model_json": "{}"},
    "POST logged-models": {"name": "m", "model_type": "t", "source_run_id": "", "params": [PAIR], "tags": [PAIR]},
    "POST logged-models/search": {"experiment_ids": ["1"], "filter": "", "datasets": [{"dataset_name": "d"}]}
    | {"max_results": 5, "order_by": [{"field_name": "name", "ascending": True}], "page_token": ""},
    "PATCH logged-models/<model>/tags": {"tags": [PAIR]},
    "POST logged-models/<model>/params": {"params": [PAIR]},
    "PATCH logged-models/<model>": {"status": "LOGGED_MODEL_READY"},
    "POST registered-models/create": {"name": "fresh", "description": "d", "tags": [PAIR]},
    "PATCH registered-models/update": {"name": "words", "description": "d"},
    "POST registered-models/get-latest-versions": {"name": "words", "stages": ["None"]},
    "POST registered-models/set-tag": TAG | {"name": "words"},
    "POST registered-models/alias": VERSION | {"alias": "best"},
    "POST model-versions/create": {"name": "words", "source": "s3://x", "run_id": "", "run_link": "l", "tags": [PAIR]}
    | {"description": "d", "model_id": ""},
    "PATCH model-versions/update": VERSION | {"description": "d"},
    "POST model-versions/transition-stage": VERSION | {"stage": "Staging", "archive_existing_versions": True},
    "POST model-versions/set-tag": VERSION | TAG,
    "DELETE model-versions/delete-tag": VERSION | {"key": "k"},
    "DELETE registered-models/delete-tag": {"name": "words", "key": "k"},
    "DELETE registered-models/alias": {"name": "words", "alias": "best"},
    "POST webhooks": {"name": "w", "url": "https://x.example/", "events": [{"entity": "RUN", "action": "FINISHED"}]}
    | {"description": "d", "secret": "s", "status": "ACTIVE"},
    "POST artifacts/presigned-upload-url": {"path": "a"},
    "POST artifacts/presigned-download-url": {"path": "a"},
    "POST users/create": {"username": "nina", "password": "p"},
    "PATCH users/update-admin": {"username": "olga", "is_admin": False},
    "DELETE users/delete": {"username": "nina"},
    "POST 3:roles/assign": {"username": "nina", "role_id": 3},
    "DELETE 3:roles/unassign": {"username": "nina", "role_id": 3},
    "POST registered-models/rename": {"name": "words", "new_name": "others"},
    "DELETE model-versions/delete": VERSION,
    "DELETE registered-models/delete": {"name": "words"},
    "POST runs/delete": {},
    "POST runs/restore": {},
    "POST experiments/delete": {},
    "POST experiments/restore": {},
}
SURROGATE = "\ud800"
ODD: dict[str, Any] = {
    "list": [],
    "object": {},
    "yes": True,
    "broken number": 1.5,
    "huge number": 10**30,
    "long": "x" * 10_000,
    "NUL": "a\0b",
    "surrogate": f"a{SURROGATE}b",
    "deep": json.loads("[" * 300 + "]" * 300),
    "up": "../../etc/passwd",
}


def variants(body: Any, odd: Any) -> Iterator[tuple[str, Any]]:
    """(name of a field, the body with `odd` in it), for every field at every depth."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield key, {**body, key: odd}
            for name, inner in variants(value, odd):
                yield name, {**body, key: inner}
    elif isinstance(body, list):
        for name, inner in variants(body[0], odd):
            yield name, [inner]


def broken(answer: Answer) -> bool:
    if answer.status == 501 or answer.status < 500:
        body = answer.json()
        return answer.status != 200 and (set(body) != {"error_code", "message"} or not body["message"])
    return True


async def known(olga: Door) -> dict[str, str]:
    """The ids that calls are about."""
    number = await olga.experiment()
    await olga.post("registered-models/create", name="words")
    await olga.post("model-versions/create", name="words", source="s3://x")
    run = (await olga.run(number))["info"]["run_id"]
    model = (await olga.post("logged-models", experiment_id=number, name="m")).json()["model"]["info"]["model_id"]
    return {"experiment_id": number, "run_id": run, "model": model}


@pytest.mark.parametrize("name", ODD)
async def test_no_field_breaks_a_call(enter: Enter, name: str):
    olga = enter("olga")
    ids = await known(olga)
    odd, wrong, unnamed = ODD[name], [], []
    for call, fields in CALLS.items():
        method, _, path = call.partition(" ")
        api = olga.api.replace("2.0", "3.0") if path.startswith("3:") else olga.api
        room = path.split("/")[0]
        of = {key: value for key, value in ids.items() if key != "model" and room in ("runs", "experiments")}
        if path in ("runs/create", "logged-models"):
            of = {"experiment_id": ids["experiment_id"]}
        if path.startswith("artifacts/"):
            of = {"run_id": ids["run_id"]}
        address = f"{api}/{path.removeprefix('3:').replace('<model>', ids['model'])}"
        for field, body in variants({**of, **fields}, odd):
            answer = await olga.caller.call(method, address, json.dumps(body).encode())
            if broken(answer):
                wrong.append((call, field, answer.status, answer.body[:300]))
                continue
            told = answer.json().get("message", "")
            if told.startswith("Invalid value") and field not in told:
                unnamed.append((call, field, told))
    assert (wrong, unnamed) == ([], [])


RAW = [
    b"",
    b"[]",
    b"null",
    b"5",
    b'"x"',
    b"\xff\xfe",
    b"{",
    b'{"run_id": "\\ud800"}',
    b'{"run_id": "a", "run_id": []}',
    b"[" * 50_000,
    b'{"a":' * 5_000,
    b'{"run_id": ' + b"9" * 5_000 + b"}",
    b'{"tags": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
]


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
async def test_no_body_breaks_a_call(enter: Enter, raw: bytes):
    wrong = []
    for method, address in addresses(SERVED):
        if method == "GET" or "/ajax-api/" in address or "mlflow-artifacts/artifacts" in address:
            continue
        answer = await enter("olga").caller.call(method, address, raw)
        if broken(answer):
            wrong.append((method, address, answer.status, answer.body[:300]))
    assert wrong == []


WAYS_OUT = [
    "..",
    "../x",
    "a/../../x",
    "%2e%2e/x",
    "%252e%252e/x",
    "..%2fx",
    "..%5cx",
    "..\\x",
    "a\\..\\..\\x",
    "/etc/passwd",
    "//etc/passwd",
    "C:/x",
    "C:\\x",
    "a/./../x",
    "a\0b",
    "a\nb",
    "file:///etc/passwd",
    "x" * 10_000,
    "a/" * 600 + "b",
]


@pytest.mark.parametrize("path", WAYS_OUT, ids=range(len(WAYS_OUT)))
async def test_no_path_leads_out_of_its_place(enter: Enter, path: str):
    """The server has decoded an address once; what is still encoded then is a name like any other."""
    olga = enter("olga")
    ids = await known(olga)
    root = f"{FILES}/{ids['experiment_id']}/{ids['run_id']}/artifacts"
    place = f"{ids['experiment_id']}/{ids['run_id']}/artifacts"
    wrong = []
    for method, address, body in [
        ("PUT", f"{root}/{path}", b"x"),
        ("GET", f"{root}/{path}", b""),
        ("DELETE", f"{root}/{path}", b""),
        ("GET", FILES.replace("artifacts/artifacts", "artifacts/presigned") + f"/{place}/{path}", b""),
        ("POST", FILES.replace("/artifacts", "/mpu/create") + f"/{place}", json.dumps({"path": path}).encode()),
        ("POST", f"{olga.api}/artifacts/presigned-upload-url", json.dumps({**ids, "path": path}).encode()),
    ]:
        answer = await olga.caller.call(method, address.replace("?", "%3f"), body)
        if answer.status >= 500 or (answer.status != 200 and broken(answer)):
            wrong.append((method, address[:300], answer.status, answer.body[:300]))
    for call in ("artifacts/list", "../get-artifact"):
        answer = await olga.get(call, run_id=ids["run_id"], path=path)
        if answer.status >= 500:
            wrong.append(("GET", call, answer.status, answer.body[:300]))
    assert wrong == []
    # What was taken, if anything, lies in the run and nowhere else.
    listed = (await olga.get("artifacts/list", run_id=ids["run_id"])).json().get("files", [])
    assert all(".." not in one["path"].split("/") and "\\" not in one["path"] for one in listed)
