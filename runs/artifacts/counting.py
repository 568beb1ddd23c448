"""Where lines lie in a file of any size: counted once, block by block, for as long as somebody waits."""

import threading
import time
from array import array
from bisect import bisect_left, bisect_right
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
        start = self._begin(block)
        ends = ends_in(self.read(start, self._begin(block + 1)))
        return start + int(ends[line - before - 2]) + 1, line

    def line_at(self, offset: int) -> int:
        block = self._block(offset)
        before = self.counts[block - 1] if block else 0
        return before + self.read(self._begin(block), offset).count(b"\n") + 1

    def _block(self, offset: int) -> int:
        return offset // BLOCK

    def _begin(self, block: int) -> int:
        return min(block * BLOCK, self.length)


@dataclass(frozen=True)
class WideText(FileText):
    """A file of UTF-16, as some programs of Windows write text: read as the same text in UTF-8, block by block."""

    codec: str
    #: Where each block ends as UTF-8.
    ends: "array[int]"

    def read(self, start: int, end: int) -> bytes:
        found, block = [], self._block(start)
        while block < len(self.ends) and self._begin(block) < end:
            held = b"".join(blobs.read_part(self.sha256, block * BLOCK, (block + 1) * BLOCK))
            begin = self._begin(block)
            found.append(narrow(held, self.codec, first=block == 0)[max(0, start - begin) : end - begin])
            block += 1
        return b"".join(found)

    def _block(self, offset: int) -> int:
        return bisect_right(self.ends, offset)

    def _begin(self, block: int) -> int:
        return self.ends[min(block, len(self.ends)) - 1] if block else 0


def codec_of(data: bytes) -> str:
    """The codec of a text that begins with these bytes and says that it is UTF-16, else nothing."""
    return {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(data[:2], "")


def narrow(data: bytes, codec: str, *, first: bool) -> bytes:
    """UTF-16 as UTF-8, without the mark of a `first` piece. A letter that the piece cuts becomes two odd ones."""
    return data[2 if first else 0 :].decode(codec, "replace").encode()


class Counting:
    """The lines of one file, which several may wait for: what one of them counted, the next one need not."""

    def __init__(self, sha256: str) -> None:
        self._sha256 = sha256
        self._pieces: Iterator[bytes] | None = None
        self._counts: array[int] = array("q")
        self._codec = ""
        #: Where the blocks of a text in UTF-16 end as UTF-8.
        self._ends: array[int] = array("q")
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
                self.text = self._whole()
                self._pieces = None
            return self.text
        except Exception:
            # From the beginning for who asks next: somebody may have sent the file again.
            self._pieces, self._counts, self._ends, self.done = None, array("q"), array("q"), 0
            raise
        finally:
            self._turn.release()

    def _count(self, until: float, stopped: Callable[[], bool]) -> bool:
        if self._pieces is None:
            self._pieces = blobs.read(self._sha256)
        ended = self._counts[-1] if self._counts else 0
        for piece in self._pieces:
            if not self._counts:
                self._codec = codec_of(piece)
            text = narrow(piece, self._codec, first=not self._counts) if self._codec else piece
            if self._codec:
                self._ends.append((self._ends[-1] if self._ends else 0) + len(text))
            ended += text.count(b"\n")
            self._counts.append(ended)
            self.done += len(piece)
            if time.monotonic() > until or stopped():
                return False
        return True

    def _whole(self) -> FileText:
        if not self._codec:
            return FileText(self._sha256, self.done, self._counts)
        return WideText(self._sha256, self._ends[-1], self._counts, self._codec, self._ends)


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
