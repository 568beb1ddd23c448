"""Step environment: the Python and the packages that the run asked for."""

from __future__ import annotations

from zaffre.agent import sandbox
from zaffre.agent.door import Stopped
from zaffre.agent.environments import EnvironmentFailed
from zaffre.agent.job import StepFailed
from zaffre.agent.steps.step import Step


class Environment(Step):
    name = "environment"
    again = False

    def start(self) -> None:
        job = self.job
        wanted = job.spec.get("environment") or {}
        try:
            found = job.shop.environments.provide(
                wanted, until=job.interrupted, say=job.say, owner=job.place.path, run=job.run
            )
        except Stopped:
            job.check()
            raise
        except EnvironmentFailed as error:
            raise StepFailed("environment_failed", str(error)) from None
        except OSError as error:
            raise StepFailed("environment_failed", f"The environment could not be made: {error}") from error
        job.python, job.path_first = found.python, found.bin
        job.variables, job.container = found.variables, found.container
        for text in found.warnings:
            job.warn(text)
        job.prefixes = () if found.container else tuple(sandbox.prefixes_of(found.python))
        self.said = {**found.said, "name": str(wanted.get("name") or "system")}
        if found.lock:
            self._write_down(found.lock)

    def _write_down(self, lock: str) -> None:
        """Among the files of the run, where it can be looked up and compared for as long as the run is there."""
        place = self.job.place.work / "logs"
        try:
            place.mkdir(exist_ok=True)
            with (place / "requirements.txt").open("x", encoding="utf-8") as file:
                file.write(lock)
        except OSError:
            # The snapshot has something of this name, which is the script's and stays.
            return
