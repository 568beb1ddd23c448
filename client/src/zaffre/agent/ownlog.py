"""The end of the agent's own log, for people who look at the node's page."""

from __future__ import annotations

import logging
from collections import deque
from typing import Deque

#: Lines that are kept, and bytes that are sent of them.
_LINES, _BYTES = 200, 16_000


class Tail(logging.Handler):
    """Keeps the last lines. Nothing is written and nothing is sent unless somebody asks for `text`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: Deque[str] = deque(maxlen=_LINES)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record)[:2000])
        except Exception:  # a record that cannot be written must not end what wrote it
            self.handleError(record)

    def text(self) -> str:
        """The newest lines that fit into some kilobytes."""
        whole = "\n".join(list(self._lines))
        return whole if len(whole) <= _BYTES else whole[-_BYTES:].partition("\n")[2]


TAIL = Tail()
