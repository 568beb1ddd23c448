"""Searching the whole of a log."""

import time
from collections.abc import Callable

from runs.lines import searching
from runs.lines.asked import Search
from runs.lines.matching import Found
from runs.logs import lines
from runs.logs.models import Log
from runs.logs.sifting import Sieve, Sift
from studio.kernel import db
from studio.kernel.actors import Actor


async def search(
    slug: str,
    run_id: str,
    asked: Search,
    sift: Sift = Sift(),  # noqa: B008 - nothing of it changes
    *,
    actor: Actor,
    attempt: int | None = None,
    stopped: Callable[[], bool],
) -> Found:
    """The lines that hold the text, with `sift` only those of a stream or of a part of the time.

    Ends early when `stopped` says so. Raises Unavailable when too many searches wait, and as get_run does.
    """
    log, _ = await db.run(lines.open_log, slug, run_id, actor=actor, attempt=attempt)
    if log is None:
        return Found()
    return await searching.TURNS.take(
        lambda: look_at(log, asked, stopped, time.monotonic() + searching.SECONDS, sift=sift)
    )


def look_at(log: Log, asked: Search, stopped: Callable[[], bool], until: float, *, sift: Sift | None = None) -> Found:
    """What `search` says of a log that its caller may read, until a moment of the monotonic clock."""
    return searching.look_at(
        lines.LogText(log),
        asked.find,
        first=asked.first,
        limit=asked.limit,
        stopped=stopped,
        until=until,
        sieve=Sieve(sift, log.pk) if sift else None,
    )
