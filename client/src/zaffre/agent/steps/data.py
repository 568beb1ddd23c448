"""Step data: each input's dataset version as a folder, its bytes shared with the node's cache."""

from __future__ import annotations

import shutil

from zaffre.agent.blobs import DamagedContent
from zaffre.agent.disk import UnsafePath, safe_parts
from zaffre.agent.door import DoorError, Stopped
from zaffre.agent.job import StepFailed
from zaffre.agent.notes import amount
from zaffre.agent.steps.step import Step


class Data(Step):
    name = "data"
    again = False

    def start(self) -> None:
        job, total = self.job, 0
        inputs = job.spec.get("inputs") or {}
        if inputs:  # else it is empty as it was made
            shutil.rmtree(str(job.place.inputs), ignore_errors=True)
            job.place.inputs.mkdir(mode=0o700)
        for name, found in inputs.items():
            try:
                (part,) = safe_parts(name)
                total += job.shop.blobs.lay_out(
                    found.get("files") or [],
                    job.place.inputs / part,
                    door=job.door,
                    address=f"{job.address}/blobs",
                    until=job.interrupted,
                    link=True,
                )
            except Stopped:
                job.check()
                raise
            except (UnsafePath, ValueError) as error:
                raise StepFailed("data_failed", f"The input {name!r} was refused by the node: {error}.") from None
            except (DoorError, DamagedContent, OSError) as error:
                raise StepFailed("data_failed", f"The input {name!r} could not be fetched: {error}") from error
        self.said = amount("inputs", len(inputs), total)
