"""Tells the studio how an attempt's steps go: many in one call, none waited for that need not be.

A step is told within a moment of its begin or its end, with when that was, so that several short ones travel together.
What must be known before something happens (that the code starts) is told with `now`, which waits for the answer.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from zaffre.agent.door import DoorError

if TYPE_CHECKING:
    from zaffre.agent.job import Job

log = logging.getLogger("zaffre.agent")

#: How long a step waits for others to be told with it.
_PATIENCE_SECONDS = 1.0


class Teller:
    """The reports of one attempt, in their order."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._state = ""
        self._waiting: List[Dict[str, Any]] = []
        self._timer: Optional[threading.Timer] = None
        self._lock = threading.Lock()
        #: One report is under way at a time: the next must not overtake it.
        self._sending = threading.Lock()

    def note(self, state: str, /, **step: Any) -> None:
        """Tell it soon: {name, state, note, seconds}, and the state that the attempt is in with it."""
        with self._lock:
            self._state = state
            self._waiting.append({**step, "at": time.monotonic()})
            if self._timer is None:
                self._timer = threading.Timer(_PATIENCE_SECONDS, self._later)
                self._timer.daemon = True
                self._timer.start()

    def now(self) -> None:
        """Tell everything that waits, and wait for the answer. Raises Dropped and Left as `job.ask`."""
        with self._sending:
            steps, state = self.take()
            if steps:
                self.job.progress(state, steps)

    def take(self) -> "tuple[List[Dict[str, Any]], str]":
        """What waits, for a call that carries it along: steps with `ago`, the seconds since each was so."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            waiting, self._waiting = self._waiting, []
            moment = time.monotonic()
            for step in waiting:
                step["ago"] = round(moment - step.pop("at"), 3)
            return waiting, self._state

    def _later(self) -> None:
        from zaffre.agent.job import Dropped, Left  # it makes us

        with suppress(Dropped, Left, DoorError):
            self.now()
