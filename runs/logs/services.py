"""Taking a log: appended, repeated pieces recognised, gaps and changed bytes refused."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from runs.fencing import admit, refuse_late
from runs.lines.span import Span
from runs.logs import marks as when
from runs.logs.marks import Mark
from runs.logs.models import Log, LogChunk
from runs.logs.queries import bytes_between, pieces_of
from runs.models import Run
from studio.kernel import db
from studio.kernel.actors import Actor
from studio.kernel.bells import ring_soon
from studio.kernel.errors import Conflict, NotFound, RangeGap, ZaffreError
from studio.kernel.groupcommit import GroupCommit
from studio.kernel.rows import Rows, change, insert

#: The largest chunk that is written or made by compaction.
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Appended:
    """The answer to a piece: the log's length as the sender counts, and whether its beginning is full."""

    length: int
    desired: str
    full: bool = False


@dataclass(frozen=True)
class _Item:
    run_id: str
    actor: Actor
    start: int
    data: bytes
    skip: bool
    marks: Sequence[Mark] = ()


@dataclass
class _Held:
    """A locked log while a group is written."""

    log: Log
    span: Span
    #: New bytes, each part after the other; a part begins anew where the sender skipped.
    fresh: list[tuple[int, bytearray]] = field(default_factory=list)
    #: What is known of these, and whether anything is.
    marks: list[Mark] = field(default_factory=list)
    skipped: bool = False

    def skip(self, start: int) -> None:
        self.span = self.span.skipped(start)
        self.skipped = True
        self.fresh.append((start, bytearray()))

    def add(self, data: bytes, marks: Sequence[Mark]) -> None:
        if not self.fresh:
            self.fresh.append((self.span.length, bytearray()))
        start = self.span.length
        known = when.within(marks, start, start + len(data))
        if data and (known or self.marks):
            self.marks += known or [when.silence(start)]
        self.fresh[-1][1].extend(data)
        self.span = self.span.grown(len(data))

    def read(self, start: int, end: int) -> bytes:
        """Bytes [start, end), all of which are held."""
        out = bytes_between(self.log.pk, start, end)
        for offset, data in self.fresh:
            at = start + len(out)
            if offset <= at < offset + len(data):
                out += data[at - offset : end - offset]
        return out


def append(
    run_id: str,
    *,
    actor: Actor,
    start: int,
    data: bytes,
    skip: bool = False,
    marks: Sequence[Mark] = (),
    workspace: str | None = None,
) -> "Future[Appended]":
    """Add bytes at offset `start`; the future ends after the commit.

    Only the beginning and the end of a long log are kept (settings.LOG_HEAD_BYTES, LOG_TAIL_BYTES); the run goes
    on. With `skip` the sender says that it has nothing from the end of the log to `start` and never will. `marks` are
    what it knows of when and by which stream the bytes were written.

    Bytes that are held already are compared and accepted. Raises (here or from the future) RangeGap
    when the piece begins after the end, Conflict `log_differs` when held bytes are others, `stale_attempt`,
    `final`, and NotFound or Forbidden as `admit` does.
    """
    admit(run_id, actor=actor, workspace=workspace)
    return _appender.submit(_Item(run_id, actor, start, data, skip, marks))


def _write(items: Sequence[_Item]) -> list[Appended | Exception]:
    logs, runs = _lock_logs({item.run_id for item in items})
    results: list[Appended | Exception] = []
    for item in items:
        try:
            if item.run_id not in runs:
                raise NotFound("There is no such run any more.")
            status, attempt_no, desired = runs[item.run_id]
            refuse_late(status=status, attempt_no=attempt_no, actor=item.actor)
            held = logs[item.run_id]
            _refuse_other(held.log, attempt_no)
            _add(held, item)
            full = held.span.length > settings.LOG_HEAD_BYTES
            results.append(Appended(held.span.length, desired, full))
        except ZaffreError as error:
            results.append(error)
    for run_id, held in logs.items():
        _store(run_id, held)
    return results


