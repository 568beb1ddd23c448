"""Step running: wait for the end that the supervisor writes down."""

from __future__ import annotations

import time
from typing import Any, Dict, List

from zaffre.agent import supervisors
from zaffre.agent.companions import Companion, LogFolder, Sampler
from zaffre.agent.job import Dropped, Job
from zaffre.agent.steps.step import Step

_LOOK_SECONDS = 0.1
#: A dropped attempt is ended by who drops it; this is how late its thread may notice.
_QUIET_SECONDS = 1.0
#: A run that has ended by then is not watched.
_SHORT_SECONDS = 0.25


class Watch(Step):
    name = "running"
    state = "running"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        #: They watch code that lives for a while: for a short run there is nothing to see.
        self._beside: List[Companion] = []

    def start(self) -> None:
        try:
            self._wait()
        finally:
            for one in self._beside:
                one.leave()

    def _wait(self) -> None:
        job, begun = self.job, time.monotonic()
        while job.place.result is None:
            if job.dropped.is_set():
                raise Dropped
            if not job.place.supervised:
                # It writes the result before it lets go of its lock, so this look is the last word.
                if job.place.result is None:
                    supervisors.clear(job.place)
                    job.place.keep_result(_vanished())
                break
            waited = time.monotonic() - begun
            if not self._beside and waited >= _SHORT_SECONDS:
                self._beside = [Sampler(job), LogFolder(job)]
                for one in self._beside:
                    one.start()
            self._rest(_QUIET_SECONDS if self._beside else _SHORT_SECONDS - waited)
        if job.dropped.is_set():
            raise Dropped
        if job.child is not None:
            job.child.wait()

    def _rest(self, seconds: float) -> None:
        """Until the supervisor says something; without a cord (another agent started it) look now and then."""
        job = self.job
        heard = job.cord.hear(seconds) if job.cord is not None else b""
        if heard and job.pump is not None:
            job.pump.wake()
        if heard == b"" and job.place.result is None:
            time.sleep(_LOOK_SECONDS)


def _vanished() -> Dict[str, Any]:
    message = "The run's supervisor was killed (out of memory?), and its code was ended with it."
    moment = time.time()
    return {"exit_code": None, "signal": None, "reason": "supervisor_lost", "message": message, "ended": moment}
