"""Step outputs: what the code left behind goes to the studio in order: points, log, files."""

from __future__ import annotations

from contextlib import suppress

from zaffre.agent.door import DoorError
from zaffre.agent.job import Job
from zaffre.agent.leftovers import resend_points
from zaffre.agent.notes import Said, amount
from zaffre.agent.outputs import forget, upload
from zaffre.agent.steps.step import Step


class Collect(Step):
    name = "outputs"
    state = "finalizing"

    def start(self) -> None:
        job = self.job
        if lost := (job.place.result or {}).get("unwritten"):
            job.warn(f"The node's disk was full: {lost} bytes of what the code printed are missing from the log.")
            job.progress(self.state, [])  # the calls that follow tell no warnings
        # Before the end of the log, which says what the studio did not keep: the script may not have lived to say it.
        told = resend_points(job)
        for problem in told.problems.values():
            job.say(f"zaffre: the studio did not keep some of what was logged: {problem}\n")
        if told.lost:
            job.say(f"zaffre: {told.lost} values of those that the script left behind were not kept by the studio.\n")
        log = job.pump.finish() if job.pump is not None else None
        if log is not None:
            job.last_words["log"] = log
        together = bool(job.spec.get("finish"))
        if not together:
            _complete(job)
        self.said = _sent(job, together=together)


def one_by_one(job: Job) -> Said:
    """Send what was to be told with the result and was refused with it; what is still refused is left out. Returns what
    the step says."""
    _complete(job)
    forget(job, job.last_words.pop("files", []))
    return _sent(job, together=False)


def _complete(job: Job) -> None:
    log = job.last_words.pop("log", None)
    if log is not None:
        with suppress(DoorError):  # the studio keeps it marked as incomplete; the result is still to be told
            job.ask("POST", "/log/complete", log)


def _sent(job: Job, *, together: bool) -> Said:
    try:
        found = upload(job, wait=together)
    except DoorError as error:  # the result must be told all the same
        return {"code": "not_collected", "error": str(error)}
    if found.waiting:
        job.last_words["files"] = found.waiting
    said = amount("files", found.files, found.size)
    return {**said, "left_out": found.left_out[:5]} if found.left_out else said
