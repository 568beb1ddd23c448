"""What a request asks of a text, and what it is told: the same words at the door of logs and at that of files."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from runs.lines import searching
from runs.lines.matching import Find, Found
from runs.lines.windows import MOST_LINES
from studio.kernel import hot


@dataclass(frozen=True)
class Wanted:
    """`line=` and `count=`: from a line on, or those at the end."""

    line: int | None
    count: int


def lines(request: hot.Request) -> Wanted:
    """Raises Invalid for numbers that are none."""
    return Wanted(request.number("line", least=1), request.number("count", 500, least=1, most=MOST_LINES) or 0)


@dataclass(frozen=True)
class Search:
    """`q=&regex=1&case=1`, or `preset=error`; `line=` is where to begin, `limit=` how many lines to tell."""

    find: Find
    first: int
    limit: int


async def search(request: hot.Request) -> Search:
    """Raises Invalid for numbers that are none, and `bad_search`."""
    await request.body(limit=0)

    def word(name: str) -> str:
        return request.query.get(name, [""])[-1]

    find = searching.what(word("q"), regex=word("regex") == "1", case=word("case") == "1", preset=word("preset"))
    first = request.number("line", 1, least=1) or 1
    return Search(find, first, request.number("limit", 100, least=1, most=searching.MOST_HITS) or 1)


def told(found: Found) -> dict[str, Any]:
    """What a search says it found."""
    hits = [{"line": hit.line, "text": hit.text, "start": hit.start, "end": hit.end} for hit in found.hits]
    return {"hits": hits, "count": found.count, "whole": found.whole, "next": found.next}


@asynccontextmanager
async def while_there(request: hot.Request) -> AsyncIterator[Callable[[], bool]]:
    """Says whether who asked went away."""
    stop = threading.Event()
    gone = asyncio.create_task(_when_gone(request, stop))
    try:
        yield stop.is_set
    finally:
        gone.cancel()


async def _when_gone(request: hot.Request, stop: threading.Event) -> None:
    await request.left()
    stop.set()
