"""Which addresses of MLflow's there are, and that all others say so in its words."""

import pytest

from tests.kernel.asgi import Answer
from tests.mlflow.conftest import FILES, Enter, refusal
from tests.mlflow.routes import ELSEWHERE, SERVED, addresses

PEOPLE = ("olga", "carl", "rio", "mallory", "ada", None)


def outcome(answer: Answer) -> tuple[int, str]:
    return (200, "") if answer.status in (200, 201) else refusal(answer)


async def test_what_is_served_is_served_alike_under_both_prefixes(enter: Enter):
    wrong, differ = [], []
    for method, path in addresses(SERVED):
        if "/ajax-api/" in path:
            continue
        for name in PEOPLE:
            caller = enter(name).caller
            got = outcome(await caller.call(method, path, b"{}"))
            again = outcome(await caller.call(method, path.replace("/api/", "/ajax-api/"), b"{}"))
            # Registering twice and the like is no matter of the prefix: nothing is made by an empty body.
            if got != again:
                differ.append((method, path, name, got, again))
            broken = got[0] >= 500 and got != (501, "NOT_IMPLEMENTED")
            if got[1] == "ENDPOINT_NOT_FOUND" or broken or (name is None and got != (401, "UNAUTHENTICATED")):
                wrong.append((method, path, name, got))
    assert (wrong, differ) == ([], [])


async def test_what_is_not_served_is_said_at_once(enter: Enter):
    wrong = []
    for method, path in addresses(ELSEWHERE):
        for name, wanted in (("carl", (404, "ENDPOINT_NOT_FOUND")), (None, (401, "UNAUTHENTICATED"))):
            got = outcome(await enter(name).caller.call(method, path, b"{}"))
            if got != wanted:
                wrong.append((method, path, name, got))
    assert wrong == []


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "PROPFIND", "PUT", "PATCH", "DELETE", "MERGE", "get"])
@pytest.mark.parametrize("path", ["api/2.0/mlflow/runs/create", "api/2.0/mlflow", "ajax-api", "api/2.0/mlflow/runs/"])
async def test_other_methods_are_told_the_same(enter: Enter, method, path):
    answer = await enter("carl").caller.call(method, f"/mlflow/lab/{path}", b"{}")
    assert answer.status == 404
    assert method == "HEAD" or refusal(answer)[1] == "ENDPOINT_NOT_FOUND"


async def test_files_as_the_pages_send_and_fetch_them(enter: Enter):
    carl, rio = enter("carl"), enter("rio")
    info = (await carl.run())["info"]
    to = f"{carl.api}/upload-artifact?run_uuid={info['run_id']}&path="
    sent = await carl.caller.call("POST", f"{to}a/b.txt", b"bytes")
    assert (sent.status, sent.json()) == (200, {})
    assert (await rio.caller.get(f"/mlflow/lab/get-artifact?run_id={info['run_id']}&path=a/b.txt")).body == b"bytes"
    assert outcome(await carl.caller.call("POST", f"{to}../b.txt", b"x")) == (400, "INVALID_PARAMETER_VALUE")
    assert outcome(await rio.caller.call("POST", f"{to}c.txt", b"x")) == (403, "PERMISSION_DENIED")
    made = (await carl.post("logged-models", experiment_id=info["experiment_id"])).json()["model"]["info"]
    place = made["artifact_uri"].removeprefix("mlflow-artifacts:/")
    await carl.caller.call("PUT", f"{FILES}/{place}/MLmodel", b"flavors")
    of_model = f"logged-models/{made['model_id']}/artifacts/files"
    assert (await rio.get(of_model, artifact_file_path="MLmodel")).body == b"flavors"
    assert outcome(await rio.get(of_model, artifact_file_path="../MLmodel")) == (400, "INVALID_PARAMETER_VALUE")
    assert outcome(await rio.get(of_model)) == (400, "INVALID_PARAMETER_VALUE")