def _lock_logs(ids: set[str]) -> tuple[dict[str, _Held], dict[str, tuple[str, int, str]]]:
    """The logs of the runs' present attempts, locked and made where there is none, and each run's (status, attempt_no,
    desired) as they are under the lock: an attempt that lost its run meanwhile must not write."""
    asked = {"runs": sorted(ids)}
    # In the order of ids, so that two processes with the same logs cannot wait for each other.
    held = {log.run_id: _Held(log, log.span) for (log,) in _LOCKED.ask(**asked)}
    runs = {run_id: (status, no, desired) for run_id, status, no, desired in db.ask(_RUNS, asked)}
    new = sorted(runs.keys() - held.keys())
    if not new:
        return held, runs
    made = _MADE.ask(runs=new, attempts=[runs[run_id][1] for run_id in new])
    if len(made) < len(new):
        # Somebody else was about to make one, and we waited: what was read before that may be over.
        return _lock_logs({run_id for run_id in ids if run_id in runs})
    return held | {log.run_id: _Held(log, log.span) for (log,) in made}, runs


_RUNS = "SELECT id, status, attempt_no, desired FROM runs_run WHERE id = ANY(%(runs)s)"
_LOCKED = Rows(
    """
    SELECT {columns} FROM logs_log log JOIN runs_run run ON run.id = log.run_id AND run.attempt_no = log.attempt
    WHERE run.id = ANY(%(runs)s) ORDER BY log.id FOR UPDATE OF log
    """,
    {"log": (Log, ())},
)
_MADE = Rows(
    """
    INSERT INTO logs_log AS log (run_id, attempt, length, head, elided, newlines, uncounted, sha256, complete)
    SELECT new.*, 0, 0, 0, 0, false, '', false FROM unnest(%(runs)s::varchar[], %(attempts)s::int[]) AS new
    ON CONFLICT (run_id, attempt) DO NOTHING RETURNING {columns}
    """,
    {"log": (Log, ())},
)


def _refuse_other(log: Log, attempt_no: int) -> None:
    if log.attempt != attempt_no:
        raise Conflict("Another attempt of this run has just begun.", code="stale_attempt")


def _add(held: _Held, item: _Item) -> None:
    """Put an item's new bytes into `held`. Raises Conflict, RangeGap."""
    if held.log.complete:
        raise Conflict("The log was completed and takes nothing more.", code="final")
    length = held.span.length
    if item.start > length:
        if not item.skip:
            raise RangeGap(
                f"The log holds {length} bytes, and this piece begins at {item.start}.",
                hint="Send the bytes from X-Log-Length on.",
                length=length,
            )
        held.skip(item.start)
    known = max(0, min(len(item.data), length - item.start))
    for start, end in held.span.held(item.start, item.start + known):
        if held.read(start, end) != item.data[start - item.start : end - item.start]:
            raise Conflict(
                f"Bytes at offset {start} are held already, and they are others.", code="log_differs", length=length
            )
    held.add(item.data[known:], item.marks)


def _store(run_id: str, held: _Held) -> None:
    log, kept = held.log, held.span.trimmed(head=settings.LOG_HEAD_BYTES, tail=settings.LOG_TAIL_BYTES)
    if kept == log.span:
        return
    chunks, newlines = _chunks(held, kept)
    for chunk in chunks:
        insert(chunk)
    if kept.elided:
        # Whole chunks only: one over the edge stays, and nobody reads the part that is left out.
        between = LogChunk.objects.filter(log=log, offset__gte=kept.head, offset__lt=kept.tail)
        between.filter(offset__lte=kept.tail - F("length")).delete()
    uncounted = {"uncounted": True} if held.skipped else {}
    told = {"length": kept.length, "head": kept.head, "elided": kept.elided, "newlines": newlines, **uncounted}
    change(Log, log.pk, told)
    transaction.on_commit(partial(_tell, run_id, log.attempt, kept.length))


def _chunks(held: _Held, kept: Span) -> tuple[list[LogChunk], int | None]:
    """The rows of the new bytes that stay, and how many lines have ended after all of them."""
    chunks, newlines = [], held.log.newlines
    for offset, fresh in held.fresh:
        for at in range(0, len(fresh), CHUNK):
            piece = bytes(fresh[at : at + CHUNK])
            start = offset + at
            if kept.held(start, start + len(piece)):
                told = when.within(held.marks, start, start + len(piece))
                chunk = LogChunk(log=held.log, offset=start, length=len(piece), first_line=newlines, data=piece)
                chunk.marks = when.pack(told) if told else None
                chunk.time = next((time for _, time, _ in told if time), None)
                chunks.append(chunk)
            if newlines is not None:
                newlines += piece.count(b"\n")
    return chunks, newlines


def _tell(run_id: str, attempt: int, length: int) -> None:
    # A bell without the bytes: each watcher reads from its own offset.
    ring_soon(f"run.{run_id}", "log", partial(msgspec.json.encode, {"t": "log", "attempt": attempt, "length": length}))


