"""A small studio for the SDK and the command line: the people's door in memory, over real HTTP, with faults."""

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from zaffre.packs import pack, unpack

TOKEN = "zaf_pat_0000_thisisasecretthatmaynotbeshown_abc"
W = "/api/v1/workspaces/main"
RUN = "01JABCDEFGHJKMNPQRSTVWXYZ0"


@dataclass
class Call:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 200
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Do the work, then close without an answer.
    cut: bool = False


Route = Callable[..., Any]


class FakeStudio:
    """`answers` maps "METHOD path" to a list of replies that are given once each before the real one."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, list[Reply]] = {}
        self.blobs: dict[str, bytes] = {}
        #: The submissions that were taken: those before them lacked bytes.
        self.submitted: list[Call] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[str, str] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.log = b""
        self.away = False
        #: Cleared: no request is answered until it is set.
        self.answering = threading.Event()
        self.answering.set()
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "FakeStudio":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    # --- for tests ---------------------------------------------------------------------------------
    def next(self, what: str, *replies: Reply) -> None:
        self.answers.setdefault(what, []).extend(replies)

    def asked(self, method: str, path: str) -> list[Call]:
        return [call for call in self.calls if call.method == method and call.path == path]

    @property
    def points(self) -> list[list[Any]]:
        return [point for batch in self.batches.values() for point in batch.get("points", [])]

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for batch in self.batches.values() for item in batch.get("items", [])]

    def wait(self, what: Callable[[], Any], why: str, seconds: float = 240.0) -> Any:
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, f"not within {seconds} s: {why}"
            time.sleep(0.01)
        return found

    def new_run(self, **more: Any) -> dict[str, Any]:
        found = {
            "id": RUN,
            "number": 1,
            "name": "calm river",
            "description": "",
            "kind": "script",
            "experiment": "first",
            "status": "queued",
            "attempt": 1,
            "reason": None,
            "exit_code": None,
            "log_tail": "",
            "target": "local",
            "environment": "system:1",
            "config": {},
            "git": {},
            "inputs": {},
            "snapshot": None,
            "tags": {},
            "properties": {},
            "metrics": {},
            "steps": [],
            "parent": None,
            "submitted_by": "Olga",
            "created": "2026-01-02T03:04:05Z",
            "started": None,
            "ended": None,
            "queue": None,
            "url": f"{self.url}/w/main/runs/{RUN}",
        }
        self.runs[RUN] = {**found, **more}
        return self.runs[RUN]

    def finish(self, status: str = "completed", **more: Any) -> None:
        self.runs[RUN] |= {"status": status, "started": "2026-01-02T03:04:06Z", "ended": "2026-01-02T03:04:09Z", **more}

    # --- the door ----------------------------------------------------------------------------------
    def judge(self, call: Call) -> Reply:
        waiting = self.answers.get(f"{call.method} {call.path}")
        first = waiting.pop(0) if waiting else None
        if first is not None and not first.cut:
            return first
        if call.headers.get("authorization") not in {f"Bearer {TOKEN}", "Bearer run-token", "Bearer endpoint-key"}:
            return _refuse(401, "unauthenticated", "This token is unknown.")
        for method, pattern, route in _ROUTES:
            found = re.fullmatch(pattern, call.path)
            if method == call.method and found:
                answer = route(self, call, *[unquote(part) for part in found.groups() if part])
                reply = answer if isinstance(answer, Reply) else Reply(200, answer)
                reply.cut = first is not None
                return reply
        return _refuse(404, "not_found", f"There is nothing at {call.path}.")

    def me(self, call: Call) -> Any:
        return {"user": {"username": "olga", "is_admin": False}, "workspaces": [{"slug": "main", "role": "owner"}]}

    def workspaces(self, call: Call) -> Any:
        return {"workspaces": [{"slug": "main", "name": "Main", "role": "owner"}]}

    def workspace(self, call: Call) -> Any:
        return {"slug": "main", "name": "Main", "role": "owner"}

    def missing(self, call: Call, *_: str) -> Any:
        return {"missing": [one for one in call.json["sha256"] if one not in self.blobs]}

    def put(self, call: Call, *parts: str) -> Any:
        if hashlib.sha256(call.body).hexdigest() != parts[-1]:
            return _refuse(422, "digest_mismatch", "The bytes do not have the announced SHA-256.")
        self.blobs[parts[-1]] = call.body
        return Reply(201, {})

    def put_many(self, call: Call, *_: str) -> Any:
        self.blobs |= dict(unpack(call.body))
        return {}

    def pack(self, call: Call, *_: str) -> Any:
        # One at a time, so that whoever asks has to ask again.
        sha256 = self.artifacts[call.json["files"][0]]
        return Reply(200, pack([(sha256, self.blobs[sha256])]))

    def make_snapshot(self, call: Call) -> Any:
        files = call.json["files"]
        assert all(one["sha256"] in self.blobs for one in files)
        return Reply(
            201, {"id": "SNAP", "digest": "d", "file_count": len(files), "size": sum(o["size"] for o in files)}
        )

    def submit(self, call: Call) -> Any:
        body = call.json
        kept = {key: body[key] for key in ("experiment", "config", "git", "tags", "snapshot") if key in body}
        status = "running" if body.get("kind") == "interactive" else "queued"
        return Reply(201, self.new_run(**kept, status=status, kind=body.get("kind", "script")))

    def submit_code(self, call: Call) -> Any:
        if any(one["sha256"] not in self.blobs for one in call.json["files"]):
            return _refuse(422, "blobs_missing", "The contents of some files were not uploaded.")
        self.submitted.append(call)
        return self.submit(call)

    def list_runs(self, call: Call) -> Any:
        return {"runs": list(self.runs.values()), "next": None}

    def get_run(self, call: Call, run: str) -> Any:
        return self.runs.get(run) or _refuse(404, "not_found", f"There is no run {run!r} in main.")

    def patch_run(self, call: Call, run: str) -> Any:
        for key, value in call.json.get("tags", {}).items():
            self.runs[run]["tags"][key] = value
        return self.runs[run]

    def freed(self, call: Call, run: str) -> Any:
        return {"bytes": 1_234_567, "runs": 2, "deleted": self.runs[run].get("deleted")}

    def delete_run(self, call: Call, run: str) -> Any:
        if call.query.get("forever"):
            return None if self.runs.pop(run)["deleted"] else _refuse(409, "not_deleted", "It is not in the bin.")
        self.runs[run]["deleted"] = "2026-01-01T00:00:00Z"
        return None

    def restore_run(self, call: Call, run: str) -> Any:
        self.runs[run]["deleted"] = None
        return self.runs[run]

    def archive_run(self, call: Call, run: str) -> Any:
        self.runs[run]["archived"] = "2026-01-01T00:00:00Z" if call.json["archived"] else None
        return self.runs[run]

    def end(self, call: Call, run: str) -> Any:
        self.finish(call.json["status"], reason={"code": "", "message": call.json["message"]})
        return self.runs[run]

    def take_points(self, call: Call, run: str) -> Any:
        known = call.json["batch"] in self.batches
        self.batches.setdefault(call.json["batch"], call.json)
        count = len(call.json.get("points", [])) + len(call.json.get("items", []))
        assert count <= 1000
        assert len(call.body) < 1024 * 1024
        return {"accepted": 0 if known else count, "duplicate": known}

    def summary(self, call: Call, run: str) -> Any:
        found: dict[str, Any] = {}
        for key, value, *_ in self.points:
            count = found.get(key, {"count": 0})["count"] + 1
            found[key] = {"kind": "list", "count": count, "last": value, "min": value, "max": value}
        for item in self.items:
            found[item["key"]] = {"kind": item["kind"], "count": found.get(item["key"], {"count": 0})["count"] + 1}
        return {"metrics": found, "seq": 1}

    def get_items(self, call: Call, run: str) -> Any:
        return {"items": [item for item in self.items if item["key"] in call.query["key"]], "next": None}

    def series(self, call: Call, run: str) -> Any:
        keys = call.query["key"]
        told = {key: sorted((p for p in self.points if p[0] == key), key=lambda p: p[2]) for key in keys}
        columns = {"step": 2, "value": 1, "time": 3}
        return {"series": {key: {name: [p[at] for p in told[key]] for name, at in columns.items()} for key in keys}}

    def get_log(self, call: Call, run: str) -> Any:
        offset = int(call.query.get("offset", ["0"])[0])
        headers = {
            "X-Log-Length": str(len(self.log)),
            "X-Log-Attempt": str(self.runs[run]["attempt"]),
            "X-Log-Complete": "1" if self.runs[run]["ended"] else "0",
        }
        return Reply(200, self.log[offset:], headers)

    def add_artifacts(self, call: Call, run: str) -> Any:
        self.artifacts |= {one["path"]: one["sha256"] for one in call.json["files"]}
        return {"added": len(call.json["files"])}

    def list_artifacts(self, call: Call, run: str) -> Any:
        prefix = call.query.get("prefix", [""])[0]
        return {
            "artifacts": [
                {"path": path, "sha256": sha, "size": len(self.blobs[sha])}
                for path, sha in sorted(self.artifacts.items())
                if path.startswith(prefix)
            ]
        }

    def artifact(self, call: Call, run: str, path: str) -> Any:
        return (
            Reply(200, self.blobs[self.artifacts[path]]) if path in self.artifacts else _refuse(404, "not_found", "no")
        )

    def make_dataset(self, call: Call) -> Any:
        body = call.json
        size = sum(one["size"] for one in body["files"])
        made = {"name": body["name"], "version": 1, "files": body["files"], "file_count": len(body["files"])}
        made["single_file"] = body.get("single_file", False)
        self.dataset = {**made, "size": size, "description": "", "created": None, "created_by": "olga"}
        return Reply(201, self.dataset)

    def get_dataset(self, call: Call, name: str, *_: str) -> Any:
        known = getattr(self, "dataset", None)
        return known if known and known["name"] == name else _refuse(404, "not_found", f"There is no dataset {name}.")

    def dataset_file(self, call: Call, name: str, version: str, path: str) -> Any:
        sha = next(one["sha256"] for one in self.dataset["files"] if one["path"] == path)
        return Reply(200, self.blobs[sha])

    def make_model(self, call: Call) -> Any:
        body = call.json
        if body.get("run") and not any(path.startswith(body["path"]) for path in self.artifacts):
            told = {"code": "no_such_path", "message": f"The run has no file {body['path']!r}."}
            return Reply(422, {"error": {**told, "hint": f"Its files: {', '.join(self.artifacts)}."}})
        files = body.get("files") or [
            {"path": path.rpartition("/")[2], "sha256": sha, "size": len(self.blobs[sha])}
            for path, sha in self.artifacts.items()
            if path.startswith(body["path"])
        ]
        kept = {key: body.get(key) for key in ("name", "run", "description", "framework", "tags", "properties")}
        self.models[body["name"]] = {**kept, "version": 1, "files": files, "created": None, "created_by": "olga"}
        return Reply(201, self.models[body["name"]])

    def get_model(self, call: Call, name: str, *_: str) -> Any:
        return self.models.get(name) or _refuse(404, "not_found", f"There is no model {name}.")

    def list_model_versions(self, call: Call) -> Any:
        return {"versions": [one for name, one in self.models.items() if name in call.query["name"]], "next": None}

    def model_file(self, call: Call, name: str, version: str, path: str) -> Any:
        sha = next(one["sha256"] for one in self.models[name]["files"] if one["path"] == path)
        return Reply(200, self.blobs[sha])

    def get_endpoint(self, call: Call, name: str) -> Any:
        known = self.endpoints.get(name)
        if known is None:
            return _refuse(404, "not_found", f"There is no endpoint {name}.")
        for one in known["deployments"]:  # every look brings it a state further
            one["state"] = one["next"].pop(0) if one["next"] else one["state"]
        return known

    def make_endpoint(self, call: Call) -> Any:
        name = call.json["name"]
        self.endpoints[name] = {"name": name, "score_url": f"{self.url}/score/main/{name}", "deployments": []}
        return Reply(201, self.endpoints[name])

    deployment_states = ("transitioning", "healthy")

    def deploy(self, call: Call, name: str) -> Any:
        made = {
            **call.json,
            "number": len(self.endpoints[name]["deployments"]) + 1,
            "state": "transitioning",
            "next": list(self.deployment_states),
            "reason": "init() raised" if "failed" in self.deployment_states else "",
            "replicas": [{"state": "starting", "reason": "", "log_tail": "ValueError: no weights\n"}],
        }
        self.endpoints[name]["deployments"].append(made)
        return Reply(201, made)

    def keys(self, call: Call, name: str) -> Any:
        return {"primary": "endpoint-key", "secondary": "other-key"}

    def score(self, call: Call, name: str) -> Any:
        if call.headers["authorization"] != "Bearer endpoint-key":
            return _refuse(401, "unauthenticated", "no")
        return {"sum": sum(call.json["data"])}


def _refuse(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": message, "hint": None, "details": {}}})


_ANY, _REST = "([^/]+)", "(.+)"
_RUN = f"{W}/runs/{_ANY}"
_OWN = f"/agent/v1/runs/{_ANY}"
_ROUTES: list[tuple[str, str, Route]] = [
    ("GET", "/api/v1/me", FakeStudio.me),
    ("GET", "/api/v1/workspaces", FakeStudio.workspaces),
    ("GET", W, FakeStudio.workspace),
    ("POST", f"{W}/blobs/missing", FakeStudio.missing),
    ("PUT", f"{W}/blobs/{_ANY}", FakeStudio.put),
    ("POST", f"{W}/blobs", FakeStudio.put_many),
    ("POST", f"{_RUN}/artifacts/pack", FakeStudio.pack),
    ("POST", f"{W}/snapshots", FakeStudio.make_snapshot),
    ("POST", f"{W}/runs", FakeStudio.submit),
    ("POST", f"{W}/submissions", FakeStudio.submit_code),
    ("GET", f"{W}/runs", FakeStudio.list_runs),
    ("GET", f"{_RUN}/metrics", FakeStudio.summary),
    ("GET", f"{_RUN}/series", FakeStudio.series),
    ("GET", f"{_RUN}/items", FakeStudio.get_items),
    ("GET", f"{_RUN}/log", FakeStudio.get_log),
    ("GET", f"{_RUN}/artifacts", FakeStudio.list_artifacts),
    ("GET", f"{_RUN}/artifacts/{_REST}", FakeStudio.artifact),
    ("POST", f"{_RUN}/end", FakeStudio.end),
    ("GET", f"{_RUN}/freed", FakeStudio.freed),
    ("DELETE", _RUN, FakeStudio.delete_run),
    ("POST", f"{_RUN}/restore", FakeStudio.restore_run),
    ("POST", f"{_RUN}/archive", FakeStudio.archive_run),
    ("POST", f"{W}/datasets", FakeStudio.make_dataset),
    ("GET", f"{W}/datasets/{_ANY}/versions/{_ANY}/files/{_REST}", FakeStudio.dataset_file),
    ("GET", f"{W}/datasets/{_ANY}(?:/versions/{_ANY})?", FakeStudio.get_dataset),
    ("POST", f"{W}/models", FakeStudio.make_model),
    ("GET", f"{W}/model-versions", FakeStudio.list_model_versions),
    ("GET", f"{W}/models/{_ANY}/versions/{_ANY}/files/{_REST}", FakeStudio.model_file),
    ("GET", f"{W}/models/{_ANY}(?:/versions/{_ANY})?", FakeStudio.get_model),
    ("POST", f"{W}/endpoints", FakeStudio.make_endpoint),
    ("GET", f"{W}/endpoints/{_ANY}", FakeStudio.get_endpoint),
    ("POST", f"{W}/endpoints/{_ANY}/deployments", FakeStudio.deploy),
    ("GET", f"{W}/endpoints/{_ANY}/keys", FakeStudio.keys),
    ("POST", f"/score/main/{_ANY}", FakeStudio.score),
    *[
        route
        for base in (_RUN, _OWN)
        for route in (
            ("GET", base, FakeStudio.get_run),
            ("PATCH", base, FakeStudio.patch_run),
            ("POST", f"{base}/metrics", FakeStudio.take_points),
            ("POST", f"{base}/artifacts", FakeStudio.add_artifacts),
            ("POST", f"{base}/blobs/missing", FakeStudio.missing),
            ("PUT", f"{base}/blobs/{_ANY}", FakeStudio.put),
            ("POST", f"{base}/blobs", FakeStudio.put_many),
        )
    ],
]


def _handler(studio: FakeStudio) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if studio.away:
                self.close_connection = True
                return
            studio.answering.wait()
            parts = urlsplit(self.path)
            told = {key.lower(): value for key, value in self.headers.items()}
            call = Call(self.command, parts.path, parse_qs(parts.query), told, data)
            with studio.lock:
                studio.calls.append(call)
                reply = studio.judge(call)
            if reply.cut:
                self.close_connection = True
                return
            content = reply.value if isinstance(reply.value, bytes) else json.dumps(reply.value).encode()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    return Handler
