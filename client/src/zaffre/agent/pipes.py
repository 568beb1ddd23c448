"""Standard output and errors of running code: two pipes into one log, so that the log knows which said what.

The bytes of a stream keep their order. Between the streams it is that of reading, a moment after writing: what both say
within that moment may change places. Lines stay whole, because one that has not ended waits a little for its end.
"""

from __future__ import annotations

import os
import selectors
from typing import TYPE_CHECKING, Collection, Dict, Iterable, List, Optional, Tuple

from zaffre.agent.clock import now
from zaffre.agent.marks import ERR, OUT
from zaffre.agent.masking import Masker

if TYPE_CHECKING:
    from zaffre.agent.spool import SpoolWriter

_PIECE = 1 << 16
#: Pieces of one turn: a flood on one pipe must not hold up the other, or the watch over the lease.
_TURN = 16
#: How long, in seconds, and how large a line without an end waits for it. A progress bar has none.
_PATIENCE, _MOST_HELD = 0.1, 1 << 16
#: How long what may be the beginning of a secret waits for the rest of it.
_DOUBT = 0.25


class Pipes:
    """The reading ends of the two, until both have ended."""

    def __init__(self, output: SpoolWriter, secrets: Iterable[str] = ()) -> None:
        self.output, self._secrets = output, secrets
        self._masks: Dict[int, Masker] = {}
        #: The stream of each reading end that is still open.
        self.open: Dict[int, int] = {}
        #: The begun line of each stream, and when it has waited long enough.
        self._held: Dict[int, bytes] = {OUT: b"", ERR: b""}
        self._until: Dict[int, float] = {}

    def make(self) -> Tuple[int, int]:
        """Two pipes; returns the writing ends for output and for errors, which the caller closes. Raises OSError."""
        masker = Masker(self._secrets)
        self._masks = {OUT: masker, ERR: masker.fork()}
        writing = []
        for stream in (OUT, ERR):
            reading, end = os.pipe()
            os.set_blocking(reading, False)
            self.open[reading] = stream
            writing.append(end)
        return writing[0], writing[1]

    def register(self, selector: selectors.BaseSelector) -> None:
        for reading in self.open:
            selector.register(reading, selectors.EVENT_READ)

    def due(self) -> Optional[float]:
        """When `take` is to be called although nothing came: something waits."""
        return min(self._until.values(), default=None)

    def take(self, ready: Collection[int]) -> List[int]:
        """Move what those reading ends hold into the log, output before errors; returns those that have ended."""
        known = sorted((reading for reading in ready if reading in self.open), key=lambda one: self.open[one])
        ended = [reading for reading in known if not self._move(reading)]
        for stream, until in list(self._until.items()):
            if now() >= until:
                self._say(stream, b"", whole=True)
        return ended

    def drain(self) -> None:
        """All that is there, to the last byte."""
        self.take(list(self.open))
        for stream in self._masks:
            self._say(stream, b"", whole=True)

    def _move(self, reading: int) -> bool:
        stream = self.open[reading]
        for _ in range(_TURN):
            try:
                data = os.read(reading, _PIECE)
            except BlockingIOError:
                break
            if not data:
                self._say(stream, b"", whole=True)
                del self.open[reading]
                return False
            self._say(stream, data)  # all of it is read: a full pipe would stop the program
            if len(data) < _PIECE:
                break
        return True

    def _say(self, stream: int, data: bytes, *, whole: bool = False) -> None:
        """Write the lines that have ended; the rest waits unless it is `whole` or too long."""
        mask = self._masks[stream]
        data = self._held[stream] + mask.feed(data) + (mask.flush() if whole else b"")
        end = data.rfind(b"\n") + 1
        if whole or len(data) - end > _MOST_HELD:
            end = len(data)
        if end:
            self.output.write(data[:end], stream)
        if end == len(data) and not mask.waiting:
            self._until.pop(stream, None)
        elif end or stream not in self._until:
            self._until[stream] = now() + (_DOUBT if mask.waiting else _PATIENCE)
        self._held[stream] = data[end:]
