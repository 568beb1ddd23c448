"""An API server with the pods and secrets of one namespace, as recorded from Kubernetes 1.3x: paths, codes, shapes."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

#: How often a pod that goes is still listed: its container has its grace.
LISTED_AFTER_DELETE = 2


class Api:
    """Pods and secrets of one namespace in memory."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self._going: dict[str, int] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.away = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.away:
            return 503, _status(503, "ServiceUnavailable")
        plain, _, query = path.partition("?")
        found = re.fullmatch(r"/api/v1/namespaces/ns/(pods|secrets)(?:/([^/]+))?(/log)?", plain)
        assert found, path
        store: dict[str, dict[str, Any]] = getattr(self, found[1])
        name = found[2]
        if method == "POST":
            name = body["metadata"]["name"]
            if name in store:
                return 409, _status(409, "AlreadyExists")
            self._going.pop(name, None)
            store[name] = body | ({"status": {"phase": "Pending"}} if found[1] == "pods" else {})
            return 201, store[name]
        if name is None:
            assert "labelSelector=app%3Dzaffre-node" in query
            self._time_passes()
            return 200, {"kind": "PodList", "apiVersion": "v1", "items": list(store.values())}
        if name not in store:
            return 404, _status(404, "NotFound")
        if found[3]:
            return 200, "INFO registered\n"
        if method != "DELETE":
            return 200, store[name]
        alive = found[1] == "pods" and store[name]["status"]["phase"] in ("Pending", "Running")
        if alive and "gracePeriodSeconds=0" not in query:
            store[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self._going.setdefault(name, LISTED_AFTER_DELETE)
            return 200, store[name]
        return 200, store.pop(name)

    def _time_passes(self) -> None:
        for name, left in list(self._going.items()):
            self._going[name] = left - 1
            if left <= 0:
                del self._going[name]
                self.pods.pop(name, None)


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _go(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, value = api.answer(self.command, self.path, body)
            raw = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _go

        def log_message(self, *_: object) -> None:
            return

    return Handler


@contextmanager
def running_api() -> Iterator[Api]:
    api = Api()
    api.thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        api.server.server_close()


def client_of(api: Api) -> Any:
    """The official client before this server; skips the test where it is not installed."""
    client = pytest.importorskip("kubernetes.client", reason="the extra of requirements-kubernetes.in is not installed")
    configuration = client.Configuration(host=api.url)
    configuration.retries = False
    return client.CoreV1Api(client.ApiClient(configuration))
