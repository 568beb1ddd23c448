"""Bars for people: drawn on a terminal's standard error, silent everywhere else."""

from __future__ import annotations

import sys
import threading
import time
from typing import Optional, TextIO

_WIDTH, _EVERY = 28, 0.1


def size_text(size: float) -> str:
    """Bytes as people read them: 512 B, 3.4 kB, 300 MB, as on the pages."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return ""  # never reached


class Bar:
    """How many of `total` bytes are done. Threads may share it."""

    def __init__(self, text: str, total: int, *, stream: Optional[TextIO] = None) -> None:
        self.text = text
        self.total = total
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._shown = bool(self._stream and self._stream.isatty()) and total > 0
        self._drawn = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._draw()
            self._stream.write("\n")
            self._stream.flush()

    def add(self, size: int) -> None:
        with self._lock:
            self.done += size
            if self._shown and time.monotonic() - self._drawn > _EVERY:
                self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        part = min(1.0, self.done / self.total)
        full = round(part * _WIDTH)
        bar = "█" * full + "·" * (_WIDTH - full)
        line = f"\r{self.text} {bar} {size_text(self.done)} of {size_text(self.total)}"
        self._stream.write(line.encode(self._stream.encoding or "ascii", "replace").decode(errors="replace"))
        self._stream.flush()
