"""Sends the log spool of a run to the studio, piece by piece, each byte once, however often the link breaks."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING, Mapping, Optional

from zaffre.agent.door import DoorError, Refused, Unreachable, rest
from zaffre.agent.job import Left
from zaffre.protocol import DESIRED_HEADER, LOG_LENGTH_HEADER, MAX_LOG_CHUNK

if TYPE_CHECKING:
    from zaffre.agent.job import Job

_PAUSE_SECONDS = 0.2
_FULL_HEADER = "X-Log-Full"


class LogPump:
    """A thread that keeps the studio's log as long as the spool."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.offset = 0
        self.full = False
        self._refused: Optional[str] = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"log {job.run}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Send what is left (waiting for a studio that is away) and mark the log complete.

        Call it when nothing writes the spool any more. Returns early when the attempt is dropped. Raises Left.
        """
        self._end.set()
        while self._thread.is_alive():
            self._thread.join(1.0)
        if self.job.leaving.is_set():
            raise Left
        if self.job.dropped.is_set() or self.full or self._refused:
            return
        digest, length = hashlib.sha256(), 0
        with self.job.place.log.open("rb") as spool:
            for piece in iter(lambda: spool.read(1 << 20), b""):
                digest.update(piece)
                length += len(piece)
        try:
            self.job.ask("POST", "/log/complete", {"length": length, "sha256": digest.hexdigest()})
        except DoorError:
            return  # the studio keeps it marked as incomplete; the result is still to be told

    def leave(self) -> None:
        """Stop without sending the rest."""
        self._end.set()
        self._refused = self._refused or "left"
        if self._thread.is_alive():
            self._thread.join(15.0)

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self.job.over() and not self._refused and not self.full:
            ending = self._end.is_set()
            piece = self._next()
            if not piece:
                if ending:
                    return
                self._end.wait(_PAUSE_SECONDS)
                continue
            try:
                self._send(piece)
                pause = _PAUSE_SECONDS
            except Unreachable as error:
                rest(max(pause, error.retry_after), lambda: self.job.over() or bool(self._refused))
                pause = min(pause * 2, 2.0)
            if len(piece) < MAX_LOG_CHUNK and not ending:
                self._end.wait(_PAUSE_SECONDS)  # a talkative program gets few large pieces

    def _next(self) -> bytes:
        with self.job.place.log.open("rb") as spool:
            if os.fstat(spool.fileno()).st_size <= self.offset:
                return b""
            spool.seek(self.offset)
            return spool.read(MAX_LOG_CHUNK)

    def _send(self, piece: bytes) -> None:
        end = self.offset + len(piece)
        told = {"Content-Range": f"bytes {self.offset}-{end - 1}/*", "Content-Type": "application/octet-stream"}
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
        # After a restart the studio may hold more than we remember: go on from there.
        self.offset = max(end, _held(answer.headers, end))
        self.full = answer.headers.get(_FULL_HEADER) == "1"
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
