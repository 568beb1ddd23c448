"""The attempts of this node: each once, in a thread of its own, within the node's slots."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from zaffre.agent import supervisors
from zaffre.agent.clock import now
from zaffre.agent.execution import execute
from zaffre.agent.job import Job, Key, Workshop
from zaffre.agent.rundir import RunDir

log = logging.getLogger("zaffre.agent")


class Jobs:
    """What runs here. `changed` is called whenever a slot became free."""

    def __init__(
        self, folder: Path, slots: int, *, most: int = 0, changed: Callable[[], object] = lambda: None
    ) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        #: Runs that the node asks for: those in slots, and those that say what they need.
        self.most = max(slots, most)
        self.changed = changed
        self._jobs: Dict[Key, Job] = {}
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(slots)

    # --- what is on the disk -----------------------------------------------------------------
    def found(self) -> List[RunDir]:
        """The attempts that an earlier agent left and that are still good: alive, or ended and not told.

        Anything else is cleared away: an attempt whose code may have run, and whose end nobody saw, is
        not begun again; the studio hears that the node has it no more.
        """
        good = []
        for path in sorted(self.folder.iterdir()):
            place = RunDir(path)
            if place.spec is None:
                place.remove()
            elif place.outcome is not None or place.result is not None or self._alive(place):
                good.append(place)
            elif place.launch is None:
                good.append(place)  # the agent died while preparing: nothing was executed yet
            else:
                log.warning("nothing is left of %s; giving it up", path.name)
                supervisors.clear(place)
                place.remove()
        return good

    @staticmethod
    def _alive(place: RunDir) -> bool:
        """True when a supervisor holds the attempt. Afterwards none can begin to."""
        end = time.monotonic() + 10
        while place.supervised and time.monotonic() < end:
            if supervisors.ask(place, op="status") is not None or place.result is not None:
                return True
            time.sleep(0.1)
        if place.launch is not None:
            place.begin()  # a supervisor that was just being started finds this and leaves
        return place.result is not None

    def forget(self, place: RunDir) -> None:
        """End and remove an attempt that the studio does not want from us."""
        supervisors.kill(place, reason="dropped")
        place.remove()

    # --- what runs ---------------------------------------------------------------------------
    def start(self, shop: Workshop, spec: Dict[str, Any], *, sent: float, renew: Callable[[], object]) -> bool:
        """Begin a claimed attempt; False when this node has it already (a repeated answer).

        The lease counts from `sent`. When much of it went by before the answer came, `renew()` is called
        first, with the attempt among those that it renews.
        """
        key: Key = (str(spec["run"]), int(spec["attempt"]))
        with self._lock:
            if key in self._jobs:
                return False
            place = RunDir(self.folder / f"{key[0]}.{key[1]}")
            if place.spec is not None:
                return False
            place.make()
            place.keep_spec(spec)
            job = Job(shop, place, spec, renewed_at=sent, valid_for=float(spec["valid_for"]))
            thread = self._keep(job)
        if now() - sent > job.valid_for / 8:
            renew()
        job.desire(spec.get("desired"))
        thread.start()
        return True

    def resume(self, shop: Workshop, place: RunDir, *, renew: Callable[[], object]) -> None:
        """Take over what an earlier agent began. Its lease is what its supervisor knows, until a renewal comes."""
        spec, launch = place.spec, place.launch
        if spec is None:
            return
        place.make()
        held = launch or {"renewed": 0.0, "valid_for": 0.0}
        job = Job(
            shop, place, spec, renewed_at=held["renewed"], valid_for=held["valid_for"], resumed=launch is not None
        )
        job.launched = launch is not None and place.supervised
        with self._lock:
            thread = self._keep(job)
        renew()
        thread.start()

    def _keep(self, job: Job) -> threading.Thread:
        self._jobs[job.key] = job
        return threading.Thread(target=self._live, args=(job,), name=f"run {job.run}", daemon=True)

    def _live(self, job: Job) -> None:
        try:
            if job.spec.get("limits"):
                execute(job)
                return
            # Two claims may cross and bring one run more than there are slots: it waits, its lease is kept.
            while not self._room.acquire(timeout=0.5):
                if job.over() or job.stopping.is_set():
                    break
            else:
                try:
                    execute(job)
                    return
                finally:
                    self._room.release()
            execute(job)
        except Exception:
            log.exception("run %s", job.run)
        finally:
            with self._lock:
                self._jobs.pop(job.key, None)
            self.changed()

    def all(self) -> List[Job]:
        with self._lock:
            return list(self._jobs.values())

    def get(self, run: str, attempt: int) -> Optional[Job]:
        with self._lock:
            return self._jobs.get((run, attempt))

    def free(self) -> int:
        with self._lock:
            return max(0, self.most - len(self._jobs))

    def stop_all(self, *, seconds: float) -> None:
        """Orderly end: every code gets its grace period; what cannot be told in time stays on disk."""
        for job in self.all():
            job.stop("preempted")
        end = time.monotonic() + seconds
        while self.all() and time.monotonic() < end:
            time.sleep(0.1)
        for job in self.all():
            job.leaving.set()
        end = time.monotonic() + 5
        while self.all() and time.monotonic() < end:
            time.sleep(0.1)

    def drop_all(self) -> None:
        for job in self.all():
            job.drop()
