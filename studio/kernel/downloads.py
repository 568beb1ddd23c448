"""Sending stored bytes to a browser that must not run them in the studio's origin."""

import re
from collections.abc import AsyncIterator, Iterable
from pathlib import PurePosixPath

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from studio.kernel import db

#: Kinds that a page may show in place: pictures, sound and films, which carry no script.
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
INLINE = PICTURES | {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
POLICY = "sandbox; default-src 'none'"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


class Download(StreamingHttpResponse):
    """A file as an answer: saved, not shown (pictures only with `inline`), and never guessed or run.

    `pieces` is a plain iterator, such as `blobs.read`. An ASGI server gets it piece by piece from a thread:
    by itself Django would read all of it into memory first.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        *,
        path: str,
        size: int,
        sha256: str = "",
        inline: bool = False,
        part: tuple[int, int] | None = None,
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
            self["Accept-Ranges"] = "bytes"
        if part is not None:
            self._show_part(*part, size)

    def _show_part(self, start: int, end: int, size: int) -> None:
        """`pieces` are bytes [start, end) of the file; none of them when the range lies outside of it."""
        outside = start == end
        self.status_code = 416 if outside else 206
        self["Content-Range"] = f"bytes */{size}" if outside else f"bytes {start}-{end - 1}/{size}"
        self["Content-Length"] = str(end - start)

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


def part_of(header: str, size: int) -> tuple[int, int] | None:
    """[start, end) of `Range: bytes=a-b`; (0, 0) when it lies outside, None for no range or several."""
    match = _RANGE.fullmatch(header.strip())
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    start, end = int(match[1]), min(int(match[2] or size - 1) + 1, size)
    return (start, end) if start < end else (0, 0)