_appender: GroupCommit[_Item, Appended] = GroupCommit("log", _write)


def drain() -> None:
    """Write all that is in line and end the commit thread: the server stops."""
    _appender.close()


def complete(run_id: str, *, actor: Actor, length: int, sha256: str, workspace: str | None = None) -> bool:
    """Mark the log complete if the sender's length and hash are those of the bytes held.

    Returns False for a log of which bytes were left out: it stays marked as incomplete.
    Raises Conflict `log_mismatch` with the length that is held, and as `append` does.
    """
    admit(run_id, actor=actor, workspace=workspace)
    with transaction.atomic():
        run = next(iter(Run.objects.filter(pk=run_id).only("status", "attempt_no")), None)
        if run is None:
            raise NotFound("There is no such run any more.")
        return complete_of(run, actor=actor, length=length, sha256=sha256)


def complete_of(run: Run, *, actor: Actor, length: int, sha256: str) -> bool:
    """`complete` the log of the run's present attempt, for who was let in, in the caller's transaction."""
    refuse_late(status=run.status, attempt_no=run.attempt_no, actor=actor)
    told = {"run": run.pk, "attempt": run.attempt_no, "length": length, "sha256": sha256}
    if length <= CHUNK and db.ask(_COMPLETED, told):
        transaction.on_commit(partial(_tell, run.pk, run.attempt_no, length))
        return True
    log = _lock_logs({run.pk})[0][run.pk].log
    _refuse_other(log, run.attempt_no)
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
    transaction.on_commit(partial(_tell, run.pk, log.attempt, log.length))
    return True


#: Of a short log PostgreSQL itself looks whether it is the one that was announced; if not, there is more to say.
_COMPLETED = """
UPDATE logs_log log SET complete = true, sha256 = %(sha256)s
WHERE run_id = %(run)s AND attempt = %(attempt)s AND elided = 0 AND length = %(length)s AND %(sha256)s = encode(
    sha256((
        SELECT COALESCE(string_agg(data, ''::bytea ORDER BY "offset"), ''::bytea) FROM logs_logchunk
        WHERE log_id = log.id
    )), 'hex'
)
RETURNING id
"""


@transaction.atomic
def count_lines(log_id: int, *, actor: Actor) -> None:
    """Count the lines of a log from before they were counted, once, for whoever was let in to read it."""
    log = Log.objects.select_for_update().filter(pk=log_id, newlines__isnull=True).first()
    if log is None or actor.kind == "anonymous":
        return
    newlines, counted = 0, []
    for pk, data in LogChunk.objects.filter(log=log).order_by("offset").values_list("pk", "data").iterator(8):
        counted.append((pk, newlines))
        newlines += bytes(data).count(b"\n")
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, [[pk for pk, _ in counted], [before for _, before in counted]])
    Log.objects.filter(pk=log.pk).update(newlines=newlines, uncounted=bool(log.elided))


_COUNTED = """
UPDATE logs_logchunk chunk SET first_line = counted.before
FROM unnest(%s::bigint[], %s::bigint[]) AS counted(id, before) WHERE chunk.id = counted.id
"""


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
    for chunk in LogChunk.objects.filter(log_id=log_id).order_by("offset").defer("data", "marks").iterator():
        if group and (size + chunk.length > CHUNK or group[-1].offset + group[-1].length != chunk.offset):
            saved += _join(group)
            group, size = [], 0
        group.append(chunk)
        size += chunk.length
    return saved + _join(group)


def _join(group: list[LogChunk]) -> int:
    if len(group) < 2:
        return 0
    ids = [chunk.pk for chunk in group]
    rows = list(LogChunk.objects.filter(pk__in=ids).order_by("offset").values_list("offset", "data", "marks", "time"))
    data = b"".join(data for _, data, _, _ in rows)
    # A part of which nothing is known must not get what is known of the one before it.
    told = [bytes(marks) if marks else when.pack([when.silence(offset)]) for offset, _, marks, _ in rows]
    marks = b"".join(told) if any(marks for _, _, marks, _ in rows) else None
    time = next((time for *_, time in rows if time), None)
    LogChunk.objects.filter(pk__in=ids[1:]).delete()
    LogChunk.objects.filter(pk=ids[0]).update(length=len(data), data=data, marks=marks, time=time)
    return len(ids) - 1
