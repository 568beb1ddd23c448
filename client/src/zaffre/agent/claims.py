"""Asks for work: at once when a hint came, else by a long poll, so that the broker may be away."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Optional, Tuple

from zaffre.agent.clock import now
from zaffre.agent.door import Door, Refused, Unreachable, rest
from zaffre.agent.jobs import Jobs
from zaffre.protocol import AGENT

log = logging.getLogger("zaffre.agent")

#: Run, attempt, ticket, and when it came.
Hint = Tuple[str, int, str, float]
_MOST_HINTS = 1000
#: The long poll hears of the same run on a shorter way: it is left so much time to bring it.
_HEAD_START_SECONDS = 0.2


class Claims:
    """Two threads: one waits at the studio's door, one follows hints. `take` gets every claimed attempt."""

    def __init__(
        self,
        door: Door,
        jobs: Jobs,
        *,
        recheck: float,
        take: Callable[[Dict[str, Any], float], object],
        on_refused: Callable[[Refused], object],
    ) -> None:
        self.door, self.jobs, self.recheck = door, jobs, recheck
        self.take, self.on_refused = take, on_refused
        self._hints: "queue.Queue[Optional[Hint]]" = queue.Queue(_MOST_HINTS)
        self._end = threading.Event()
        self._taking = threading.Lock()
        self._freed = threading.Event()
        self._waiting = threading.Event()
        #: What was claimed lately: a hint that comes late, when a short run has ended already, is not followed.
        self._known: Deque[Tuple[str, int]] = deque(maxlen=_MOST_HINTS)
        self._threads = [
            threading.Thread(target=self._poll, name="claims", daemon=True),
            threading.Thread(target=self._follow, name="hints", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take nothing new. A long poll that is under way may end by itself; its answer is not begun."""
        self._end.set()
        self._freed.set()
        try:
            self._hints.put_nowait(None)
        except queue.Full:
            log.debug("hints are waiting; their thread looks at the end flag")

    def settle(self, seconds: float) -> None:
        """After `stop`: wait that long for an answer that may be on its way, and until what came was dealt with."""
        begun = now()
        while self._threads[0].is_alive() and now() - begun < seconds:
            time.sleep(0.02)
        if self._taking.acquire(timeout=4.0):
            self._taking.release()

    def hint(self, run: str, attempt: int, ticket: str) -> None:
        """Somebody says that this run waits for us. It may be repeated, late or false: the claim decides."""
        try:
            self._hints.put_nowait((run, attempt, ticket, time.monotonic()))
        except queue.Full:
            log.warning("too many hints; the long poll will find what waits")

    def freed(self) -> None:
        self._freed.set()

    def _poll(self) -> None:
        nonce, first = secrets.token_hex(16), now()
        pause = 0.2
        while not self._end.is_set():
            if not self.jobs.free():
                self._freed.clear()
                if not self.jobs.free():
                    self._freed.wait(1.0)
                continue
            try:
                self._waiting.set()
                self._claim({"nonce": nonce}, wait=self.recheck, sent=first)
                nonce, first, pause = secrets.token_hex(16), now(), 0.2
            except Unreachable as error:
                # The answer may have been cut off: the same nonce brings the same attempt again.
                rest(max(pause, error.retry_after), self._end.is_set)
                pause = min(pause * 2, 5.0)
            except Exception:
                log.exception("claiming")
                rest(5.0, self._end.is_set)
            finally:
                self._waiting.clear()

    def _follow(self) -> None:
        while not self._end.is_set():
            hint = self._hints.get()
            if hint is None or self._end.is_set():
                return
            run, attempt, ticket, came = hint
            if self._waiting.is_set():
                self._end.wait(max(0.0, came + _HEAD_START_SECONDS - time.monotonic()))
            if not self.jobs.free() or (run, attempt) in self._known or self.jobs.get(run, attempt):
                continue
            first = now()
            body = {"run": run, "attempt": attempt, "ticket": ticket, "nonce": secrets.token_hex(16)}
            for _ in range(3):
                try:
                    self._claim(body, wait=0, sent=first)
                    break
                except Unreachable:
                    rest(0.3, self._end.is_set)
                except Exception:
                    log.exception("following a hint")
                    break

    def _claim(self, body: Dict[str, Any], *, wait: float, sent: float) -> None:
        """Claim once, as many runs as there is room for. `sent` is when this nonce was first told: the leases may count
        from then."""
        body = {**body, "most": max(1, self.jobs.free())}
        path = f"{AGENT}/nodes/claim" + (f"?wait={wait:g}" if wait else "")
        try:
            answer = self.door.call("POST", path, body, timeout=wait + 10)
        except Refused as error:
            if error.status in (401, 403):
                self.on_refused(error)
                rest(1.0, self._end.is_set)
            elif not wait:
                log.debug("the hint led to nothing: %s", error)
            else:
                rest(1.0, self._end.is_set)  # somebody was faster
            return
        if answer.status == 204 or not answer.body:
            return
        with self._taking:
            found = answer.json()
            # A studio of the version before gives one, as the whole answer.
            for spec in found.get("runs", [found]):
                self._known.append((str(spec["run"]), int(spec["attempt"])))
                self.take(spec, sent)
