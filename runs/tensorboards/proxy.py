"""Carrying one request to a board and its answer back, and nothing that is not for the other side.

Lists of what may pass, and not of what may not: TensorBoard needs little, and behind the socket is a node that is
trusted with the files of its board and with nothing of the studio's.
"""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

import aiohttp
from django.utils.translation import gettext as _
from yarl import URL

from studio.kernel.errors import Invalid, Unavailable
from studio.kernel.hot import Response

_CONNECT_SECONDS, _ANSWER_SECONDS = 3.0, 60.0
MOST_BODY = 4 * 1024 * 1024
#: A page of TensorBoard is read whole, because a script has to be put into it.
_MOST_PAGE = 4 * 1024 * 1024

_OF_TENSORBOARD = ("x-tensorboard-feature-flags", "x-xsrf-protected")
_FOR_BOARD = ("accept", "accept-language", "content-type", "range", *_OF_TENSORBOARD)
_FOR_CALLER = ("Content-Type", "Content-Encoding", "Content-Length", "Content-Range", "Content-Disposition")
METHODS = ("GET", "POST", "OPTIONS")

#: An origin of its own, from which no cookie is sent and nothing of the studio can be read, wherever it is shown.
POLICY = "; ".join(
    [
        "sandbox allow-scripts allow-downloads",
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'self'",
        "worker-src 'self' blob:",
        "form-action 'none'",
        "base-uri 'none'",
    ]
)
#: The frame has no origin ("null"), so to the browser its own files are another's. TensorBoard asks for them "with
#: credentials": a frame without an origin has none, and none is looked at here.
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "Access-Control-Allow-Origin": "null",
    "Access-Control-Allow-Credentials": "true",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": ", ".join(["content-type", "range", *_OF_TENSORBOARD]),
    "Access-Control-Max-Age": "600",
}
#: Without an origin there is no place for what TensorBoard remembers, and asking for it is an error; and a worker may
#: only be started from an address of one's own, which a blob is.
_WITHOUT_ORIGIN = b"""<script>
for (const name of ["localStorage", "sessionStorage"]) {
  try { window[name]; } catch {
    const held = new Map();
    const store = {
      getItem: (key) => held.get(String(key)) ?? null,
      setItem: (key, value) => { held.set(String(key), String(value)); },
      removeItem: (key) => { held.delete(String(key)); },
      clear: () => held.clear(),
      key: (at) => [...held.keys()][at] ?? null,
      get length() { return held.size; },
    };
    Object.defineProperty(window, name, { value: store });
  }
}
try { document.cookie; } catch {
  Object.defineProperty(document, "cookie", { get: () => "", set: () => {} });
}
if (window.origin === "null") {
  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(url, options) {
      const code = `importScripts(${JSON.stringify(new URL(url, location.href).href)});`;
      super(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), options);
    }
  };
}
</script>"""


def preflight() -> Response:
    """The answer to a browser that asks whether the frame may send a header of TensorBoard's."""
    return Response(204, b"", {**_ALWAYS, **_PREFLIGHT})


async def carry(
    socket: str, *, method: str, path: str, query: bytes, headers: Mapping[str, str], body: bytes
) -> Response:
    """Ask the board. Raises Unavailable when it does not answer, Invalid for a query that is none."""
    if any(not 0x21 <= char <= 0x7E for char in query):
        raise Invalid("The query string has characters that must be written with %.", code="bad_query")
    told = {name: headers[name] for name in _FOR_BOARD if name in headers}
    page = path in {"/", "/index.html"} or path.endswith(".html")
    if not page and "accept-encoding" in headers:
        told["accept-encoding"] = headers["accept-encoding"]
    session = aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(socket, limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS),
    )
    url = f"http://board{quote(path)}" + (f"?{query.decode('ascii')}" if query else "")
    try:
        answer = await session.request(
            method,
            URL(url, encoded=True),
            headers=told,
            data=body if method == "POST" else None,
            allow_redirects=False,
        )
        found = await _taken(answer, session, page=page)
    except (aiohttp.ClientError, TimeoutError, OSError):
        await session.close()
        raise Unavailable(
            _("TensorBoard does not answer; its node starts it again."), hint=_("Try again in a few seconds.")
        ) from None
    except BaseException:
        await session.close()
        raise
    return found


async def _taken(answer: aiohttp.ClientResponse, session: aiohttp.ClientSession, *, page: bool) -> Response:
    headers = {name: answer.headers[name] for name in _FOR_CALLER if name in answer.headers}
    kind = headers.pop("Content-Type", "application/octet-stream")
    if page and kind.partition(";")[0].strip().lower() == "text/html":
        content = b""
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > _MOST_PAGE:
                break
        await session.close()
        if len(content) > _MOST_PAGE:
            raise Unavailable(_("The board's page is too large."))
        headers.pop("Content-Length", None)
        return Response(answer.status, _with_script(content), {**headers, **_ALWAYS}, kind)
    return Response(answer.status, _stream(answer, session), {**headers, **_ALWAYS}, kind)


def _with_script(page: bytes) -> bytes:
    """The page with our script before its own, and its fonts from where it is itself."""
    page = page.replace(b"url(/font-roboto/", b"url(font-roboto/")
    at = page.lower().find(b"<head>")
    after = at + len(b"<head>") if at >= 0 else 0
    return page[:after] + _WITHOUT_ORIGIN + page[after:]


async def _stream(answer: aiohttp.ClientResponse, session: aiohttp.ClientSession) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.content.iter_any():
            yield piece
    finally:
        await session.close()
