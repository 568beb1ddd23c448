"""Calls to a studio: kept connections, one token, repeats that are safe, errors that say what to do."""

from __future__ import annotations

import json
import math
import os
import random
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Dict, Mapping, NamedTuple, Optional, Union
from urllib.parse import quote, urlencode, urlsplit

from zaffre._version import VERSION
from zaffre.errors import Refused, Unreachable, refusal
from zaffre.protocol import ENV_RUN_TOKEN, ENV_TOKEN, IDEMPOTENCY_HEADER, PROTOCOL, PROTOCOL_HEADER

if TYPE_CHECKING:
    import urllib3

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0
#: How long a call is repeated while the studio is away.
PATIENCE = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_MOST_RETRY_AFTER = 30.0
#: A defect of the studio (500) seldom heals: it is tried again for this long only.
_DEFECT_PATIENCE = 3.0
_PIECE = 1 << 20
_MOST_CONNECTIONS = 16
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: Answers that promise that nothing was done.
_NOT_NOW = (429, 503)

MakeBody = Callable[[], Union[bytes, BinaryIO]]


class Answer:
    """Status, headers and body of a 2xx answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The decoded body, None without one. Raises Unreachable when something else than a studio answered."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unreachable(
                "The answer is not from a studio.", hint="Is the address right, and no proxy in the way?"
            ) from None


class Client:
    """One studio for one bearer. Threads may share it; a child process gets connections of its own."""

    def __init__(self, url: str, token: str, *, patience: float = PATIENCE) -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        self._token = token
        self._made: Optional[_Connections] = None

    def __repr__(self) -> str:
        return f"Client({self.url!r})"  # never the token

    @property
    def token(self) -> str:
        """What it logs in with, for other clients of the same studio."""
        return self._token

    def call(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        query: Optional[Mapping[str, Any]] = None,
        make_body: Optional[MakeBody] = None,
        headers: Optional[Mapping[str, str]] = None,
        stream_to: Optional[Callable[[bytes], object]] = None,
        repeat: bool = True,
        patience: Optional[float] = None,
        timeout: float = _ANSWER_SECONDS,
    ) -> Answer:
        """Ask, and ask again with growing pauses while the studio is away.

        `value` goes as JSON; `make_body` makes a fresh raw body for each try. A POST carries one
        Idempotency-Key for all its tries. With `repeat=False` only a call that was surely not taken
        (no connection, 429, 503) is repeated. `stream_to` takes the answer's pieces; what it got
        before a cut connection is not taken back, so such a call is asked once.
        Raises Refused, or Unreachable after `patience` seconds.
        """
        told = {PROTOCOL_HEADER: str(PROTOCOL), "User-Agent": f"zaffre/{VERSION}", **(headers or {})}
        told.setdefault("Authorization", f"Bearer {self._token}")
        if value is not None:
            content = json.dumps(value).encode()
            make_body = lambda: content  # noqa: E731
            told["Content-Type"] = "application/json"
        elif make_body is not None:
            told.setdefault("Content-Type", "application/octet-stream")
        if method == "POST":
            told.setdefault(IDEMPOTENCY_HEADER, uuid.uuid4().hex)
        address = self.url + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        limit = self.patience if patience is None else patience
        begun, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                return self._once(method, address, path, told, make_body, stream_to, timeout)
            except _Again as again:
                left = min(limit, again.patience) - (time.monotonic() - begun)
                if left <= 0 or not (again.untaken or (repeat and stream_to is None)):
                    raise again.cause from None
                wait = max(pause * random.uniform(0.8, 1.2), again.after)  # noqa: S311 - not a secret
                time.sleep(min(wait, left))
                pause = min(pause * 2, _LONGEST_PAUSE)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`; query parameters that are None are left out."""
        asked = {key: found for key, found in query.items() if found is not None}
        return self.call("GET", path, query=asked).json()

    def post(self, path: str, value: Any) -> Any:
        return self.call("POST", path, value).json()

    def patch(self, path: str, value: Any) -> Any:
        return self.call("PATCH", path, value).json()

    def delete(self, path: str) -> None:
        self.call("DELETE", path)

    # --- one try -----------------------------------------------------------------------------------
    def _once(
        self,
        method: str,
        address: str,
        path: str,
        headers: Dict[str, str],
        make_body: Optional[MakeBody],
        stream_to: Optional[Callable[[bytes], object]],
        timeout: float,
    ) -> Answer:
        import urllib3

        body = make_body() if make_body else None
        waits = urllib3.Timeout(connect=_CONNECT_SECONDS, read=timeout)
        connections = self._connections()
        connections.room.acquire()
        try:
            answer = connections.pool.request(
                method, address, body=body, headers=headers, timeout=waits, preload_content=False, redirect=False
            )
            try:
                if stream_to is not None and answer.status < 300:
                    for piece in answer.stream(_PIECE):
                        stream_to(piece)
                    return Answer(answer.status, answer.headers, b"")
                content = answer.read()
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken(error) from None
        finally:
            connections.room.release()
            if body is not None and not isinstance(body, bytes):
                body.close()
        return self._judged(answer.status, answer.headers, content, f"{method} {path}")

    def _broken(self, error: Exception) -> Exception:
        import urllib3

        reason = getattr(error, "reason", error)
        if isinstance(error, urllib3.exceptions.SSLError) or isinstance(reason, urllib3.exceptions.SSLError):
            return Unreachable(
                f"The certificate of {self.url} was not accepted: {reason}.",
                hint="For a private authority, name its file in SSL_CERT_FILE.",
                code="bad_certificate",
            )
        untaken = isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))
        what = "cannot be reached" if untaken else "did not answer"
        return _Again(
            Unreachable(
                f"The studio at {self.url} {what} ({_plain(error)}).",
                hint="Is it running, and is the address right?",
                code="unreachable",
            ),
            untaken=untaken,
        )

    def _judged(self, status: int, headers: Mapping[str, str], content: bytes, what: str) -> Answer:
        if status < 300:
            return Answer(status, headers, content)
        if status < 400:
            place = urlsplit(str(headers.get("Location", "")))
            raise Unreachable(
                f"{self.url} sends this call elsewhere ({place.scheme}://{place.netloc}).",
                hint="Log in with the studio's own address.",
                code="redirected",
            )
        found = _error(content)
        if found.get("code") == "in_progress" or status in _NOT_NOW or status >= 500 or status == 408:
            cause: Exception = refusal(status, found, what)
            if status >= 500:
                said = found.get("message") or f"The studio answered {status} to {what}."
                hint = found.get("hint") or (None if found.get("message") else "Try again soon.")
                cause = Unreachable(str(said), hint=hint, code=str(found.get("code") or "broken"))
            patience = _DEFECT_PATIENCE if status == 500 else math.inf
            raise _Again(cause, untaken=status in _NOT_NOW, after=_retry_after(headers), patience=patience)
        raise refusal(status, found, what, unknown=self._log_in)

    @property
    def _log_in(self) -> str:
        if self._token and self._token == os.environ.get(ENV_RUN_TOKEN):
            return "The token of a run counts until the run ends."
        if self._token and self._token == os.environ.get(ENV_TOKEN):
            return (
                f"{ENV_TOKEN} is not a token of {self.url} any more: set a new one, or log in: zaffre login {self.url}"
            )
        return f"Log in again: zaffre login {self.url}"

    def _connections(self) -> "_Connections":
        if self._made is None or self._made.process != os.getpid():  # a forked child must not share sockets
            self._made = _Connections(_make_pool(self.url), threading.Semaphore(_MOST_CONNECTIONS), os.getpid())
        return self._made


