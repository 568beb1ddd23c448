"""Searching the whole of a log: in threads of its own, one piece after the other, for as long as somebody waits."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from django.db import connections

from runs.logs import lines
from runs.logs.matching import FIRST_ERROR, Find, Found, finder, look_through
from runs.logs.models import Log
from runs.logs.queries import bytes_between
from runs.logs.sifting import Sieve, Sift
from studio.kernel import db
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, Unavailable

Answer = TypeVar("Answer")

#: Searches at once, and how many more may wait for their turn.
THREADS, WAITING = 2, 16
#: Bytes of one question to the database, between two of which its connection is given back.
PIECE = 4 * 1024 * 1024
#: The longest that one search works.
SECONDS = 10.0
MOST_HITS = 500
#: The word for "the first thing that looks like an error" in place of a text.
ERROR = "error"


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="search")


@cache
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(THREADS + WAITING)


def what(query: str, *, regex: bool, case: bool, preset: str = "") -> Find:
    """What finds the text. Raises Invalid `bad_search`, with what is wrong with a regular expression."""
    if preset and preset != ERROR:
        raise Invalid(f"There is no search {preset[:40]!r}.", code="bad_search")
    try:
        return finder(FIRST_ERROR, regex=True, case=True) if preset else finder(query, regex=regex, case=case)
    except ValueError as error:
        hint = "Regular expressions are those of RE2: without look-around and back references." if regex else ""
        raise Invalid(f"This cannot be searched for: {error}.", code="bad_search", hint=hint) from None


async def search(
    slug: str,
    run_id: str,
    find: Find,
    sift: Sift = Sift(),  # noqa: B008 - nothing of it changes
    *,
    actor: Actor,
    attempt: int | None = None,
    first: int = 1,
    limit: int = 100,
    stopped: Callable[[], bool],
) -> Found:
    """The lines from number `first` on that hold the text: how many, and the first `limit` of them.

    With `sift` only lines of a stream or of a part of the time. Ends early when `stopped` says so. Raises Unavailable
    when too many searches wait, and as get_run does.
    """
    log, _ = await db.run(lines.open_log, slug, run_id, actor=actor, attempt=attempt)
    if log is None:
        return Found()
    return await in_turn(lambda: look_at(log, find, sift, first, limit, stopped, time.monotonic() + SECONDS))


async def in_turn(work: Callable[[], Answer]) -> Answer:
    """What a long look at logs or files answers, in a thread of its own. Raises Unavailable when too many wait."""
    places = _places()
    if not places.acquire(blocking=False):
        raise Unavailable("Too many searches are under way.", hint="Try again in a few seconds.")
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), db.released, work)
    finally:
        places.release()


def look_at(
    log: Log, find: Find, sift: Sift, first: int, limit: int, stopped: Callable[[], bool], until: float
) -> Found:
    """What `search` says of a log that its caller may read, until a moment of the monotonic clock."""
    found, sieve = Found(), Sieve(sift) if sift else None
    start, line = lines.place_of(log, first)
    # What is left out parts the log in two: its ends do not touch.
    for begin, end in log.span.held(start, log.length):
        if begin != start:
            line = lines.line_at(log, begin)
        pieces = _pieces(log.pk, begin, end, sieve, line)
        wanted = {"wanted": sieve} if sieve else {}
        more = look_through(found, pieces, find, first=line, limit=limit, until=until, stopped=stopped, **wanted)
        if not more:
            break
    return found


def _pieces(log_id: int, start: int, end: int, sieve: Sieve | None, line: int) -> Iterator[bytes]:
    whole = True
    while start < end and (piece := bytes_between(log_id, start, min(start + PIECE, end))):
        if sieve:
            line = sieve.learn(log_id, start, piece, line=line, whole=whole)
            whole = piece.endswith(b"\n")
        connections.close_all()
        yield piece
        start += len(piece)
