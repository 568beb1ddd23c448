"""Database work from asyncio: a bounded set of threads, each giving its connection back when done."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, ParamSpec, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound=Model)

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

    In the caller's transaction, if there is one. The statement is a constant: only `values` come from outside.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement.encode(), values, prepare=True)
        return cursor.fetchall()


def read(model: type[Row], where: str, values: Mapping[str, Any], **also: str) -> list[Row]:
    """Rows of one table as the ORM returns them, for what every request asks before anything else.

    The ORM takes ten times as long to write such a statement as PostgreSQL to answer it. `where`, with all that follows
    it, and the expressions of `also`, each an attribute more of what is found, are constants.
    """
    statement, names, converters = _reading(model, where, tuple(also.values()))
    found = []
    for row in ask(statement, values):
        fields = list(row[: len(names)])
        for at, convert in converters:
            fields[at] = convert(fields[at], None, connection)
        one = model.from_db(DEFAULT_DB_ALIAS, names, fields)
        for name, value in zip(also, row[len(names) :], strict=True):
            setattr(one, name, value)
        found.append(one)
    return found


@cache
def _reading(
    model: type[Model], where: str, also: tuple[str, ...]
) -> tuple[str, list[str], list[tuple[int, Callable[..., Any]]]]:
    """The statement, the fields that it reads in their order, and how some of them become what they are in Python."""
    fields = model._meta.concrete_fields
    columns = ", ".join([*(f'"{field.column}"' for field in fields), *also])
    statement = f'SELECT {columns} FROM "{model._meta.db_table}" WHERE {where}'  # noqa: S608 - constants of ours
    converters = [(at, one) for at, field in enumerate(fields) for one in field.get_db_converters(connection)]
    return statement, [field.attname for field in fields], converters
