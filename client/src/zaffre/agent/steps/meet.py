"""Step of runs with many processes: learn where the others are, when all nodes are ready."""

from __future__ import annotations

from zaffre.agent.seats import distribution_of, meet
from zaffre.agent.steps.step import Step


class Meet(Step):
    again = False

    def start(self) -> None:
        if distribution_of(self.job.spec):
            self.job.meeting = meet(self.job)
