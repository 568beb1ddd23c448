"""Database work from asyncio: a bounded set of threads, each giving its connection back when done."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, ParamSpec, TypeVar

from django.db import connection, connections

from studio.kernel.lines import line_of

P = ParamSpec("P")
T = TypeVar("T")

#: Below the pool of connections (settings.DATABASES): commit threads and Django's views need some too.
THREADS = 6


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="database")


async def run(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` in a database thread and return what it returns. More than THREADS calls wait their turn."""
    bound: Callable[[], Any] = partial(work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads(), released, bound)


def released(work: Callable[[], T]) -> T:
    """Call `work`, then give this thread's connections back to the pool, whatever happened.

    A kept connection would outlive a restarted server and would keep a test's database from being dropped.
    """
    try:
        return work()
    finally:
        connections.close_all()


def ask(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a question of a hot door: written by hand, bound and planned by PostgreSQL once for each connection.

    In the caller's transaction, if there is one. The statement is a constant: only `values` come from outside. Raises
    Django's database errors.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return line_of(connection.connection).ask(statement, values)


def each(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """As `ask`, for what is large: sent as PostgreSQL keeps it, and one row after the other made into Python's."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        yield from line_of(connection.connection).each(statement, values)
