"""Step snapshot: the code as it was submitted, in a fresh private folder."""

from __future__ import annotations

import shutil

from zaffre.agent.blobs import DamagedContent
from zaffre.agent.disk import UnsafePath
from zaffre.agent.door import DoorError, Stopped
from zaffre.agent.job import StepFailed
from zaffre.agent.notes import amount
from zaffre.agent.steps.step import Step


class Snapshot(Step):
    name = "snapshot"
    again = False

    def start(self) -> None:
        job = self.job
        files = (job.spec.get("snapshot") or {}).get("files") or []
        shutil.rmtree(str(job.place.work), ignore_errors=True)
        try:
            size = job.shop.blobs.lay_out(
                files, job.place.work, door=job.door, address=f"{job.address}/blobs", until=job.interrupted
            )
        except Stopped:
            job.check()
            raise
        except UnsafePath as error:
            raise StepFailed("snapshot_failed", f"The snapshot was refused by the node: {error}.") from None
        except (DoorError, DamagedContent, OSError) as error:
            raise StepFailed("snapshot_failed", f"The snapshot could not be fetched: {error}") from error
        self.said = amount("files", len(files), size)
