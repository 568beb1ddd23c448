"""Sending stored bytes to a browser that must not run them in the studio's origin."""

from collections.abc import AsyncIterator, Iterable
from pathlib import PurePosixPath

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from studio.kernel import db

#: Kinds that a page may show in place: pictures that carry no script.
INLINE = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
POLICY = "sandbox; default-src 'none'"


class Download(StreamingHttpResponse):
    """A file as an answer: saved, not shown (pictures only with `inline`), and never guessed or run.

    `pieces` is a plain iterator, such as `blobs.read`. An ASGI server gets it piece by piece from a thread:
    by itself Django would read all of it into memory first.
    """

    def __init__(
        self, pieces: Iterable[bytes], *, path: str, size: int, sha256: str = "", inline: bool = False
    ) -> None:
        name = PurePosixPath(path)
        kind = INLINE.get(name.suffix.lower()) if inline else None
        self._pieces = iter(pieces)
        super().__init__(self._pieces, content_type=kind or "application/octet-stream")
        self["Content-Disposition"] = content_disposition_header(kind is None, name.name) or "attachment"
        self["Content-Length"] = str(size)
        self["X-Content-Type-Options"] = "nosniff"
        self["Content-Security-Policy"] = POLICY
        self["Cross-Origin-Resource-Policy"] = "same-origin"
        if sha256:
            self["ETag"] = f'"{sha256}"'

    async def __aiter__(self) -> AsyncIterator[bytes]:
        step = sync_to_async(lambda: next(self._pieces, None), thread_sensitive=False)
        while (piece := await step()) is not None:
            yield piece


class Stream(StreamingHttpResponse):
    """What is written while it is sent, such as a table of the database: saved, not shown, of a length nobody knows.

    Each piece is made in a thread that gives its connection to the database back.
    """

    def __init__(self, pieces: Iterable[bytes], *, name: str, kind: str) -> None:
        self._pieces = iter(pieces)
        super().__init__(self._pieces, content_type=kind)
        self["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
        self["X-Content-Type-Options"] = "nosniff"
        self["Content-Security-Policy"] = POLICY
        self["Cross-Origin-Resource-Policy"] = "same-origin"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await db.run(next, self._pieces, None)) is not None:
            yield piece
