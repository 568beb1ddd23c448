"""Searching the whole of a text: one piece after the other, for as long as somebody waits."""

from collections.abc import Callable, Iterator
from typing import Protocol

from django.db import connections

from runs.lines.matching import FIRST_ERROR, Find, Found, finder, look_through
from runs.lines.turns import Turns
from runs.lines.windows import Text
from studio.kernel.errors import Invalid

#: Bytes of one question to the database, between two of which its connection is given back.
PIECE = 4 * 1024 * 1024
#: The longest that one search works.
SECONDS = 10.0
MOST_HITS = 500
#: The word for "the first thing that looks like an error" in place of a text.
ERROR = "error"
#: Searches at once, and how many more may wait.
THREADS, WAITING = 2, 16
TURNS = Turns("searches", threads=THREADS, waiting=WAITING)


class Sieve(Protocol):
    """Which lines are wanted, told in order while the text is read, and asked by their numbers."""

    def learn(self, start: int, data: bytes, *, line: int, whole: bool) -> int:
        """Bytes from `start` on, in line `line`, which begins there if `whole`; returns the line that follows them."""

    def __call__(self, line: int) -> bool: ...


def what(query: str, *, regex: bool, case: bool, preset: str = "") -> Find:
    """What finds the text. Raises Invalid `bad_search`, with what is wrong with a regular expression."""
    if preset and preset != ERROR:
        raise Invalid(f"There is no search {preset[:40]!r}.", code="bad_search")
    try:
        return finder(FIRST_ERROR, regex=True, case=True) if preset else finder(query, regex=regex, case=case)
    except ValueError as error:
        hint = "Regular expressions are those of RE2: without look-around and back references." if regex else ""
        raise Invalid(f"This cannot be searched for: {error}.", code="bad_search", hint=hint) from None


def look_at(
    text: Text,
    find: Find,
    *,
    first: int,
    limit: int,
    stopped: Callable[[], bool],
    until: float,
    sieve: Sieve | None = None,
) -> Found:
    """The lines from number `first` on that hold the text: how many, and the first `limit` of them.

    Only those that the sieve wants. Ends at a moment of the monotonic clock, and when `stopped` says so: then `next`
    is the line to go on from.
    """
    found = Found()
    start, line = text.place_of(first)
    # What is left out parts the text in two: its ends do not touch.
    for begin, end in text.span.held(start, text.length):
        if begin != start:
            line = text.line_at(begin)
        pieces = _pieces(text, begin, end, sieve, line)
        wanted = {"wanted": sieve} if sieve else {}
        more = look_through(found, pieces, find, first=line, limit=limit, until=until, stopped=stopped, **wanted)
        if not more:
            break
    return found


def _pieces(text: Text, start: int, end: int, sieve: Sieve | None, line: int) -> Iterator[bytes]:
    whole = True
    while start < end and (piece := text.read(start, min(start + PIECE, end))):
        if sieve:
            line = sieve.learn(start, piece, line=line, whole=whole)
            whole = piece.endswith(b"\n")
        connections.close_all()
        yield piece
        start += len(piece)
