"""Step outputs: what the code left behind goes to the studio in order: log, points, files."""

from __future__ import annotations

from zaffre.agent.door import DoorError
from zaffre.agent.leftovers import resend_points
from zaffre.agent.outputs import upload
from zaffre.agent.steps.step import Step, amount


class Collect(Step):
    name = "outputs"
    state = "finalizing"

    def start(self) -> None:
        job = self.job
        if job.pump is not None:
            job.pump.finish()
        resend_points(job)
        try:
            found = upload(job)
        except DoorError as error:  # the result must be told all the same
            self.note = f"not collected: {error}"
            return
        self.note = amount(found.files, "file", found.size) if found.files else "no files"
        if found.left_out:
            self.note += f"; left out: {', '.join(found.left_out[:5])}"
