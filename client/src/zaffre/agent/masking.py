"""Secrets out of what running code prints: found in any piece of a stream, also written in other ways, before the disk.

One automaton (Aho–Corasick) knows all values in all forms and walks over each byte once. What may be the beginning of a
secret is held back until it is one or is none.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from typing import Deque, Dict, Iterable, List, Set, Tuple
from urllib.parse import quote, quote_plus

#: A value or a line of one that is shorter is no secret: half of the log would be masked.
LEAST = 6
#: The first bytes of a form are looked for as such, which is much faster than a walk from state to state.
_NEAR = 4
MASK = b"***"
#: Values longer than this are looked for by their lines and their beginning: an automaton has a state for each byte.
_LONGEST = 4096


def forms(value: str) -> Set[bytes]:
    """How a value may be written: as it is, by its lines, in base64 at any place, in an address, in JSON."""
    found: Set[bytes] = set()
    for part in {value, value.strip(), *(line.strip() for line in value.splitlines())}:
        raw = part.encode("utf-8", "surrogateescape")[:_LONGEST]
        if len(raw) < LEAST:
            continue
        found.add(raw)
        found |= _encoded(raw)
        text = raw.decode("utf-8", "replace")
        found |= {quote(text, safe="").encode(), quote(text).encode(), quote_plus(text).encode()}
        found |= {
            json.dumps(text)[1:-1].encode(),
            json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace"),
        }
        found.add(repr(text)[1:-1].encode("utf-8", "replace"))
    return {form for form in found if len(form) >= LEAST}


def _encoded(raw: bytes) -> Set[bytes]:
    """The middle of base64 that depends on the value alone, wherever the value begins in what was encoded."""
    found = set()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).rstrip(b"=")
        # Letters that hold bits of what stands before or behind are none of ours.
        first = {0: 0, 1: 2, 2: 3}[before]
        last = len(whole) - (1 if (before + len(raw)) % 3 else 0)
        found |= {whole[first:last], whole[first:last].replace(b"+", b"-").replace(b"/", b"_")}
    return found


class Automaton:
    """All `words` as one machine of states; 0 is outside of any."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self.next: List[Dict[int, int]] = [{}]
        self.fail: List[int] = [0]
        #: The length of the longest word that ends in a state, and how deep the state is.
        self.found: List[int] = [0]
        self.depth: List[int] = [0]
        for word in words:
            self._add(word)
        self._link()

    def _add(self, word: bytes) -> None:
        state = 0
        for depth, byte in enumerate(word, 1):
            if byte not in self.next[state]:
                self.next[state][byte] = len(self.next)
                self.next.append({})
                self.fail.append(0)
                self.found.append(0)
                self.depth.append(depth)
            state = self.next[state][byte]
        self.found[state] = len(word)

    def _link(self) -> None:
        """Where to go on when the next byte does not fit: the longest end that is a beginning, too."""
        waiting: Deque[int] = deque(self.next[0].values())
        while waiting:
            state = waiting.popleft()
            for byte, after in self.next[state].items():
                fallback = self.fail[state]
                while fallback and byte not in self.next[fallback]:
                    fallback = self.fail[fallback]
                self.fail[after] = self.next[fallback].get(byte, 0)
                self.found[after] = max(self.found[after], self.found[self.fail[after]])
                waiting.append(after)


class Masker:
    """Looks for `values` in a stream; give each stream its own with `fork`."""

    _state: int
    _held: bytearray
    _marks: List[Tuple[int, int]]

    def __init__(self, values: Iterable[str]) -> None:
        self._words: Set[bytes] = set()
        for value in values:
            self._words |= forms(value)
        #: Made when something looks like the beginning of a secret, which most logs never hold; shared by all streams.
        self._made: List[Automaton] = []
        # Outside of any secret nothing is of interest but the next place where one may begin.
        self._near = sorted({word[:_NEAR] for word in self._words})
        self._begin()

    def __bool__(self) -> bool:
        return bool(self._words)

    def fork(self) -> Masker:
        """Another stream with the same secrets."""
        other = object.__new__(Masker)
        other._words, other._made, other._near = self._words, self._made, self._near
        other._begin()
        return other

    def feed(self, data: bytes) -> bytes:
        """What may be written of all that was fed until now."""
        if not self:
            return data
        state, held, marks = self._state, self._held, self._marks
        known = self._made[0] if self._made else None
        at = len(held)
        ahead: Dict[bytes, int] = {}
        held += data
        while at < len(held):
            if not state:
                at = self._skip(at, ahead)
            if at >= len(held):
                break
            if known is None:
                known = Automaton(self._words)
                self._made.append(known)
            byte = held[at]
            while state and byte not in known.next[state]:
                state = known.fail[state]
            state = known.next[state].get(byte, 0)
            at += 1
            if known.found[state]:
                _cover(marks, at - known.found[state], at)
                if not known.next[state]:
                    state = known.fail[state]  # nothing goes on from here
        self._state = state
        # What is as deep as the state may be the beginning of a secret.
        return self._take(len(held) - (known.depth[state] if known is not None else 0))

    def flush(self) -> bytes:
        """All that is held back: the stream ended, or somebody waits for it for too long.

        A secret of which the first part was given out like this is not found any more.
        """
        self._state = 0
        return self._take(len(self._held))

    @property
    def waiting(self) -> bool:
        return bool(self._held)

    def _skip(self, at: int, ahead: Dict[bytes, int]) -> int:
        """The next place from `at` on where a form may begin; `ahead` remembers where each begins next."""
        held = self._held
        tail = nearest = max(at, len(held) - _NEAR + 1)
        for begin in self._near:
            place = ahead.get(begin, 0)
            if 0 <= place <= at:
                place = ahead[begin] = held.find(begin, at)
            if 0 <= place < nearest:
                nearest = place
        if nearest < tail:
            return nearest
        for place in range(tail, len(held)):
            rest = bytes(held[place:])
            if any(begin.startswith(rest) for begin in self._near):
                return place
        return len(held)

    def _begin(self) -> None:
        self._state = 0
        self._held = bytearray()
        #: Parts of what is held that are secret, in order and apart from each other.
        self._marks = []

    def _take(self, size: int) -> bytes:
        """The first `size` held bytes, masked, as far as no secret reaches over their end."""
        for begin, end in self._marks:
            if begin < size < end:
                size = begin
        out, at = bytearray(), 0
        for begin, end in self._marks:
            if end > size:
                break
            out += self._held[at:begin] + MASK
            at = end
        out += self._held[at:size]
        del self._held[:size]
        self._marks = [(begin - size, end - size) for begin, end in self._marks if end > size]
        return bytes(out)


def _cover(marks: List[Tuple[int, int]], begin: int, end: int) -> None:
    """Add a part; parts that lie over each other become one."""
    while marks and marks[-1][1] > begin:
        begin = min(begin, marks.pop()[0])
    marks.append((begin, end))
