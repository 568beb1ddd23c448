"""The HTTP surface of a replica, as one small ASGI application."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import time
import uuid
from concurrent.futures import Executor
from typing import Any, Awaitable, Callable, Dict, List, MutableMapping, Optional, Tuple
from urllib.parse import parse_qs

from zaffre.protocol import VERSION
from zaffre.serve import swagger
from zaffre.serve.body import NotJson, encode
from zaffre.serve.lines import request_id
from zaffre.serve.raw import AMLRequest, AMLResponse
from zaffre.serve.script import BadInput, Script

log = logging.getLogger("zaffre.serve")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Dict[str, Any]]]
Send = Callable[[Dict[str, Any]], Awaitable[None]]
Headers = Dict[str, str]

MAX_BODY = 100 * 1024 * 1024
MAX_ID = 100
_IDS = ("x-request-id", "x-ms-request-id", "x-ms-client-request-id")
_SORRY = "An unexpected error occurred in scoring script. Check the logs for more info."


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, headers: Optional[Headers] = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class App:
    """GET / · GET, POST /score · GET /swagger.json"""

    def __init__(self, script: Script, *, executor: Executor, name: str, timeout: float) -> None:
        self.script, self.executor, self.name, self.timeout = script, executor, name, timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        ids = {name: headers[name] for name in _IDS if name in headers}
        told: Headers = {"x-ms-server-version": f"zaffre/{VERSION}"}
        try:
            for name, value in ids.items():
                if len(value) > MAX_ID:
                    raise Problem(431, f"The header {name} is longer than {MAX_ID} characters.")
            identity = ids.get("x-ms-request-id") or ids.get("x-request-id") or str(uuid.uuid4())
            told.update({"x-request-id": ids.get("x-request-id", identity), "x-ms-request-id": identity})
            if "x-ms-client-request-id" in ids:
                told["x-ms-client-request-id"] = ids["x-ms-client-request-id"]
            request_id.set(identity)
            status, more, body = await self.answer(scope, headers, receive)
        except Problem as problem:
            status, more = problem.status, {**problem.headers, "content-type": "application/json"}
            body = json.dumps({"message": str(problem)}).encode()
        await _reply(send, status, {**told, **more}, body)

    async def answer(self, scope: Scope, headers: Headers, receive: Receive) -> Tuple[int, Headers, bytes]:
        path, method = scope["path"], scope["method"]
        if path == "/":
            _allow(method, "GET")
            return 200, {"content-type": "text/plain; charset=utf-8"}, b"Healthy"
        if path == "/swagger.json":
            _allow(method, "GET")
            return 200, {"content-type": "application/json"}, self.swagger(scope)
        if path == "/score":
            if not (self.script.raw and method == "OPTIONS"):
                _allow(method, "GET", "POST")
            return await self.score(scope, headers, receive)
        raise Problem(404, f"There is nothing at {path[:200]}; score with POST /score.")

    def swagger(self, scope: Scope) -> bytes:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        version = query.get("version", ["2"])[-1]
        found = self.script.swagger(version)
        if found is None:
            raise Problem(404, "The script declares no schema for this Swagger version.")
        return json.dumps(swagger.document(self.name, found, version)).encode()

    async def score(self, scope: Scope, headers: Headers, receive: Receive) -> Tuple[int, Headers, bytes]:
        body = await _body(receive, headers)
        query = scope["query_string"].decode("latin-1")
        request = AMLRequest(scope["method"], scope["path"], query, headers, body)
        text = "" if self.script.raw else _text(request, headers, body)
        begun = time.perf_counter()
        failed, answer = False, b""
        status, more = 200, {"content-type": "application/json"}
        try:
            value = await asyncio.wait_for(self._run(request, text), self.timeout)
            status, more, answer = _encoded(value)
        except BadInput as error:
            raise Problem(400, str(error), _timing(begun, failed=False)) from None
        except asyncio.TimeoutError:
            log.error("run() did not return within %g s", self.timeout)
            raise Problem(500, "run() did not return in time.", _timing(begun, failed=True)) from None
        except NotJson as error:
            log.error("%s", error)
            raise Problem(500, str(error), _timing(begun, failed=True)) from None
        except Exception:
            log.exception("run() raised an exception")
            raise Problem(500, _SORRY, _timing(begun, failed=True)) from None
        return status, {**more, **_timing(begun, failed=failed)}, answer

    async def _run(self, request: AMLRequest, text: str) -> Any:
        context = contextvars.copy_context()  # so that prints of this request carry its id
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, lambda: context.run(self._call, request, text))

    def _call(self, request: AMLRequest, text: str) -> Any:
        try:
            return self.script.call(request, text)
        except StopIteration as error:  # it cannot pass through a future
            raise RuntimeError("run() raised StopIteration") from error
        except SystemExit as error:
            raise RuntimeError(f"run() called sys.exit({error.code})") from error


def _encoded(value: Any) -> Tuple[int, Headers, bytes]:
    if not isinstance(value, AMLResponse):
        return 200, {"content-type": "application/json"}, encode(value)
    more = {name.lower(): text for name, text in value.response_headers.items()}
    message = value.message
    if isinstance(message, (bytes, bytearray)):
        more.setdefault("content-type", "application/octet-stream")
        return value.status_code, more, bytes(message)
    if isinstance(message, str) and not value.json_str:
        more.setdefault("content-type", "text/plain; charset=utf-8")
        return value.status_code, more, message.encode()
    more.setdefault("content-type", "application/json")
    return value.status_code, more, encode(message)


def _text(request: AMLRequest, headers: Headers, body: bytes) -> str:
    """The JSON text for run(). Raises Problem 415 or 400."""
    if request.method == "GET":
        return json.dumps(request.args)
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(415, "Expects Content-Type to be application/json")
    try:
        text = body.decode("utf-8-sig")
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"The body is not valid JSON: {error}") from None
    return text


def _timing(begun: float, *, failed: bool) -> Headers:
    return {
        "x-ms-run-function-failed": str(failed),
        "x-ms-run-fn-exec-ms": f"{(time.perf_counter() - begun) * 1000:.3f}",
    }


def _allow(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise Problem(405, f"{method} is not allowed here.", {"allow": ", ".join(allowed)})


async def _body(receive: Receive, headers: Headers) -> bytes:
    try:
        told = int(headers.get("content-length", "0"))
    except ValueError:
        raise Problem(400, "Content-Length is no number.") from None
    pieces: List[bytes] = []
    size = 0
    while told <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "The request ended before its body was whole.")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY:
            break
        if not message.get("more_body"):
            return b"".join(pieces)
    raise Problem(413, f"The body is larger than {MAX_BODY // 2**20} MB.", {"connection": "close"})


async def _reply(send: Send, status: int, headers: Headers, body: bytes) -> None:
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
