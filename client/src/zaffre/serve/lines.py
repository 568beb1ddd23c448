"""The log of a replica: every line says when it was written and for which request."""

from __future__ import annotations

import contextvars
import io
import logging
import sys
import threading
from datetime import datetime, timezone
from typing import TextIO

NO_REQUEST = "00000000-0000-0000-0000-000000000000"
#: The id of the request that the present code works for.
request_id: "contextvars.ContextVar[str]" = contextvars.ContextVar("request_id", default=NO_REQUEST)


class PrefixedLines(io.TextIOBase):
    """A text stream that writes whole lines, each with time and request id. Threads do not mix within a line."""

    def __init__(self, target: TextIO) -> None:
        super().__init__()
        self._target = target
        self._lock = threading.Lock()
        self._parts = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._target.fileno()

    def write(self, text: str) -> int:
        held = getattr(self._parts, "text", "") + text
        *lines, rest = held.split("\n")
        self._parts.text = rest
        if lines:
            self._put(lines)
        return len(text)

    def flush(self) -> None:
        rest = getattr(self._parts, "text", "")
        if rest:
            self._parts.text = ""
            self._put([rest])
        self._target.flush()

    def _put(self, lines: "list[str]") -> None:
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = f"{moment} {request_id.get()} "
        with self._lock:
            self._target.write("".join(f"{head}{line}\n" for line in lines))
            self._target.flush()


def prefix_all() -> None:
    """Send print, standard error and logging through one prefixed stream."""
    sys.stdout.flush()
    stream = PrefixedLines(io.TextIOWrapper(sys.stdout.buffer, "utf-8", "backslashreplace", write_through=True))
    sys.stdout = stream
    sys.stderr = stream
    logging.basicConfig(level=logging.INFO, stream=stream, format="%(levelname)s %(name)s: %(message)s", force=True)
