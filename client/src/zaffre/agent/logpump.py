"""Sends the log spool of a run to the studio, piece by piece, each byte once, however often the link breaks."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from zaffre.agent import marks
from zaffre.agent.door import Refused, Unreachable, rest
from zaffre.agent.job import Left
from zaffre.protocol import (
    DESIRED_HEADER,
    LOG_LENGTH_HEADER,
    LOG_MARKS_HEADER,
    LOG_SKIP_HEADER,
    MAX_LOG_CHUNK,
    NEXT_IN_HEADER,
)

if TYPE_CHECKING:
    from zaffre.agent.job import Job

_PAUSE_SECONDS = 0.2
_LONGEST_WAIT = 5.0


class LogPump:
    """A thread that keeps the studio's log as long as the spool.

    What the spool has let go of is left out: the studio keeps the beginning and the end of a log, and tells people so.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.offset = 0
        #: The studio wants the next piece after so many seconds.
        self._next_in = 0.0
        #: Bytes were left out, so that the log is not complete.
        self._skipped = False
        #: The last piece was all that there was.
        self._all = True
        self._refused: Optional[str] = None
        self._end = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"log {job.run}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something to send: look now."""
        self._woken.set()

    def finish(self) -> Optional[Dict[str, Any]]:
        """Send what is left (waiting for a studio that is away). Returns the length and SHA-256 of a log that the
        studio has whole, as far as we know.

        Call it when nothing writes the spool any more. Returns early when the attempt is dropped. Raises Left.
        """
        self._end.set()
        self.wake()
        while self._thread.is_alive():
            self._thread.join(1.0)
        if self.job.leaving.is_set():
            raise Left
        if self.job.dropped.is_set() or self._refused:
            return None
        digest, length = hashlib.sha256(), 0
        while not self._skipped:
            start, piece = self.job.output.read(length, 1 << 20)
            self._skipped = start != length
            if not piece:
                break
            digest.update(piece)
            length += len(piece)
        return None if self._skipped else {"length": length, "sha256": digest.hexdigest()}

    def leave(self) -> None:
        """Stop without sending the rest."""
        self._end.set()
        self.wake()
        self._refused = self._refused or "left"
        if self._thread.is_alive():
            self._thread.join(15.0)

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self.job.over() and not self._refused:
            ending = self._end.is_set()
            start, piece = self.job.output.read(self.offset, MAX_LOG_CHUNK)
            if not piece:
                if ending:
                    return
                self._woken.wait(_PAUSE_SECONDS)
                self._woken.clear()
                continue
            try:
                self._send(start, piece)
                pause = _PAUSE_SECONDS
            except Unreachable as error:
                rest(max(pause, error.retry_after), lambda: self.job.over() or bool(self._refused))
                pause = min(pause * 2, 2.0)
            if self._all and not ending:
                self._end.wait(_PAUSE_SECONDS)  # a talkative program gets few large pieces
            elif not ending:
                self._end.wait(self._next_in)

    def _send(self, start: int, piece: bytes) -> None:
        when, size = marks.told(self.job.output.marks(start, start + len(piece)), start, len(piece))
        self._all = size == len(piece) < MAX_LOG_CHUNK
        piece, end = piece[:size], start + size
        told = {"Content-Range": f"bytes {start}-{end - 1}/*", "Content-Type": "application/octet-stream"}
        if when:
            told[LOG_MARKS_HEADER] = when
        if start > self.offset:
            told[LOG_SKIP_HEADER] = "1"
        try:
            answer = self.job.door.call("PATCH", f"{self.job.address}/log", body=piece, headers=told)
        except Refused as error:
            if error.fences:
                self.job.drop()
            elif error.status == 416:
                self.offset = _held(error.headers, 0)
            else:
                self._refused = error.code or str(error.status)
            return
        self._skipped = self._skipped or start > self.offset
        # After a restart the studio may hold more than we remember: go on from there.
        self.offset = max(end, _held(answer.headers, end))
        with suppress(ValueError):
            self._next_in = min(float(answer.headers.get(NEXT_IN_HEADER) or 0), _LONGEST_WAIT)
        self.job.desire(answer.headers.get(DESIRED_HEADER))


def _held(headers: Mapping[str, str], otherwise: int) -> int:
    """How many bytes the studio has, from X-Log-Length or `Range: 0-e`."""
    get = headers.get
    try:
        length = get(LOG_LENGTH_HEADER)
        if length is not None:
            return int(length)
        found = get("Range")
        return int(found.rpartition("-")[2]) + 1 if found else otherwise
    except ValueError:
        return otherwise
