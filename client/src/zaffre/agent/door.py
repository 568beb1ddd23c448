"""The one way to the studio: HTTP with a token, a short time limit, and errors that say what to do next."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from typing import Any, BinaryIO, Callable, Dict, Mapping, Optional, Union

import urllib3

from zaffre.protocol import PROTOCOL, PROTOCOL_HEADER

#: Codes of a 409 that mean: this attempt no longer owns its run.
_FENCING_CODES = frozenset({"stale_attempt", "final"})
_MOST_RETRY_AFTER = 30.0
#: Seconds without an answer that need no word in the log, and the most between two words: each waits longer.
_SILENT = 1.0
_MOST_SILENT = 600.0

log = logging.getLogger("zaffre.agent")

Body = Union[bytes, BinaryIO, None]


class DoorError(Exception):
    """A call did not succeed."""


class Unreachable(DoorError):
    """No answer, or one that promises nothing (5xx, 429): the same call may be repeated."""

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(DoorError):
    """The studio understood and said no; repeating changes nothing."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str],
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers
        self.details = details or {}

    @property
    def fences(self) -> bool:
        """True when the caller has lost its right to the run it speaks for."""
        return self.status in (401, 404) or (self.status == 409 and self.code in _FENCING_CODES)


class Stopped(DoorError):
    """The caller's own reason to wait ended before the studio answered."""


class Answer:
    """Status, headers and body of a 2xx answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The decoded body. Raises Unreachable when it is no JSON: then something else than the studio answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unreachable("The answer is no JSON; is a proxy in the way?") from None


class Door:
    """Calls to one studio with one token. Threads may share it."""

    def __init__(self, url: str, token: str, *, timeout: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._headers = {PROTOCOL_HEADER: str(PROTOCOL), "Authorization": f"Bearer {token}"}
        self._timeout = timeout
        self._pool = urllib3.PoolManager(num_pools=2, maxsize=32, retries=False)

    def with_token(self, token: str) -> "Door":
        """The same studio for another bearer, over the same kept connections."""
        other = Door(self.url, token, timeout=self._timeout)
        other._pool = self._pool
        return other

    def call(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        body: Body = None,
        headers: Optional[Dict[str, str]] = None,
        timeout: Optional[float] = None,
        stream_to: Optional[Callable[[bytes], object]] = None,
    ) -> Answer:
        """Ask once. `value` is sent as JSON, `body` as it is; `stream_to` takes the answer piece by piece.

        Raises Unreachable when it may be asked again, Refused when not.
        """
        told = {**self._headers, **(headers or {})}
        if value is not None:
            body, told["Content-Type"] = json.dumps(value).encode(), "application/json"
        limit = urllib3.Timeout(connect=min(10.0, timeout or self._timeout), read=timeout or self._timeout)
        try:
            answer = self._pool.request(
                method, self.url + path, body=body, headers=told, timeout=limit, preload_content=False, redirect=False
            )
            try:
                content = b""
                if stream_to is not None and answer.status < 300:
                    for piece in answer.stream(1 << 20):
                        stream_to(piece)
                else:
                    content = answer.read()
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._pool.clear()  # the next try begins with a new connection
            raise Unreachable(f"{method} {path}: {error}") from None
        return _judged(answer.status, answer.headers, content, f"{method} {path}")

    def insist(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        until: Callable[[], bool] = lambda: False,
        patience: float = 3600.0,
        make_body: Optional[Callable[[], Body]] = None,
        headers: Optional[Dict[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Answer:
        """`call` again and again with growing pauses until the studio answers.

        `make_body` makes a fresh body for every try, and so does a `value` that can be called. Raises Refused as
        `call` does, Stopped when `until()` became true, Unreachable after `patience` seconds without an answer.
        """
        begun, pause, silent = time.monotonic(), 0.2, _SILENT
        while True:
            try:
                return self.call(
                    method,
                    path,
                    value() if callable(value) else value,
                    body=make_body() if make_body else None,
                    headers=headers,
                    timeout=timeout,
                )
            except Unreachable as error:
                if until():
                    raise Stopped(str(error)) from None
                waited = time.monotonic() - begun
                if waited > patience:
                    raise
                if waited > silent:
                    silent = waited + min(2 * waited, _MOST_SILENT)
                    told = "the studio has not answered for %.0f s, trying on until this node is stopped (Ctrl+C): %s"
                    log.warning(told, waited, error)
                rest(max(pause * random.uniform(0.8, 1.2), error.retry_after), until)  # noqa: S311 - not a secret
                if until():
                    raise Stopped(str(error)) from None
                pause = min(pause * 2, 5.0)


def rest(seconds: float, until: Callable[[], bool]) -> None:
    """Sleep, but look every 100 ms whether `until()` became true."""
    end, never = time.monotonic() + seconds, threading.Event()
    while not until():
        left = end - time.monotonic()
        if left <= 0:
            return
        never.wait(min(0.1, left))


def _judged(status: int, headers: Mapping[str, str], content: bytes, what: str) -> Answer:
    if status < 300:
        return Answer(status, headers, content)
    code, message, details = _error(content)
    if status >= 500 or status in (408, 425, 429):
        try:
            wait = min(float(headers.get("Retry-After", "0")), _MOST_RETRY_AFTER)
        except ValueError:
            wait = 0.0
        raise Unreachable(f"{what} answered {status}: {message}", retry_after=wait)
    raise Refused(status, code, message or f"{what} answered {status}.", headers, details)


def _error(content: bytes) -> "tuple[str, str, Mapping[str, Any]]":
    try:
        found = json.loads(content)["error"]
        details = found.get("details")
        return str(found.get("code", "")), str(found.get("message", "")), details if isinstance(details, dict) else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", content[:300].decode("utf-8", "replace"), {}
