"""Files of a run by their lines, as its log is read and searched, whatever their size."""

import time
from collections.abc import Callable
from dataclasses import replace

from runs.artifacts.counting import Counting, counting_of
from runs.artifacts.models import Artifact
from runs.artifacts.queries import get_artifact
from runs.lines import searching, windows
from runs.lines.asked import Search, Wanted
from runs.lines.matching import Found
from runs.lines.turns import Turns
from studio.kernel import db
from studio.kernel.actors import Actor

#: A file up to this size is counted where it is read; a larger one in threads of its own, so long for one answer.
AT_ONCE = 4 * 1024 * 1024
SECONDS = 2.0
TURNS = Turns("counts of lines", threads=2, waiting=32)


#: Lines, or {counting: {done, size}}: bytes of a file whose lines are still being counted.
Lines = windows.Page | dict[str, dict[str, int]]


async def read_lines(slug: str, run_id: str, path: str, wanted: Wanted, *, actor: Actor) -> Lines:
    """Lines of a file as `windows.window` gives them; of a file that takes longer to count, how far that is.

    Who asks again then goes on with the counting. Raises Unavailable when too many count, and as `get_artifact` does.
    """
    found = await db.run(get_artifact, slug, run_id, path, actor=actor)
    counting = counting_of(found.sha256)
    if counting.text is None and found.size > AT_ONCE:
        until = time.monotonic() + SECONDS
        if await TURNS.take(lambda: counting.go_on(until)) is None:
            return {"counting": {"done": counting.done, "size": found.size}}
    return await db.run(_window, counting, found, wanted)


def _window(counting: Counting, found: Artifact, wanted: Wanted) -> Lines:
    text = counting.go_on(time.monotonic() + SECONDS)
    if text is None:
        return {"counting": {"done": counting.done, "size": found.size}}
    page, _ = windows.window(text, wanted.line, wanted.count)
    return replace(page, version=found.sha256)


async def search(
    slug: str, run_id: str, path: str, asked: Search, *, actor: Actor, stopped: Callable[[], bool]
) -> Found:
    """The lines of a file that hold the text. Ends early when `stopped` says so.

    Raises Unavailable when too many searches wait, and as `get_artifact` does.
    """
    found = await db.run(get_artifact, slug, run_id, path, actor=actor)
    return await searching.TURNS.take(lambda: _search(found.sha256, asked, stopped))


def _search(sha256: str, asked: Search, stopped: Callable[[], bool]) -> Found:
    until = time.monotonic() + searching.SECONDS
    # Counting finds where a line begins, and that the bytes are what they were.
    text = counting_of(sha256).go_on(until, stopped)
    if text is None:
        return Found(whole=False, next=asked.first)
    return searching.look_at(text, asked.find, first=asked.first, limit=asked.limit, stopped=stopped, until=until)