class _Connections(NamedTuple):
    """Kept connections, and room for so many calls at once: a script that carries hundreds of child runs shares them.

    A pool of urllib3 that makes callers wait would do so for ever when the process ends: urllib3 empties it then, and
    that is when the last points of a script are sent.
    """

    pool: "urllib3.PoolManager"
    room: threading.Semaphore
    process: int


class _Again(Exception):
    """This try led to nothing. `untaken`: and the studio has surely done nothing."""

    def __init__(self, cause: Exception, *, untaken: bool, after: float = 0.0, patience: float = math.inf) -> None:
        super().__init__(str(cause))
        self.patience = patience
        self.cause = cause
        self.untaken = untaken
        self.after = after


def import_late() -> None:
    """Import now what the first call imports: a script that only names the SDK need not wait for it."""
    import encodings.idna  # noqa: F401
    import urllib.request  # noqa: F401

    import urllib3  # noqa: F401


def segment(text: object) -> str:
    """One part of a path, quoted."""
    return quote(str(text), safe="")


def rest_of_path(text: str) -> str:
    """A relative path inside an address, quoted part by part."""
    return quote(text, safe="/")


def workspace_path(workspace: str) -> str:
    return f"/api/v1/workspaces/{segment(workspace)}"


def _make_pool(url: str) -> "urllib3.PoolManager":
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    parts = urlsplit(url)
    host = parts.hostname or ""
    options: Dict[str, Any] = {"maxsize": _MOST_CONNECTIONS, "num_pools": 4, "retries": False}
    options["cert_reqs"] = "CERT_REQUIRED"
    # pip and requests read these two as well, and OpenSSL itself reads only the first.
    bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle and parts.scheme == "https":
        options["ca_certs"] = bundle
    proxy = getproxies().get(parts.scheme)
    if proxy and host not in _LOOPBACK and not proxy_bypass(host):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


def _error(content: bytes) -> Mapping[str, Any]:
    try:
        whole = json.loads(content)
        found = whole.get("error", whole)  # a scoring server says {"message": …} only
        return found if isinstance(found, dict) else {"message": str(found)}
    except (ValueError, AttributeError):
        return {}


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return min(max(float(headers.get("Retry-After", "0")), 0.0), _MOST_RETRY_AFTER)
    except ValueError:
        return 0.0


def _plain(error: Exception) -> str:
    """What an error of the network means, without the names of Python objects."""
    text = str(getattr(error, "reason", None) or error)
    return text.rpartition(": ")[2].strip() or type(error).__name__


__all__ = ["Answer", "Client", "Refused", "Unreachable", "rest_of_path", "segment", "workspace_path"]
