"""Tells the studio how an attempt's steps go: many in one call, none waited for that need not be.

A step is told within a moment of its begin or its end, with when that was, so that several short ones travel together.
What must be known before something happens (that the code starts) is told with `now`, which waits for the answer.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from zaffre.agent.door import DoorError

if TYPE_CHECKING:
    from zaffre.agent.job import Job

log = logging.getLogger("zaffre.agent")

#: How long a step waits for others to be told with it.
_PATIENCE_SECONDS = 1.0


class Alarms:
    """Calls at a moment to come, for all attempts by one thread: most have lost their reason before it comes."""

    def __init__(self) -> None:
        self._waiting: List[Tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._thread: Optional[threading.Thread] = None

    def set(self, seconds: float, call: Callable[[], object]) -> None:
        """`call`, which must not wait for anything, after so long, whatever has become of its reason."""
        with self._changed:
            alarm = (time.monotonic() + seconds, next(self._count), call)
            heapq.heappush(self._waiting, alarm)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
                self._thread.start()
            elif self._waiting[0] is alarm:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting or self._waiting[0][0] > time.monotonic():
                    left = self._waiting[0][0] - time.monotonic() if self._waiting else None
                    self._changed.wait(left)
                call = heapq.heappop(self._waiting)[2]
            try:
                call()
            except Exception:  # the alarms of all others are this thread's, too
                log.exception("an alarm")


_alarms = Alarms()


class Teller:
    """The reports of one attempt, in their order."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._state = ""
        self._waiting: List[Dict[str, Any]] = []
        #: When what waits is told at the latest; nothing waits for long once it was taken along.
        self._due: Optional[float] = None
        self._alarmed = False
        self._lock = threading.Lock()
        #: One report is under way at a time: the next must not overtake it.
        self._sending = threading.Lock()

    def note(self, state: str, /, **step: Any) -> None:
        """Tell it soon: {name, state, note, said, seconds}, and the state that the attempt is in with it."""
        with self._lock:
            self._state = state
            self._waiting.append({**step, "at": time.monotonic()})
            if self._due is None:
                self._due = time.monotonic() + _PATIENCE_SECONDS
                if not self._alarmed:
                    self._alarmed = True
                    _alarms.set(_PATIENCE_SECONDS, self._look)

    def now(self) -> None:
        """Tell everything that waits, and wait for the answer. Raises Dropped and Left as `job.ask`."""
        with self._sending:
            steps, state = self.take()
            if steps:
                self.job.progress(state, steps)

    def take(self) -> "tuple[List[Dict[str, Any]], str]":
        """What waits, for a call that carries it along: steps with `ago`, the seconds since each was so."""
        with self._lock:
            self._due = None
            waiting, self._waiting = self._waiting, []
            moment = time.monotonic()
            for step in waiting:
                step["ago"] = round(moment - step.pop("at"), 3)
            return waiting, self._state

    def _look(self) -> None:
        """The moment has come; or what waited then was told, and what waits now has time."""
        with self._lock:
            self._alarmed = self._due is not None
            left = self._due - time.monotonic() if self._due is not None else 0.0
            if left > 0:
                _alarms.set(left, self._look)
            elif self._alarmed:
                self._alarmed = False
                threading.Thread(target=self._later, name=f"telling {self.job.run}", daemon=True).start()

    def _later(self) -> None:
        from zaffre.agent.job import Dropped, Left  # it makes us

        with suppress(Dropped, Left, DoorError):
            self.now()
