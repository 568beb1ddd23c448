"""Text by the numbers of its lines, whatever holds it: the log of a run, or a file that came out of one."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from runs.lines.span import Span

#: Lines of one answer, and the bytes that are read for it.
MOST_LINES = 1000
MOST_BYTES = 512 * 1024
#: Characters of a line that are shown; the rest is in the download.
LONGEST = 20_000
#: Bytes of a line without an end that are sent again when it goes on.
SHORT = 64 * 1024

Numbers = npt.NDArray[np.int64]


class Text(Protocol):
    """Bytes that are read by the numbers of their lines, by somebody who was let in before."""

    @property
    def length(self) -> int: ...

    @property
    def newlines(self) -> int:
        """How many lines have ended."""

    @property
    def span(self) -> Span:
        """Which of the bytes are held."""

    def read(self, start: int, end: int) -> bytes:
        """Bytes [start, end), fewer when some of them are not held."""

    def place_of(self, line: int) -> tuple[int, int]:
        """(offset, number) of where a line begins; of the first one behind it when it is left out."""

    def line_at(self, offset: int) -> int:
        """The number of the line that a byte lies in."""


@dataclass(frozen=True)
class Gap:
    """What is left out: after a part of line `line` the text goes on with the rest of line `next`."""

    line: int
    next: int
    size: int
    #: The lines in between were counted, so that the numbers behind them are the program's.
    counted: bool


@dataclass(frozen=True)
class Page:
    """Lines that follow each other, with colours, each as a terminal would show it at last."""

    first: int = 1
    lines: list[str] = field(default_factory=list)
    #: By the index of a line: how many bytes of it are not shown.
    cut: dict[int, int] = field(default_factory=dict)
    #: When each line was begun, in ms since 1970 (0 = unknown), and by which stream, a letter a line: `-`, `o` or `e`.
    #: Both are empty for a file.
    times: list[int] = field(default_factory=list)
    streams: str = ""
    #: The last line has no end (yet); nothing comes after it.
    open: bool = False
    #: The offset after the last byte, and from where to go on: an open line that is short is read again.
    end: int = 0
    resume: int = 0
    length: int = 0
    #: How many lines there are, the open one included, and how many have ended.
    total: int = 0
    ended: int = 0
    gap: Gap | None = None
    attempt: int = 0
    #: Of a file: the hash of the bytes that these lines were read from.
    version: str = ""


def window(text: Text, line: int | None, count: int) -> tuple[Page, Numbers]:
    """(at most `count` lines from number `line` on, where each begins); without `line` those at the end.

    Fewer when they are long. Never over the place where bytes are left out: a line in there begins after it.
    """
    count = max(1, min(count, MOST_LINES))
    ends_open = open_end(text)
    start, first = _end(text, count) if line is None else text.place_of(line)
    shown = forward(text, start, first, count)
    is_open = ends_open and shown.end == text.length
    page = Page(
        first=first,
        lines=shown.lines,
        cut=shown.cut,
        open=is_open,
        end=shown.end,
        resume=begin_of_last(text) if is_open else shown.end,
        length=text.length,
        total=text.newlines + ends_open,
        ended=text.newlines,
    )
    return page, shown.begins


def open_end(text: Text) -> bool:
    """Whether the last line has no end."""
    return text.length > 0 and text.read(text.length - 1, text.length) != b"\n"


def ends_in(data: "bytes | memoryview[int]") -> Numbers:
    """Where in the bytes lines end."""
    return np.flatnonzero(np.frombuffer(data, np.uint8) == 10)


def begin_of_last(text: Text) -> int:
    """Where the line begins that has no end, the end of the text when that is far away."""
    start = text.span.last(SHORT)
    at = text.read(start, text.length).rfind(b"\n") + 1
    return start + at if at or start in (0, text.span.tail) else text.length


def _end(text: Text, count: int) -> tuple[int, int]:
    """(offset, number) of the first of the last `count` lines, as far as they are not too long."""
    start = text.span.last(MOST_BYTES)
    data = text.read(start, text.length)
    ends = ends_in(data)
    # An end that is the last byte begins no line.
    begins = ends[ends < len(data) - 1] + 1
    if len(begins) >= count:
        at = int(begins[-count])
    elif start in (0, text.span.tail) or not len(begins):
        at = 0
    else:
        at = int(begins[0])
    before = text.newlines - int(np.count_nonzero(ends >= at))
    return start + at, before + 1


@dataclass(frozen=True)
class Shown:
    lines: list[str]
    cut: dict[int, int]
    #: The offset after them, and those where each begins.
    end: int
    begins: Numbers


def forward(text: Text, start: int, first: int, count: int) -> Shown:
    """At most `count` lines from an offset on, where line `first` begins."""
    _, until = text.span.reading(start)
    data = text.read(start, min(start + MOST_BYTES, until))
    pieces = data.split(b"\n", count)
    rest = pieces.pop()
    whole = len(pieces) < count and start + len(data) == until
    if whole and rest:
        pieces.append(rest)
        end = until
    elif not pieces and rest:
        return _giant(text, start, first, until)
    else:
        end = start + len(data) - (0 if whole else len(rest))
    shown = [shown_line(piece) for piece in pieces]
    begins = start + np.cumsum([0, *(len(piece) + 1 for piece in pieces[:-1])], dtype=np.int64)[: len(pieces)]
    return Shown([one for one, _ in shown], {at: left for at, (_, left) in enumerate(shown) if left}, end, begins)


def _giant(text: Text, start: int, first: int, until: int) -> Shown:
    """A line that is longer than an answer: how it ends, for a progress bar overwrites itself in one line."""
    end, number = text.place_of(first + 1)
    if number != first + 1 or not start < end <= until:
        end = until
    # The last line of all ends where the text does, if it has no end of its own.
    tail = text.read(max(start, end - 4 * LONGEST), end).removesuffix(b"\n")
    said, left = shown_line(tail if b"\r" in tail else text.read(start, start + 4 * LONGEST))
    size = len(said.encode("utf-8", "replace"))
    return Shown([said], {0: max(left, end - start - size)}, end, np.array([start]))


def shown_line(data: bytes) -> tuple[str, int]:
    """What a terminal shows of a line at last, and how many bytes are not shown because it is too long.

    What a progress bar overwrote (`\\r`) counts as shown.
    """
    last = data.removesuffix(b"\r").rpartition(b"\r")[2]
    text = last.decode("utf-8", "replace")
    if len(text) <= LONGEST:
        return text, 0
    return text[:LONGEST], len(last) - len(text[:LONGEST].encode("utf-8", "replace"))
