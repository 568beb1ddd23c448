"""Step log: whatever the attempt says from now on reaches the studio."""

from __future__ import annotations

from zaffre.agent.job import Job
from zaffre.agent.logpump import LogPump
from zaffre.agent.steps.step import Step


class Log(Step):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.pump = LogPump(job)
        job.pump = self.pump

    def start(self) -> None:
        self.pump.start()

    def stop(self) -> None:
        self.pump.leave()
