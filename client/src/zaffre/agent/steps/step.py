"""What every step is."""

from __future__ import annotations

from typing import Optional

from zaffre.agent.job import Job
from zaffre.agent.notes import Said


class Step:
    """One thing that an attempt needs. `start` does it, `stop` undoes it; `stop` never raises for what is gone."""

    #: Name on the run's page; None for steps that people need not see.
    name = ""
    state = "preparing"
    #: False for steps whose work an earlier agent has done when it had launched the code.
    again = True

    def __init__(self, job: Job) -> None:
        self.job = job
        #: A note on the run's page, once it has started.
        self.said: Optional[Said] = None

    def start(self) -> None:
        """Do it. Raises StepFailed with a sentence for people, Dropped, or Ended."""

    def stop(self) -> None:
        """Undo it. What lies in the attempt's folder goes with that."""
