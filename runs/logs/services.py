"""Taking a log: appended, repeated pieces recognised, gaps and changed bytes refused."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import msgspec
from django.db import transaction
from django.db.models import F

from runs.fencing import admit, refuse_late
from runs.logs.models import Log, LogChunk
from runs.logs.pieces import FULL_NOTE, MOST, fit
from runs.logs.queries import bytes_between, pieces_of
from runs.models import Run
from studio.kernel.actors import Actor
from studio.kernel.bells import ring_soon
from studio.kernel.errors import Conflict, NotFound, RangeGap, ZaffreError
from studio.kernel.groupcommit import GroupCommit

#: The largest chunk that is written or made by compaction.
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Appended:
    """The answer to a piece: the log's length as the sender counts, and whether it is full."""

    length: int
    desired: str
    full: bool = False


@dataclass(frozen=True)
class _Item:
    run_id: str
    actor: Actor
    start: int
    data: bytes


@dataclass
class _Held:
    """A locked log while a group is written."""

    log: Log
    #: Length that is stored; `fresh` comes after it.
    stored: int
    fresh: bytearray = field(default_factory=bytearray)
    elided: int = 0

    @property
    def length(self) -> int:
        return self.stored + len(self.fresh)


def append(run_id: str, *, actor: Actor, start: int, data: bytes, workspace: str | None = None) -> "Future[Appended]":
    """Add bytes at offset `start`; the future ends after the commit.

    Bytes that are held already are compared and accepted. Raises (here or from the future) RangeGap
    when the piece begins after the end, Conflict `log_differs` when held bytes are others, `stale_attempt`,
    `final`, and NotFound or Forbidden as `admit` does. A log over MOST bytes takes no more and says so
    in `full`; the run goes on.
    """
    admit(run_id, actor=actor, workspace=workspace)
    return _appender.submit(_Item(run_id, actor, start, data))


def _write(items: Sequence[_Item]) -> list[Appended | Exception]:
    rows = Run.objects.filter(pk__in={item.run_id for item in items})
    runs = {row["id"]: row for row in rows.values("id", "status", "attempt_no", "desired")}
    logs = _lock_logs({run_id: row["attempt_no"] for run_id, row in runs.items()})
    # Read again under the lock: an attempt that lost its run in between must not write.
    now = {row["id"]: row for row in rows.values("id", "status", "attempt_no", "desired")}
    results: list[Appended | Exception] = []
    for item in items:
        try:
            row = now.get(item.run_id)
            if row is None or item.run_id not in logs:
                raise NotFound("There is no such run any more.")
            refuse_late(status=row["status"], attempt_no=row["attempt_no"], actor=item.actor)
            if row["attempt_no"] != runs[item.run_id]["attempt_no"]:
                raise Conflict("Another attempt of this run has just begun.", code="stale_attempt")
            held = logs[item.run_id]
            results.append(Appended(_add(held, item), row["desired"], bool(held.log.elided or held.elided)))
        except ZaffreError as error:
            results.append(error)
    for run_id, held in logs.items():
        _store(run_id, held)
    return results


def _lock_logs(attempts: dict[str, int]) -> dict[str, _Held]:
    # In the order of ids, so that two processes with the same logs cannot wait for each other.
    rows = Log.objects.select_for_update().filter(run_id__in=list(attempts)).order_by("pk")
    held = {log.run_id: _Held(log, log.length) for log in rows if log.attempt == attempts[log.run_id]}
    new = [Log(run_id=run_id, attempt=no) for run_id, no in attempts.items() if run_id not in held]
    if not new:
        return held
    Log.objects.bulk_create(new, ignore_conflicts=True)
    return {log.run_id: _Held(log, log.length) for log in rows.all() if log.attempt == attempts[log.run_id]}


def _add(held: _Held, item: _Item) -> int:
    """Put an item's new bytes into `held.fresh` and return the length as the sender counts."""
    if held.log.complete:
        raise Conflict("The log was completed and takes nothing more.", code="final")
    if held.log.elided or held.elided:
        # The stored end is our own note by now: comparing would be meaningless, refusing would hurt the run.
        end = item.start + len(item.data)
        known = MOST + held.log.elided + held.elided
        held.elided += max(0, end - known)
        return max(end, known)
    lies = fit(start=item.start, size=len(item.data), held=held.length)
    if lies is None:
        raise RangeGap(
            f"The log holds {held.length} bytes, and this piece begins at {item.start}.",
            hint="Send the bytes from X-Log-Length on.",
            length=held.length,
        )
    if lies.repeated and _held_bytes(held, item.start, lies.repeated) != item.data[: lies.repeated]:
        raise Conflict(
            f"Bytes at offset {item.start} are held already, and they are others.",
            code="log_differs",
            length=held.length,
        )
    room = MOST - held.length
    held.fresh += item.data[lies.repeated : lies.repeated + room]
    if lies.fresh > room:
        held.fresh += FULL_NOTE
        held.elided = lies.fresh - room
    return item.start + len(item.data) if lies.fresh else held.length


