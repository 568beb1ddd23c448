"""The real ASGI application, entered in-process: requests and sockets without a server."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse
from rest_framework.test import APIClient

#: Generous: the machine may be busy.
PATIENCE = 240


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    #: What was sent at once.
    parts: list[bytes] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json()["error"]["code"]


@dataclass
class Caller:
    """Somebody at the door: `await caller.get("/api/v1/…")`."""

    app: Any
    headers: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | list[bytes] = b"",
        *,
        cut: bool = False,
        stalls: bool = False,
        gone_after: float = 0,
        **headers: str,
    ) -> Answer:
        """Send a request, the body in pieces when it is a list; `cut` breaks the connection after them.

        With `stalls` more of the body is promised and never comes.
        `gone_after` breaks it that many seconds after the whole body was sent.
        """
        path, _, query = path.partition("?")
        pieces = body if isinstance(body, list) else [body]
        sent = {"host": "localhost", **self.headers, **{key.replace("_", "-"): value for key, value in headers.items()}}
        if not cut:
            sent.setdefault("content-length", str(sum(map(len, pieces))))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in sent.items()],
            "client": ("127.0.0.1", 40000),
            "server": ("localhost", 80),
        }
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for at, piece in enumerate(pieces):
            more = cut or stalls or at < len(pieces) - 1
            inbox.put_nowait({"type": "http.request", "body": piece, "more_body": more})
        if cut:
            inbox.put_nowait({"type": "http.disconnect"})
        if gone_after:
            asyncio.get_running_loop().call_later(gone_after, inbox.put_nowait, {"type": "http.disconnect"})
        out: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            out.append(message)

        async with asyncio.timeout(PATIENCE):
            await self.app(scope, inbox.get, send)
        if not out:
            return Answer(0, {}, b"")
        got: dict[str, str] = {}
        for key, value in out[0]["headers"]:
            name, text = key.decode().lower(), value.decode("latin-1")
            got[name] = f"{got[name]}, {text}" if name in got else text
        parts = [message.get("body", b"") for message in out[1:]]
        return Answer(out[0]["status"], got, b"".join(parts), parts)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.call("POST", path, raw, **{"content_type": "application/json", **headers})

    async def patch_log(self, path: str, start: int, data: bytes, **headers: str) -> Answer:
        return await self.call(
            "PATCH", path, data, **{"content_range": f"bytes {start}-{start + len(data) - 1}/*", **headers}
        )

    def socket(self, path: str, **headers: str) -> "Socket":
        return Socket(self.app, path, {"host": "localhost", "origin": "http://localhost", **self.headers, **headers})


class Socket:
    """A WebSocket: `async with caller.socket(path) as socket`."""

    def __init__(self, app: Any, path: str, headers: dict[str, str]) -> None:
        self._line = ApplicationCommunicator(
            app,
            {
                "type": "websocket",
                "asgi": {"version": "3.0"},
                "scheme": "ws",
                "path": path,
                "raw_path": path.encode(),
                "query_string": b"",
                "root_path": "",
                "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in headers.items()],
                "client": ("127.0.0.1", 40000),
                "server": ("localhost", 80),
                "subprotocols": [],
            },
        )
        self.closed: int | None = None

    async def __aenter__(self) -> "Socket":
        await self._line.send_input({"type": "websocket.connect"})
        first = await self._line.receive_output(PATIENCE)
        if first["type"] == "websocket.close":
            self.closed = first.get("code", 1000)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._line.send_input({"type": "websocket.disconnect", "code": 1001})
        await self._line.wait(PATIENCE)

    async def send(self, **message: Any) -> None:
        await self._line.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def next(self) -> dict[str, Any]:
        """The next frame, {"t": "closed", "code": …} at the end."""
        message = await self._line.receive_output(PATIENCE)
        if message["type"] == "websocket.close":
            self.closed = message.get("code", 1000)
            return {"t": "closed", "code": self.closed}
        return json.loads(message["text"])

    async def until(self, kind: str) -> dict[str, Any]:
        """The next frame of a kind; others are passed over, log frames acknowledged."""
        while True:
            frame = await self.next()
            if frame["t"] == "log":
                await self.send(t="ack")
            if frame["t"] in {kind, "closed"}:
                return frame


class DoorClient(APIClient):
    """Enters by the address, as programs do: by the raw door where there is one, else by Django's."""

    def generic(self, method: str, path: str, data: Any = "", content_type: str = "", *args: Any, **extra: Any) -> Any:
        from studio.asgi import application, router

        if router.match(method, path.partition("?")[0]) is None:
            return super().generic(method, path, data, content_type, *args, **extra)
        sent = {**self._credentials, **extra}
        headers = {key[5:].lower().replace("_", "-"): text for key, text in sent.items() if key.startswith("HTTP_")}
        headers |= extra.get("headers") or {}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={one.value}" for name, one in self.cookies.items())
        raw = data if isinstance(data, bytes) else str(data).encode()
        caller = Caller(application, headers)
        answer = asyncio.run(caller.call(method, path, raw, content_type=content_type))
        response = HttpResponse(answer.body, status=answer.status, headers=answer.headers)
        response.json = answer.json  # type: ignore[attr-defined]
        return response
