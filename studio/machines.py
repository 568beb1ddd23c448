"""The process that starts and stops nodes for clusters and instances. One is active, others wait for its lock.

What is wanted stands in the rows; what is there, the machines tell. So it may be killed at any moment: nodes do not die
with it, and the next one finds them. Told to stop, it takes the nodes of this host along.
"""

import logging
import threading
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, connections

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
        while not self._end.is_set():
            try:
                with psycopg.connect(**_parameters(), autocommit=True) as held:
                    self._serve(held)
            except psycopg.Error as error:
                log.warning("the database is away (%s); trying again", type(error).__name__)
                connections.close_all()
                self._end.wait(1.0)
        connections.close_all()
        # Needs no database: those that this process kept go with it, whatever else is away.
        for manager in self.managers:
            if self._active and manager.provider.ends_with_us:
                manager.stop_all()

    def _serve(self, held: "psycopg.Connection[tuple[Any, ...]]") -> None:
        while not self._is_active(held):
            if self._end.wait(1.0):
                return
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

    @staticmethod
    def _is_active(held: "psycopg.Connection[tuple[Any, ...]]") -> bool:
        row = held.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        return bool(row and row[0])


def _parameters() -> dict[str, Any]:
    """Where Django's database is, for a connection of our own outside its pool."""
    known = connection.get_connection_params()
    return {key: known[key] for key in ("dbname", "user", "password", "host", "port") if known.get(key)}
