"""Step launch: a supervisor takes the lease and starts the code."""

from __future__ import annotations

import time

from zaffre.agent import supervisors
from zaffre.agent.job import Dropped, StepFailed
from zaffre.agent.rundir import socket_path
from zaffre.agent.script import command, environment
from zaffre.agent.steps.step import Step

_START_SECONDS = 30.0


class Launch(Step):
    state = "preparing"

    def start(self) -> None:
        job = self.job
        if job.resumed:
            job.launched = True
            self._catch_up()
            return
        job.check()
        launch = {
            "run": job.run,
            "attempt": job.attempt,
            "argv": command(job),
            "env": environment(job),
            "cwd": str(job.place.work),
            "log": job.spec.get("log"),
            "grace": job.shop.identity.grace,
            "renewed": job.renewed_at,
            "valid_for": job.valid_for,
            "socket": str(socket_path(job.place.path.parent.parent, job.run, job.attempt)),
        }
        job.place.keep_launch(launch)
        child = supervisors.spawn(job.place)
        end = time.monotonic() + _START_SECONDS
        while supervisors.ask(job.place, op="status") is None and job.place.result is None:
            if child.poll() is not None and job.place.result is None:
                said = (job.place.path / "supervisor.log").read_text(errors="replace")[-600:]
                raise StepFailed("launch_failed", f"The supervisor of the run ended with {child.returncode}. {said}")
            if time.monotonic() > end:
                raise StepFailed("launch_failed", f"The supervisor of the run did not answer for {_START_SECONDS:g} s.")
            time.sleep(0.05)
        job.child = child
        job.launched = True
        self._catch_up()

    def _catch_up(self) -> None:
        """Hand over what came in between: a renewal, a cancel, a drop."""
        job = self.job
        supervisors.renew(job.place, sent=job.renewed_at, valid_for=job.valid_for)
        if job.dropped.is_set():
            supervisors.kill(job.place, reason="dropped")
            raise Dropped
        if job.stopping.is_set():
            supervisors.stop(job.place, reason=job.stop_reason or "canceled")

    def stop(self) -> None:
        if self.job.place.launch is not None and self.job.place.result is None:
            supervisors.kill(self.job.place, reason="dropped")
