"""Where lines lie in a file of any size: counted once, block by block, for as long as somebody waits."""

import threading
import time
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runs.lines.span import Span
from runs.lines.windows import ends_in
from studio.kernel import blobs

#: Bytes of a block, and files whose blocks are remembered: 40 kB for one of 5 GB.
BLOCK = blobs.PIECE
MOST_KNOWN = 256
#: Of these so many that are not yet counted to their end: each holds an open file and some of its bytes.
MOST_BEGUN = 16


@dataclass(frozen=True)
class FileText:
    """A file whose lines are counted and whose bytes were found to be what they were, as a text read by lines."""

    sha256: str
    length: int
    #: How many lines have ended at the end of each block.
    counts: "array[int]"

    @property
    def newlines(self) -> int:
        return self.counts[-1] if self.counts else 0

    @property
    def span(self) -> Span:
        return Span(length=self.length)

    def read(self, start: int, end: int) -> bytes:
        """Raises NotFound `blob_missing`, `blob_damaged`."""
        return b"".join(blobs.read_part(self.sha256, start, end))

    def place_of(self, line: int) -> tuple[int, int]:
        line = min(line, self.newlines + 1)
        if line <= 1:
            return 0, 1
        block = bisect_left(self.counts, line - 1)
        before = self.counts[block - 1] if block else 0
        ends = ends_in(self.read(block * BLOCK, min((block + 1) * BLOCK, self.length)))
        return block * BLOCK + int(ends[line - before - 2]) + 1, line

    def line_at(self, offset: int) -> int:
        block = offset // BLOCK
        before = self.counts[block - 1] if block else 0
        return before + self.read(block * BLOCK, offset).count(b"\n") + 1


class Counting:
    """The lines of one file, which several may wait for: what one of them counted, the next one need not."""

    def __init__(self, sha256: str) -> None:
        self._sha256 = sha256
        self._pieces: Iterator[bytes] | None = None
        self._counts: array[int] = array("q")
        self._turn = threading.Lock()
        #: Bytes that were counted, and the whole once it is known.
        self.done = 0
        self.text: FileText | None = None

    def go_on(self, until: float, stopped: Callable[[], bool] = lambda: False) -> FileText | None:
        """Count until all is counted, a moment of the monotonic clock, or `stopped`; returns what is whole.

        Raises NotFound `blob_missing`, and `blob_damaged` for bytes that are not what they were.
        """
        if not self._turn.acquire(timeout=max(0.0, until - time.monotonic())):
            return None
        try:
            if self.text is None and self._count(until, stopped):
                self.text = FileText(self._sha256, self.done, self._counts)
                self._pieces = None
            return self.text
        except Exception:
            # From the beginning for who asks next: somebody may have sent the file again.
            self._pieces, self._counts, self.done = None, array("q"), 0
            raise
        finally:
            self._turn.release()

    def _count(self, until: float, stopped: Callable[[], bool]) -> bool:
        if self._pieces is None:
            self._pieces = blobs.read(self._sha256)
        ended = self._counts[-1] if self._counts else 0
        for piece in self._pieces:
            ended += piece.count(b"\n")
            self._counts.append(ended)
            self.done += len(piece)
            if time.monotonic() > until or stopped():
                return False
        return True


def counting_of(sha256: str) -> Counting:
    """The lines of a file as far as this process knows them."""
    with _guard:
        found = _known.pop(sha256, None) or Counting(sha256)
        _known[sha256] = found
        begun = [sha256 for sha256, one in _known.items() if one.text is None]
        for oldest in begun[:-MOST_BEGUN]:
            del _known[oldest]
        while len(_known) > MOST_KNOWN:
            _known.popitem(last=False)
    return found


def forget() -> None:
    """Know no file: for tests."""
    with _guard:
        _known.clear()


_guard = threading.Lock()
#: By hash, those that somebody asked for last at the end.
_known: "OrderedDict[str, Counting]" = OrderedDict()
