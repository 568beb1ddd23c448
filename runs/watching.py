"""What live sockets read: each question checks the watcher's right anew."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runs.logs import queries as logs
from runs.metrics import queries as metrics
from runs.metrics.services import frame
from runs.queries import get_run, run_in_full
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden
from workspace.access import get_workspace

#: Bytes of log in one frame, before base64: 64 kB on the wire.
LOG_FRAME = 48 * 1024
#: What a watcher who asks for the end of a log gets first.
TAIL = 64 * 1024
#: Times and streams that a frame tells; a page that needs more reads the lines.
MOST_MARKS = 2000


@dataclass(frozen=True)
class News:
    """Points after a sequence number; `frame(prev)` makes the live frame, None when they are too many."""

    seq: int
    frame: Callable[[int], bytes] | None


@dataclass(frozen=True)
class LogPiece:
    data: bytes
    offset: int
    length: int
    attempt: int
    #: Bytes before `offset` that the watcher wanted and that are left out of the log.
    elided: int
    #: When and by which stream they were written: [bytes from `offset`, ms, stream], each until the next.
    marks: list[tuple[int, int, int]]


def may_watch(slug: str, *, actor: Actor) -> None:
    """Raise unless the actor may see the runs of this workspace. Code sees its own run and no others."""
    get_workspace(slug, actor=actor, action="run.read")
    if actor.kind == "run":
        raise Forbidden("The token of a run is for this run only.")


def look(slug: str, run_id: str, *, actor: Actor) -> dict[str, Any]:
    """The run as pages show it. Raises as get_run does."""
    return run_in_full(get_run(slug, run_id, actor=actor))


def points(slug: str, run_id: str, *, actor: Actor, since: int, most: int) -> News:
    """What was logged after `since`. Raises as get_run does."""
    get_run(slug, run_id, actor=actor)
    seq = metrics.newest(run_id, actor=actor)
    # Merged chunks may hold points from before `since` too, so twice the number is still worth a look.
    if metrics.count_since(run_id, actor=actor, since=since) > 2 * most:
        return News(seq, None)
    found = metrics.points_since(run_id, actor=actor, since=since)
    if len(found) > most:
        return News(found.seq, None)
    data = {key: (one.step.tolist(), one.time.tolist(), one.value.tolist()) for key, one in found.series.items()}
    return News(found.seq, lambda prev: frame(prev, found.seq, data))


def log_piece(slug: str, run_id: str, *, actor: Actor, offset: int, attempt: int | None) -> LogPiece:
    """The next bytes of the present attempt's log; from its beginning when the attempt is another than `attempt`.

    A negative offset asks for the end of the log. Raises as get_run does.
    """
    wanted = offset
    if offset < 0:
        found = logs.read_log(slug, run_id, actor=actor, tail=TAIL, limit=TAIL)
        wanted = found.offset
        found = logs.read_log(slug, run_id, actor=actor, offset=wanted, limit=LOG_FRAME)
    else:
        found = logs.read_log(slug, run_id, actor=actor, offset=offset, limit=LOG_FRAME)
        if attempt is not None and found.attempt != attempt:
            wanted = 0
            found = logs.read_log(slug, run_id, actor=actor, offset=0, limit=LOG_FRAME)
    marks = logs.marks_between(found.log_id, found.offset, found.offset + len(found.data)) if found.log_id else []
    told = [(at - found.offset, time, stream) for at, time, stream in marks[:MOST_MARKS]]
    return LogPiece(found.data, found.offset, found.length, found.attempt, max(0, found.offset - wanted), told)
