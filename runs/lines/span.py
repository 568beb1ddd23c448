"""The arithmetic of a long text: which of its bytes are held. Pure."""

from dataclasses import dataclass


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