def _held_bytes(held: _Held, start: int, size: int) -> bytes:
    old = bytes_between(held.log.pk, start, min(start + size, held.stored)) if start < held.stored else b""
    rest = max(0, start - held.stored)
    return old + bytes(held.fresh[rest : rest + size - len(old)])


def _store(run_id: str, held: _Held) -> None:
    if not held.fresh and not held.elided:
        return
    LogChunk.objects.bulk_create(
        LogChunk(log=held.log, offset=held.stored + at, length=len(piece), data=piece)
        for at in range(0, len(held.fresh), CHUNK)
        if (piece := bytes(held.fresh[at : at + CHUNK]))
    )
    Log.objects.filter(pk=held.log.pk, length=held.stored).update(length=held.length, elided=F("elided") + held.elided)
    if held.fresh:
        transaction.on_commit(partial(_tell, run_id, held.log.attempt, held.length))


def _tell(run_id: str, attempt: int, length: int) -> None:
    # A bell without the bytes: each watcher reads from its own offset.
    ring_soon(f"run.{run_id}", msgspec.json.encode({"t": "log", "attempt": attempt, "length": length}))


_appender: GroupCommit[_Item, Appended] = GroupCommit("log", _write)


def drain() -> None:
    """Write all that is in line and end the commit thread: the server stops."""
    _appender.close()


def complete(run_id: str, *, actor: Actor, length: int, sha256: str, workspace: str | None = None) -> bool:
    """Mark the log complete if the sender's length and hash are those of the bytes held.

    Returns False for a log that was full: its end is missing, and it stays marked as incomplete.
    Raises Conflict `log_mismatch` with the length that is held, and as `append` does.
    """
    admit(run_id, actor=actor, workspace=workspace)
    with transaction.atomic():
        run = Run.objects.filter(pk=run_id).values("status", "attempt_no").first()
        if run is None:
            raise NotFound("There is no such run any more.")
        refuse_late(status=run["status"], attempt_no=run["attempt_no"], actor=actor)
        log = _lock_logs({run_id: run["attempt_no"]})[run_id].log
        if log.elided:
            return False
        digest = hashlib.sha256()
        for piece in pieces_of(log.pk, 0, log.length):
            digest.update(piece)
        if log.length != length or digest.hexdigest() != sha256:
            raise Conflict(
                f"The log that is held has {log.length} bytes and is not the one announced.",
                code="log_mismatch",
                hint="It stays marked as incomplete.",
                length=log.length,
            )
        Log.objects.filter(pk=log.pk).update(complete=True, sha256=sha256)
        transaction.on_commit(partial(_tell, run_id, log.attempt, log.length))
    return True


def compact_run(run_id: str, *, actor: Actor) -> int:
    """Join the small chunks of a run's logs into ones of up to CHUNK bytes; return how many rows were saved.

    Only the studio's own hand may call it. Bytes and offsets stay as they are.
    """
    if actor.kind != "system":
        raise NotFound("There is nothing to compact.")
    return sum(_compact(log) for log in Log.objects.filter(run_id=run_id).values_list("pk", flat=True))


@transaction.atomic
def _compact(log_id: int) -> int:
    Log.objects.select_for_update().get(pk=log_id)  # appends wait for us, and we for them
    saved = 0
    group: list[LogChunk] = []
    size = 0
    for chunk in LogChunk.objects.filter(log_id=log_id).order_by("offset").defer("data").iterator():
        if group and size + chunk.length > CHUNK:
            saved += _join(group)
            group, size = [], 0
        group.append(chunk)
        size += chunk.length
    return saved + _join(group)


def _join(group: list[LogChunk]) -> int:
    if len(group) < 2:
        return 0
    ids = [chunk.pk for chunk in group]
    data = b"".join(LogChunk.objects.filter(pk__in=ids).order_by("offset").values_list("data", flat=True))
    LogChunk.objects.filter(pk__in=ids[1:]).delete()
    LogChunk.objects.filter(pk=ids[0]).update(length=len(data), data=data)
    return len(ids) - 1
