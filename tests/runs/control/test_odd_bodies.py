"""Whatever a caller sends, the answer is never a defect of ours: not one 500, on any door that takes JSON."""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from studio.kernel import blobs, manifests
from tests.kernel.asgi import Caller
from tests.runs.control.conftest import WS, FakeNode, Submitter, bearer

NUL, LONE = "a\0b", "a\ud800b"
#: What is put in the place of every part of a body, one after another.
ODD: list[Any] = [
    None,
    10**30,
    "²",
    NUL,
    LONE,
    "x" * 50_000,
    [LONE],
    {NUL: NUL},
    {LONE: LONE},
    {"a": {"b": [LONE, NUL, 10**400, 1.5e308]}},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a body, the whole first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def oddities(body: Any) -> Iterator[bytes]:
    """The body with one part of it replaced, and bytes that are no body at all."""
    for path in places(body):
        for odd in ODD:
            if not path:
                yield json.dumps(odd).encode()
                continue
            changed = copy.deepcopy(body)
            part = changed
            for key in path[:-1]:
                part = part[key]
            part[path[-1]] = odd
            yield json.dumps(changed).encode()
    yield from (
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a": ' + b"1" * 5000 + b"}",
    )


def refused(client: Any, path: str, body: Any, method: str = "post") -> list[str]:
    """The bodies that broke the studio."""
    client.raise_request_exception = False
    broken = []
    for raw in oddities(body):
        answer = getattr(client, method)(path, raw, content_type="application/json")
        if answer.status_code >= 500:
            broken.append(f"{answer.status_code} {method} {path} {raw[:300]!r}")
    return broken


def test_doors_of_people(carl: Submitter, api):
    sha256, _ = blobs.put([b"1"], workspace_id=carl.lab.pk)
    entry = {"path": "a.py", "sha256": sha256, "size": 1, "mode": 420}
    run, code = carl.submit(), carl.snapshot({"train.py": "print(1)"})
    config = {
        "script": "train.py",
        "arguments": ["--a", 1],
        "environment": "system",
        "target": "local",
        "environment_variables": {"A": "b"},
        "max_retries": 1,
        "max_duration_seconds": 5,
        "inputs": {"data": {"dataset": "digits:1", "mode": "download"}},
    }
    bodies: list[tuple[str, str, Any]] = [
        ("post", f"{WS}/snapshots", {"files": [entry]}),
        ("post", f"{WS}/datasets", {"name": "digits", "description": "", "files": [entry]}),
        ("post", f"{WS}/environments", {"name": "packages", "spec": {"python": "3.11", "packages": ["numpy"]}}),
        (
            "post",
            f"{WS}/runs",
            {
                "experiment": "e",
                "snapshot": code,
                "config": config,
                "name": "n",
                "git": {"remote": "r", "branch": "b", "commit": "c", "dirty": True},
                "tags": {"a": "b"},
                "properties": {"a": "b"},
            },
        ),
        ("post", f"{WS}/runs", {"kind": "interactive", "experiment": "e", "snapshot": code}),
        ("patch", f"{WS}/runs/{run.pk}", {"name": "n", "description": "d", "tags": {"a": "b"}, "properties": {"p": 1}}),
        ("post", f"{WS}/runs/{run.pk}/end", {"status": "completed", "message": "m"}),
        ("post", f"{WS}/runs/{run.pk}/artifacts", {"files": [entry]}),
        (
            "post",
            f"{WS}/models",
            {"name": "m", "files": [entry], "description": "d", "framework": "f", "tags": {"a": "b"}, "properties": {}},
        ),
        ("post", f"{WS}/models", {"name": "m", "run": run.pk, "path": "outputs/m"}),
        ("post", f"{WS}/endpoints", {"name": "e", "description": "d"}),
        (
            "post",
            f"{WS}/endpoints/e/deployments",
            {
                "model": "m",
                "snapshot": code,
                "entry_script": "train.py",
                "environment": "system",
                "target": "local",
                "replicas": 1,
            },
        ),
        ("post", f"{WS}/endpoints/e/keys", {"which": "primary"}),
        ("post", f"{WS}/members", {"username": "carl", "role": "reader"}),
        ("patch", f"{WS}/members/carl", {"role": "owner"}),
        ("patch", WS, {"name": "n", "description": "d"}),
        ("post", "/api/v1/workspaces", {"slug": "other", "name": "n", "description": "d"}),
        ("post", "/api/v1/tokens", {"name": "n", "days": 3}),
    ]
    olga = api("olga")
    assert [one for method, path, body in bodies for one in refused(olga, path, body, method)] == []
    people = {"username": "new", "password": "a long enough password", "display_name": "d", "is_admin": False}
    assert refused(api("ada"), "/api/v1/users", people) == []


