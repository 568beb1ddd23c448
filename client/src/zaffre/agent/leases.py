"""Renews the lease of every attempt with one call per period, and hands the answers on."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import Any, Callable, Dict, Optional

from zaffre.agent import config
from zaffre.agent.clock import now
from zaffre.agent.door import Door, Refused, Unreachable
from zaffre.agent.environments.stock import Stock
from zaffre.agent.jobs import Jobs
from zaffre.agent.ownlog import TAIL
from zaffre.agent.usage import Gpus
from zaffre.protocol import AGENT

log = logging.getLogger("zaffre.agent")


class Leases:
    """The loop of one life of the agent. `on_refused` is told when the studio does not know this node any more."""

    def __init__(
        self,
        door: Door,
        jobs: Jobs,
        *,
        epoch: str,
        heartbeat: float,
        lease: float,
        on_refused: Callable[[Refused], object],
        on_renewed: Callable[[float, float], object],
        stock: Stock,
    ) -> None:
        self.door, self.jobs, self.epoch = door, jobs, epoch
        self.heartbeat = heartbeat
        #: How long an answer is waited for: little at first, so that a dead line is noticed, and twice as long after
        #: each failure, so that a slow one is lived with. A quarter of the lease leaves time to try again.
        self.timeout = self._least = max(0.5, min(heartbeat, lease / 10))
        self._most = max(self._least, lease / 4)
        self.on_refused, self.on_renewed = on_refused, on_renewed
        self.stock = stock
        self._gpus = Gpus()
        #: Somebody looks at the page of this node: the end of our log goes along with the next renewal.
        self._log_wanted = False
        self._end = threading.Event()
        self._poked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._poked.set()
        if self._thread.is_alive():
            self._thread.join(self.timeout + 5)

    def poke(self) -> None:
        """Something may be wanted, such as a cancel: ask now and not at the next beat."""
        self._poked.set()

    def _run(self) -> None:
        failed = False
        while not self._end.is_set():
            self._poked.clear()
            if self._end.is_set():  # told between the two lines above
                return
            begun = time.monotonic()
            try:
                self.renew()
                if failed:
                    log.info("the studio answers again")
                failed = False
            except Unreachable as error:
                self.timeout = min(self.timeout * 2, self._most)
                if not failed:
                    log.warning("the studio does not answer: %s", error)
                failed = True
            except Refused as error:
                self.on_refused(error)
            except Exception:
                log.exception("renewing")  # this loop is what keeps runs alive: it never ends by itself
            pause = self.heartbeat * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            if failed:
                pause = min(pause, 1.0)
            self._poked.wait(max(0.05, pause - (time.monotonic() - begun)))

    def try_renew(self) -> None:
        """One renewal between the others; without an answer nothing is lost."""
        try:
            self.renew()
        except (Unreachable, Refused) as error:
            log.debug("renewing at a claim: %s", error)

    def renew(self) -> None:
        """One renewal. The lease counts from the moment before the question left."""
        jobs = self.jobs.all()
        body: Dict[str, Any] = {
            "epoch": self.epoch,
            "load": config.load(self.jobs.folder, self._gpus),
            "runs": [{"run": job.run, "attempt": job.attempt} for job in jobs],
        }
        if self._log_wanted:
            body["log"] = TAIL.text()
        stock = self.stock.news(anyway=self._log_wanted)
        if stock is not None:
            body["environments"] = stock
        sent = now()
        answer = self.door.call("POST", f"{AGENT}/nodes/renew", body, timeout=self.timeout).json()
        self.stock.was_told()
        self.timeout = min(max(self._least, 2 * (now() - sent)), self._most)
        for told in answer.get("runs", []):
            job = self.jobs.get(str(told["run"]), int(told["attempt"]))
            if job is None:
                continue
            valid_for: Optional[float] = told.get("valid_for")
            if valid_for:
                job.renewed(sent, float(valid_for))
            job.desire(told.get("desired"))
        self._log_wanted = bool(answer.get("log"))
        self.stock.evict(answer.get("evict") or [])
        if answer.get("valid_for"):
            self.on_renewed(sent, float(answer["valid_for"]))
