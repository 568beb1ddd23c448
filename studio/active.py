"""One process of several is the active one: who holds the advisory lock, for as long as its connection lives."""

import logging
from collections.abc import Callable
from threading import Event
from typing import Any

import psycopg
from django.db import connection, connections

#: What every process asks that wants to be the active one of its kind, with the number of that kind.
TAKE = "SELECT pg_try_advisory_lock(%s)"
#: Seconds between two tries.
PAUSE = 1.0

Held = psycopg.Connection[tuple[Any, ...]]


def parameters() -> dict[str, Any]:
    """Where Django's database is, for a connection of our own outside its pool that lives as long as the lock."""
    known = connection.get_connection_params()
    return {key: known[key] for key in ("dbname", "user", "password", "host", "port") if known.get(key)}


def serve_alone(lock: int, work: Callable[[Held], None], *, end: Event, log: logging.Logger) -> None:
    """Call `work` with the connection that holds the lock; again when the database went away, until `end` is set.

    A killed process gives the lock back with its connection, and another one goes on.
    """
    while not end.is_set():
        try:
            with psycopg.connect(**parameters(), autocommit=True) as held:
                while not _takes(held, lock) and not end.wait(PAUSE):
                    pass
                if not end.is_set():
                    work(held)
        except psycopg.Error as error:
            log.warning("the database is away (%s); trying again", type(error).__name__)
            connections.close_all()
            end.wait(PAUSE)
    connections.close_all()


def _takes(held: Held, lock: int) -> bool:
    row = held.execute(TAKE, [lock]).fetchone()
    return bool(row and row[0])
