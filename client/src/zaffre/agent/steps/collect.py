"""Step outputs: what the code left behind goes to the studio in order: points, log, files."""

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
        # Before the end of the log, which says what the studio did not keep: the script may not have lived to say it.
        told = resend_points(job)
        for problem in told.problems.values():
            job.say(f"zaffre: the studio did not keep some of what was logged: {problem}\n")
        if told.lost:
            job.say(f"zaffre: {told.lost} values of those that the script left behind were not kept by the studio.\n")
        if job.pump is not None:
            job.pump.finish()
        try:
            found = upload(job)
        except DoorError as error:  # the result must be told all the same
            self.note = f"not collected: {error}"
            return
        self.note = amount(found.files, "file", found.size) if found.files else "no files"
        if found.left_out:
            self.note += f"; left out: {', '.join(found.left_out[:5])}"
