"""What every step is."""

from __future__ import annotations

from zaffre.agent.job import Job
from zaffre.progress import size_text


def amount(count: int, noun: str, size: int) -> str:
    """A note on the run's page: `1 file, 7 B`, `5 files, 5.5 kB`."""
    return f"{count} {noun}{'' if count == 1 else 's'}, {size_text(size)}"


class Step:
    """One thing that an attempt needs. `start` does it, `stop` undoes it; `stop` never raises for what is gone."""

    #: Name on the run's page; None for steps that people need not see.
    name = ""
    state = "preparing"
    #: False for steps whose work an earlier agent has done when it had launched the code.
    again = True

    def __init__(self, job: Job) -> None:
        self.job = job
        self.note = ""

    def start(self) -> None:
        """Do it. Raises StepFailed with a sentence for people, Dropped, or Ended."""

    def stop(self) -> None:
        """Undo it. What lies in the attempt's folder goes with that."""
