"""Step log: whatever the attempt says from now on reaches the studio."""

from __future__ import annotations

from zaffre.agent.job import Job
from zaffre.agent.logpump import LogPump
from zaffre.agent.seats import rank_of
from zaffre.agent.steps.step import Step


class Log(Step):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        #: None on the nodes beside the first: the log of a run is that of rank 0, the others are files of the run.
        self.pump = LogPump(job) if rank_of(job.spec) == 0 else None
        job.pump = self.pump

    def start(self) -> None:
        if self.pump is not None:
            self.pump.start()

    def stop(self) -> None:
        if self.pump is not None:
            self.pump.leave()
