"""The process that starts and stops nodes for clusters and instances. One is active, others wait for its lock.

What is wanted stands in the rows; what is there, the machines tell. So it may be killed at any moment: nodes do not die
with it, and the next one finds them. Told to stop, it takes the nodes of this host along.
"""

import logging
import threading

from django.conf import settings
from django.db import connections

from studio.active import Held, serve_alone
from studio.kernel.actors import SYSTEM
from workspace.compute.providers import ProviderError, providers
from workspace.compute.services.machines import Manager

log = logging.getLogger(__name__)

#: Any number, the same in every such process: who holds this advisory lock is the active one.
LOCK = 7_305_171


class Machines:
    """`run()` until `stop()`. While the database is away the nodes go on as they are."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._active = False
        self.managers = [Manager(one) for one in providers().values()]

    def stop(self, *_: object) -> None:
        self._end.set()

    def run(self) -> None:
        serve_alone(LOCK, self._serve, end=self._end, log=log)
        # Needs no database: those that this process kept go with it, whatever else is away.
        for manager in self.managers:
            if self._active and manager.provider.ends_with_us:
                manager.stop_all()

    def _serve(self, held: Held) -> None:
        self._active = True
        log.info("this process keeps the machines")
        while not self._end.is_set():
            # The lock ends with its connection: without it somebody else is the one.
            held.execute("SELECT 1")
            for manager in self.managers:
                self._round(manager)
            self._end.wait(settings.SCAN_SECONDS / 2)

    @staticmethod
    def _round(manager: Manager) -> None:
        try:
            manager.round(actor=SYSTEM)
        except ProviderError as error:
            log.warning("%s: %s", manager.provider.name, error)
        except Exception:
            log.exception("%s", manager.provider.name)
            connections.close_all()
