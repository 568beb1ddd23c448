"""One process of several is the active one: who holds the advisory lock, for as long as its connection lives."""

import logging
from collections.abc import Callable
from threading import Event
from typing import Any

import psycopg
from django.db import Error as DatabaseError
from django.db import connection, connections

#: Seconds between two tries.
PAUSE = 1.0

Held = psycopg.Connection[tuple[Any, ...]]


def parameters() -> dict[str, Any]:
    """Where Django's database is, for a connection of our own outside its pool that lives as long as the lock."""
    known = connection.get_connection_params()
    return {key: known[key] for key in ("dbname", "user", "password", "host", "port") if known.get(key)}


def serve_alone(lock: int, work: Callable[[Held], None], *, end: Event, log: logging.Logger) -> None:
    """Call `work` with the connection that holds the lock; again when it breaks or the database went away, until `end`.

    A killed process gives the lock back with its connection, and another one goes on.
    """
    while not end.is_set():
        try:
            with psycopg.connect(**parameters(), autocommit=True) as held:
                while not _takes(held, lock) and not end.wait(PAUSE):
                    pass
                if not end.is_set():
                    work(held)
        except (psycopg.Error, DatabaseError) as error:
            log.warning("the database is away (%s); trying again", type(error).__name__)
        except Exception:
            log.exception("trying again")
        else:
            continue
        connections.close_all()
        end.wait(PAUSE)
    connections.close_all()


def _takes(held: Held, lock: int) -> bool:
    row = held.execute("SELECT pg_try_advisory_lock(%s)", [lock]).fetchone()
    return bool(row and row[0])
