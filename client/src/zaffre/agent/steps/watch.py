"""Step running: wait for the end that the supervisor writes down."""

from __future__ import annotations

import time
from typing import Any, Dict

from zaffre.agent import supervisors
from zaffre.agent.companions import LogFolder, Sampler
from zaffre.agent.job import Dropped
from zaffre.agent.steps.step import Step

_LOOK_SECONDS = 0.1
#: A dropped attempt is ended by who drops it; this is how late its thread may notice.
_QUIET_SECONDS = 1.0


class Watch(Step):
    name = "running"
    state = "running"

    def start(self) -> None:
        beside = [Sampler(self.job), LogFolder(self.job)]
        for one in beside:
            one.start()
        try:
            self._wait()
        finally:
            for one in beside:
                one.leave()

    def _wait(self) -> None:
        job = self.job
        while job.place.result is None:
            if job.dropped.is_set():
                raise Dropped
            if not job.place.supervised:
                # It writes the result before it lets go of its lock, so this look is the last word.
                if job.place.result is None:
                    supervisors.clear(job.place)
                    job.place.keep_result(_vanished())
                break
            self._rest()
        if job.dropped.is_set():
            raise Dropped
        if job.child is not None:
            job.child.wait()

    def _rest(self) -> None:
        """Until the supervisor says something; without a cord (another agent started it) look now and then."""
        job = self.job
        heard = job.cord.hear(_QUIET_SECONDS) if job.cord is not None else b""
        if heard and job.pump is not None:
            job.pump.wake()
        if heard == b"" and job.place.result is None:
            time.sleep(_LOOK_SECONDS)


def _vanished() -> Dict[str, Any]:
    message = "The run's supervisor was killed (out of memory?), and its code was ended with it."
    moment = time.time()
    return {"exit_code": None, "signal": None, "reason": "supervisor_lost", "message": message, "ended": moment}
