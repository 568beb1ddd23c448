"""The arithmetic of a log: where a piece lies, and which bytes of a long log are kept. Pure."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/\*\Z")


def parse_range(header: str, size: int) -> int:
    """The offset in `Content-Range: bytes a-b/*`. Raises ValueError when it is malformed or not `size` long."""
    match = _RANGE.fullmatch(header.strip())
    if not match:
        raise ValueError(f"Content-Range is `bytes first-last/*`, not {header[:60]!r}")
    first, last = int(match[1]), int(match[2])
    if last - first + 1 != size:
        raise ValueError(f"Content-Range {header[:60]!r} speaks of {last - first + 1} bytes, and the body has {size}")
    return first


@dataclass(frozen=True)
class Span:
    """What is held of a log of `length` bytes: [0, head) and [tail, length).

    Offsets are those of the program's output, so a byte keeps its offset whatever is left out around it. Nothing
    is left out while `head` equals `tail`; then both are 0.
    """

    head: int = 0
    tail: int = 0
    length: int = 0

    @property
    def elided(self) -> int:
        """How many bytes are left out."""
        return self.tail - self.head

    def grown(self, size: int) -> "Span":
        return Span(self.head, self.tail, self.length + size)

    def skipped(self, start: int) -> "Span":
        """The log goes on at `start`; what the end held until now is left out, too, so that there is one gap."""
        return Span(self.head if self.elided else self.length, start, start)

    def trimmed(self, *, head: int, tail: int) -> "Span":
        """Only the first `head` and the last `tail` bytes are kept."""
        if not self.elided and self.length <= head + tail:
            return self
        return Span(self.head if self.elided else head, max(self.tail, self.length - tail), self.length)

    def held(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of [start, end) that are held, in order."""
        if not self.elided:
            parts = [(start, min(end, self.length))]
        else:
            parts = [(start, min(end, self.head)), (max(start, self.tail), min(end, self.length))]
        return [(first, last) for first, last in parts if first < last]

    def reading(self, start: int) -> tuple[int, int]:
        """Where a reader who wants `start` can read on, and up to where without another gap."""
        if not self.elided:
            return min(start, self.length), self.length
        if start < self.head:
            return start, self.head
        return min(max(start, self.tail), self.length), self.length

    def last(self, size: int) -> int:
        """Where the last `size` bytes begin, as far as the end is held."""
        return max(self.tail, self.length - size, 0)


def left_out(size: int, *, head: int, tail: int) -> bytes:
    """The line that stands in a log for bytes that are not kept."""
    kept = f"the first {_amount(head)} and the last {_amount(tail)} of a log are kept"
    return f"\n[zaffre] {size:,} bytes were left out here: {kept}.\n".encode()


def _amount(size: int) -> str:
    return f"{size / 1024**2:g} MB" if size >= 1024**2 else f"{size} bytes"
