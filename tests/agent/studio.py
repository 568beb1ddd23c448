"""A small studio for agents: the agent door in memory, with leases, over real HTTP, and faults on demand."""

import contextlib
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.agent.fakerun import FINAL, FakeRun
from zaffre.packs import pack, unpack


class FakeStudio:
    """`away` swallows every call; `cut` names calls whose answer is cut off once."""

    def __init__(self, *, heartbeat: float = 0.3, lease: float = 60.0, grace: float = 2.0) -> None:
        self.settings = {"heartbeat": heartbeat, "lease": lease, "grace": grace, "recheck": 2.0}
        self.lease = lease
        self.broker: dict[str, str] = {}
        self.runs: dict[str, FakeRun] = {}
        self.blobs: dict[str, bytes] = {}
        self.replicas: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, dict[str, Any]] = {}
        self.boards: dict[str, dict[str, Any]] = {}
        self.board_files: dict[str, list[dict[str, Any]]] = {}
        self.board_reports: dict[str, list[dict[str, Any]]] = {}
        self.fetched: list[tuple[str, int]] = []
        self.hellos: list[dict[str, Any]] = []
        self.stocks: list[dict[str, Any]] = []
        self.claims: list[dict[str, Any]] = []
        self.claim_only_named = False
        #: Nobody gets a run; and a studio of the version before, which gives one.
        self.held_back = self.gives_one = False
        #: Whether claims say that the end of the log, the files and the result may come together; and whether they may.
        self.says_finish = self.takes_finish = True
        self.log_limits = {"head": 32 * 1024**2, "tail": 32 * 1024**2}
        self.blob_reads = 0
        self.away = False
        self.refuse_samples, self.refused_samples = False, 0
        self.cut: set[str] = set()
        self.locks: dict[str, list[dict[str, str]]] = {}
        self.builds: list[dict[str, Any]] = []
        self.lock_reads = 0
        self.wanted_builds: list[dict[str, Any]] = []
        self.build_reports: list[dict[str, Any]] = []
        self.vault: dict[str, str] = {}
        self.node_token = "node-" + secrets.token_hex(4)
        self.changed = threading.Condition(threading.RLock())
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> "FakeStudio":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    # --- for tests -----------------------------------------------------------------------------
    def keep(self, files: dict[str, str | bytes]) -> list[dict[str, Any]]:
        entries = []
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            digest = hashlib.sha256(data).hexdigest()
            self.blobs[digest] = data
            entries.append({"path": path, "sha256": digest, "size": len(data), "mode": 0o644})
        return entries

    def submit(
        self,
        files: dict[str, str | bytes],
        *,
        arguments: list[str] | None = None,
        environment: dict[str, Any] | None = None,
        inputs: dict[str, dict[str, str | bytes]] | None = None,
        single_files: tuple[str, ...] = (),
        limits: dict[str, Any] | None = None,
        **config: Any,
    ) -> FakeRun:
        run = FakeRun(
            id="RUN" + secrets.token_hex(6).upper(),
            config={"script": "train.py", "arguments": arguments or [], **config},
            files=self.keep(files),
            environment=environment or {"kind": "system"},
            inputs={
                name: {"files": self.keep(found), "single_file": name in single_files}
                for name, found in (inputs or {}).items()
            },
            limits=limits or {},
        )
        with self.changed:
            self.runs[run.id] = run
            self.changed.notify_all()
        return run

    def wait(self, what: Any, why: str, seconds: float = 120.0) -> Any:
        """What `what()` returns once it is true."""
        end = time.monotonic() + seconds
        with self.changed:
            while not (found := what()):
                left = end - time.monotonic()
                assert left > 0, f"not within {seconds} s: {why}; {self.runs}"
                self.changed.wait(min(left, 0.2))
        return found

    def wait_final(self, run: FakeRun, seconds: float = 120.0) -> FakeRun:
        self.wait(lambda: run.status in FINAL, f"the end of {run.id}", seconds)
        return run

    def give_up(self, run: FakeRun) -> None:
        """What the reaper does when a lease is over: another attempt may begin."""
        with self.changed:
            run.status, run.token = "queued", ""

    # --- the door --------------------------------------------------------------------------------
    def spec(self, run: FakeRun) -> dict[str, Any]:
        return {
            "run": run.id,
            "attempt": run.attempt,
            "token": run.token,
            "valid_for": self.lease,
            "workspace": "lab",
            "experiment": "tests",
            "name": run.id,
            "config": run.config,
            "snapshot": {"id": "s", "files": run.files},
            "environment": {"name": "e", "version": 1, "spec": run.environment, **self._kept(run)},
            "inputs": run.inputs,
            "desired": run.desired,
            "limits": run.limits,
            "secrets": self.vault,
            "log": self.log_limits,
            "finish": self.says_finish,
        }

    def _kept(self, run: FakeRun) -> dict[str, Any]:
        """Which version that is, and its locks, when a test gave it a number: {"version_id": 7, "kind": …}."""
        number = run.environment.get("version_id")
        if number is None:
            return {}
        refs = [{key: one[key] for key in ("python", "platform", "sha256")} for one in self.locks.get(str(number), [])]
        return {"id": number, "lock": refs}

    def _environments(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        _, number, what, *rest = path.split("/")
        kept = self.locks.setdefault(number, [])
        if what == "builds":
            self.builds.append(body)
            return 201, {"id": str(len(self.builds))}
        if method == "GET":
            self.lock_reads += 1
            return 200, next(one for one in kept if one["sha256"] == rest[0])
        sha256 = hashlib.sha256(body["requirements"].encode()).hexdigest()
        if not any(one["python"] == body["python"] for one in kept):
            kept.append({**body, "sha256": sha256})
        return 200, next(one for one in kept if one["python"] == body["python"])

    def claim(self, body: dict[str, Any], wait: float) -> tuple[int, Any]:
        self.claims.append(body)
        end = time.monotonic() + wait
        with self.changed:
            while not (found := self._claimed(body)):
                left = end - time.monotonic()
                if left <= 0 or self.away:
                    return (409, _error("taken")) if body.get("run") else (204, None)
                self.changed.wait(left)
            specs = [self.spec(run) for run in found]
            return 200, specs[0] if self.gives_one else {"runs": specs}

    def _claimed(self, body: dict[str, Any]) -> list[FakeRun]:
        runs = list(self.runs.values())
        if known := [run for run in runs if run.nonce == body["nonce"] and run.status not in FINAL]:
            return known
        waiting = [] if self.held_back else [run for run in runs if run.status == "queued"]
        if body.get("run"):
            waiting.sort(key=lambda run: run.id != body["run"])
        elif self.claim_only_named:
            waiting = []
        found = waiting[: 1 if self.gives_one else body["most"]]
        for run in found:
            run.attempt += 1
            run.status, run.token, run.nonce = "starting", "run-" + secrets.token_hex(8), body["nonce"]
            run.lease_until = time.monotonic() + self.lease
            self.changed.notify_all()
        return found

    def node_call(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "nodes/register":
            assert body["name"] and body["facts"]["cpu"]
            known = {"node_id": "N1", "token": self.node_token, "workspace": "lab", "target": "local"}
            return 200, {**known, "broker": self.broker, "settings": self.settings}
        if path == "nodes/hello":
            self.hellos.append(body)
            keep = [one for one in body["runs"] if self._owned(one)]
            kill = [one for one in body["runs"] if not self._owned(one)]
            return 200, {"epoch": body["epoch"], "keep": keep, "kill": kill}
        if path == "nodes/renew":
            runs = []
            self.stocks += [body["environments"]] if "environments" in body else []
            for one in body["runs"]:
                run = self.runs[one["run"]]
                if not self._owned(one):
                    runs.append({**one, "valid_for": 0, "desired": "kill"})
                    continue
                run.lease_until = time.monotonic() + self.lease
                runs.append({**one, "valid_for": self.lease, "desired": run.desired})
            return 200, {"runs": runs, "valid_for": self.lease}
        if path == "builds/sync":
            self.build_reports += body["builds"]
            ended = {one["id"] for one in body["builds"] if one["status"] != "running"}
            self.wanted_builds = [one for one in self.wanted_builds if one["id"] not in ended]
            return 200, {"builds": self.wanted_builds[:1]}
        if path.startswith("environments/"):
            return self._environments(method, path, body)
        if path == "nodes/claim":
            return self.claim(body, float(query.get("wait", ["0"])[0]))
        if path == "replicas/sync":
            self.reports.update({one["id"]: one for one in body["replicas"]})
            return 200, {"replicas": list(self.replicas.values())}
        if path == "boards/sync":
            for one in body["boards"]:
                self.board_reports.setdefault(one["id"], []).append(one)
            return 200, {"boards": list(self.boards.values())}
        if path.startswith("boards/") and path.endswith("/files"):
            return 200, {"files": self.board_files.get(path.split("/")[1], []), "growing": True}
        return 404, _error("not_found")

    def _owned(self, one: dict[str, Any]) -> bool:
        run = self.runs.get(one["run"])
        return bool(run and run.token and run.attempt == one["attempt"] and run.status not in FINAL)

    def run_call(
        self, method: str, run: FakeRun, rest: str, headers: Any, data: bytes
    ) -> tuple[int, Any] | tuple[int, Any, dict[str, str]]:
        if run.status in FINAL:
            return 409, _error("final")
        if rest == "log":
            return self._log(run, headers, data)
        if rest.startswith("blobs/") and method == "PUT":
            assert hashlib.sha256(data).hexdigest() == rest[6:]
            self.blobs[rest[6:]] = data
            return 201, {}
        if rest == "blobs":
            files = dict(unpack(data))
            assert all(hashlib.sha256(one).hexdigest() == sha256 for sha256, one in files.items())
            self.blobs |= files
            return 200, {"stored": len(files)}
        body = json.loads(data)
        if rest == "metrics" and all(point[0].startswith("system/") for point in body["points"]):
            if self.refuse_samples:
                self.refused_samples += 1
                return 422, _error("invalid")
            run.samples += body["points"]  # whenever they come
            return 200, {"accepted": len(body["points"]), "duplicate": False}
        run.order.append(rest)
        if rest == "finish":
            return self._finish(run, headers, body) if self.takes_finish else (404, _error("not_found"))
        if rest == "blobs/missing":
            return 200, {"missing": [one for one in body["sha256"] if one not in self.blobs]}
        if rest == "progress":
            run.status = run.status if run.status == "cancel_requested" else body["state"]
            run.steps += body["steps"]
            run.warnings += [text for text in body.get("warnings", []) if text not in run.warnings]
            return 200, {}
        if rest == "log/complete":
            run.log_complete = (body["length"], body["sha256"]) == (len(run.log), hashlib.sha256(run.log).hexdigest())
            return (200, {}) if run.log_complete else (409, _error("log_mismatch"))
        if rest == "metrics":
            run.points += body["points"]
            return 200, {"accepted": len(body["points"]), "duplicate": False}
        if rest == "artifacts":
            held = all(one["sha256"] in self.blobs for one in body["files"])
            run.artifacts.update({one["path"]: one["sha256"] for one in body["files"] if held})
            return (200, {"added": len(body["files"])}) if held else (422, _error("blobs_missing"))
        if rest == "result":
            run.steps += body.pop("steps", [])
            run.result = body
            good = body["exit_code"] == 0 and not body.get("reason")
            run.status = "canceled" if run.desired == "cancel" else "completed" if good else "failed"
            return 200, {"status": run.status}
        return 404, _error("not_found")

    def _finish(self, run: FakeRun, headers: Any, body: dict[str, Any]) -> Any:
        """What three other calls do, in the order in which one that is refused leaves nothing behind."""
        answer: Any = 200, {}
        parts = {"artifacts": {"files": body.pop("files", [])}, "log/complete": body.pop("log", None), "result": body}
        for rest, part in parts.items():
            if part and answer[0] == 200:
                answer = self.run_call("POST", run, rest, headers, json.dumps(part).encode())
                run.order.pop()
        return answer

    def _log(self, run: FakeRun, headers: Any, data: bytes) -> tuple[int, Any, dict[str, str]]:
        start = int(headers["Content-Range"].split()[1].split("-")[0])
        held = {"X-Log-Length": str(len(run.log))}
        if start > len(run.log) and headers.get("X-Log-Skip") == "1":
            run.skipped += start - len(run.log)
            run.log += bytes(start - len(run.log))
        if start > len(run.log):
            return 416, _error("gap"), held
        known = run.log[start : start + len(data)]
        if known != data[: len(known)]:
            return 409, _error("log_differs"), held
        run.log += data[len(known) :]
        run.marks.append((start, headers.get("X-Log-Marks") or ""))
        return 202, None, {"X-Log-Length": str(len(run.log)), "X-Desired": run.desired}


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": code, "hint": None, "details": {}}}


def _handler(studio: FakeStudio) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # as every real server
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if studio.away:
                self.close_connection = True
                return
            parts = urlsplit(self.path)
            path = parts.path.removeprefix("/agent/v1/")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._answer(path, parse_qs(parts.query), data)

        def _answer(self, path: str, query: dict[str, list[str]], data: bytes) -> None:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            more: dict[str, str] = {}
            found: Any
            if path.startswith("nodes/claim"):
                found = studio.node_call("POST", path, query, json.loads(data))
            else:
                with studio.changed:
                    found = self._judge(path, query, data, token)
                    studio.changed.notify_all()
            status, body = found[0], found[1]
            if len(found) == 3:
                more = found[2]
            if studio.away or path in studio.cut:
                studio.cut.discard(path)
                self.close_connection = True
                return
            content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _judge(self, path: str, query: dict[str, list[str]], data: bytes, token: str) -> Any:
            words = path.split("/")
            if "blobs" in words and self.command == "GET":
                studio.blob_reads += 1
                start = int(query.get("start", ["0"])[0])
                studio.fetched.append((words[-1], start))
                if words[-1] not in studio.blobs:
                    return 404, _error("not_found")
                return 200, studio.blobs[words[-1]][start:]
            if words[-2:] == ["blobs", "pack"]:
                files = json.loads(data)["files"]
                studio.blob_reads += len(files)
                return 200, pack((one, studio.blobs[one]) for one in files)
            if words[0] == "runs":
                run = studio.runs.get(words[1])
                if run is None:
                    return 404, _error("not_found")
                if token != run.token:
                    return 409, _error("stale_attempt")
                return studio.run_call(self.command, run, "/".join(words[2:]), self.headers, data)
            if path != "nodes/register" and token != studio.node_token:
                return 401, _error("unauthenticated")
            return studio.node_call(self.command, path, query, json.loads(data or b"null"))

        do_GET = do_POST = do_PUT = do_PATCH = serve

    return Handler