def test_doors_of_nodes_and_code(carl: Submitter, node: FakeNode):
    carl.submit()
    spec = node.claim()
    held = [{"run": spec["run"], "attempt": spec["attempt"]}]
    facts = {"cpu": 2, "slots": 2, "python": "3.11"}
    broken = refused(node.client, "/agent/v1/nodes/renew", {"epoch": node.epoch, "load": {"cpu": 1}, "runs": held})
    replica = {"id": "r", "state": "ready", "address": "http://h:1", "reason": "r", "log_tail": "t"}
    broken += refused(node.client, "/agent/v1/replicas/sync", {"epoch": node.epoch, "replicas": [replica]})
    code = bearer(spec["token"])
    at = f"/agent/v1/runs/{spec['run']}"
    step = {"name": "data", "state": "done", "note": "n", "seconds": 1}
    broken += refused(code, f"{at}/progress", {"state": "preparing", "step": step})
    broken += refused(code, at, {"name": "n", "tags": {"a": "b"}, "properties": {"p": "q"}}, "patch")
    broken += refused(code, f"{at}/artifacts", {"files": [{"path": "outputs/a", "sha256": "0" * 64}]})
    broken += refused(
        node.client, "/agent/v1/nodes/hello", {"epoch": node.epoch, "runs": held, "replicas": ["r"], "facts": facts}
    )
    result = {"exit_code": 0, "signal": None, "reason": "r", "message": "m", "log_tail": "t"}
    whole = {"log": {"length": 1, "sha256": "0" * 64}, "files": [{"path": "outputs/a", "sha256": "0" * 64}]}
    broken += refused(code, f"{at}/finish", {**result, **whole})
    assert broken + refused(code, f"{at}/result", result) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/agent/v1/nodes/claim", {"nonce": "12345678", "run": "r", "attempt": 1, "ticket": "t"}),
        ("{run}/blobs/missing", {"sha256": ["0" * 64]}),
        ("{run}/metrics", {"batch": "b" * 32, "points": [{"key": "a", "value": 1.0, "step": 1, "time": 1}]}),
        ("{run}/log/complete", {"length": 1, "sha256": "0" * 64}),
    ],
)
def test_raw_doors(carl: Submitter, node: FakeNode, path: str, body: Any):
    from studio.asgi import application

    carl.submit()
    spec = node.claim()
    token = spec["token"] if path.startswith("{") else node.token
    caller = Caller(application, {"authorization": f"Bearer {token}"})
    address = path.format(run=f"/agent/v1/runs/{spec['run']}")

    async def ask() -> list[str]:
        found = []
        for raw in oddities(body):
            answer = await caller.post(address, raw)
            if answer.status >= 500:
                found.append(f"{answer.status} {raw[:300]!r}")
        return found

    assert asyncio.run(ask()) == []


ADDRESSES = [
    f"{WS}/runs?limit=²",
    f"{WS}/runs?limit={'9' * 5000}",
    f"{WS}/runs?after=%00&q=%00&experiment=%00",
    f"{WS}/runs?status=%00",
    f"{WS}/runs/a%00b",
    f"{WS}/runs/a%00b/artifacts",
    f"{WS}/snapshots/a%00b",
    f"{WS}/models/a%00b",
    f"{WS}/models/m/versions/{'9' * 400}",
    f"{WS}/datasets/a%00b",
    f"{WS}/datasets/a/versions/{'9' * 400}",
    f"{WS}/environments/a%00b",
    f"{WS}/environments/system/versions/{'9' * 400}",
    f"{WS}/endpoints/a%00b",
    f"{WS}/compute/a%00b",
    f"{WS}/audit?limit=²",
    f"{WS}/audit?limit=1&after=²&before=²",
    f"{WS}/audit?before={'9' * 400}&after={'9' * 400}",
    "/api/v1/workspaces/a%00b/runs",
    "/api/v1/workspaces/a%00b",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_odd_addresses(carl: Submitter, api, address: str):
    client = api("olga")
    client.raise_request_exception = False
    assert client.get(address).status_code < 500


def test_a_body_that_would_fill_the_memory_is_not_read(carl: Submitter):
    raw = b'{"name": "' + b"x" * (9 * 1024 * 1024) + b'"}'
    answer = carl.client.post(f"{WS}/runs", raw, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_body_that_is_nested_without_end_is_refused_as_such(carl: Submitter):
    deep = {"experiment": "e", "git": json.loads('{"a":' * 100 + "1" + "}" * 100)}
    answer = carl.client.post(f"{WS}/runs", deep, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_json")


def test_a_file_mode_that_is_no_number_means_nothing(carl: Submitter):
    sha256, _ = blobs.put([b"1"], workspace_id=carl.lab.pk)
    kept = manifests.check(
        [{"path": "a", "sha256": sha256, "mode": "rwx"}], workspace_id=carl.lab.pk, max_files=9, max_bytes=9
    )
    assert kept[0]["mode"] == 0o644
