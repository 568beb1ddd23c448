"""One connection to PostgreSQL, asked by prepared statements, with libpq's own calls.

psycopg's cursors can prepare, too, and need two to three times the processor time: a cursor for each question, its text
looked at again, a generator that waits, and loaders made anew. A door of a run asks a dozen questions.

The statements are ours alone. At a rollback psycopg has PostgreSQL forget all that are prepared (DEALLOCATE ALL) when
any is its own, so nothing else in the studio prepares.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Dumper, PyFormat, Transformer

#: How values of types of ours are said; whoever has such a type adds it when it is imported.
DUMPERS: dict[type, type[Dumper]] = {}
#: Statements that one connection keeps: ours are constants, but each may come with values of several types.
KEPT = 300

_HELD = "_zaffre_line"
_PLACE = re.compile(r"%(?:\((\w+)\)s|([sb])|(%))")
#: The statement is not known any more, or gives other columns since a table was changed.
_STALE = ("26000", "0A000")


class Line:
    """The statements that a connection knows, and what makes their values and rows."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        cursor = psycopg.Cursor(connection)
        # Django's loader of moments sets the zone by Python; connections of ours are all in UTC.
        loader = psycopg.adapters.get_loader(psycopg.adapters.types["timestamptz"].oid, pq.Format.TEXT)
        assert loader is not None
        cursor.adapters.register_loader("timestamptz", loader)
        for kind, dumper in DUMPERS.items():
            cursor.adapters.register_dumper(kind, dumper)
        self._connection, self._libpq = connection, connection.pgconn
        self._values = Transformer(cursor)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._made = 0

    def ask(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        result = self._answer(statement, values, pq.Format.TEXT)
        if result.status != pq.ExecStatus.TUPLES_OK:
            return []
        self._values.set_pgresult(result)
        try:
            return self._values.load_rows(0, result.ntuples, tuple)
        finally:
            self._values.set_pgresult(None)  # or the last answer would stay as long as the connection

    def each(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
        result = self._answer(statement, values, pq.Format.BINARY)
        rows = Transformer(self._values)  # its own: others may be asked meanwhile
        rows.set_pgresult(result)
        for at in range(result.ntuples):
            row = rows.load_row(at, tuple)
            assert row is not None
            yield row

    def _answer(self, statement: str, values: Sequence[Any] | Mapping[str, Any], form: pq.Format) -> pq.abc.PGresult:
        text, names, forms = _bound(statement)
        given = [values[name] for name in names] if isinstance(values, Mapping) else values
        told: Any = self._values.dump_sequence(given, forms)
        types, formats = self._values.types or (), self._values.formats
        if not self._connection.autocommit and self._libpq.transaction_status == pq.TransactionStatus.IDLE:
            self._checked(self._libpq.exec_(b"BEGIN"))
        name = self._names.get((statement, types)) or self._prepared(statement, text, types)
        return self._checked(self._libpq.exec_prepared(name, told, formats, form))

    def _prepared(self, statement: str, text: bytes, types: tuple[int, ...]) -> bytes:
        if len(self._names) >= KEPT:
            self._checked(self._libpq.exec_(b"DEALLOCATE ALL"))
            self._names.clear()
        self._made += 1
        name = b"zaffre_%d" % self._made
        self._checked(self._libpq.prepare(name, text, types))
        self._names[statement, types] = name
        return name

    def _checked(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return result
        error = errors.error_from_result(result)
        if error.sqlstate in _STALE:
            self._names.clear()
        if error.sqlstate is None and self._libpq.status == pq.ConnStatus.BAD:
            raise psycopg.OperationalError(str(error))
        raise error


def line_of(connection: "psycopg.Connection[Any]") -> Line:
    """The line of this connection, made at its first question and gone with it."""
    kept = vars(connection)
    return kept.get(_HELD) or kept.setdefault(_HELD, Line(connection))


@lru_cache(maxsize=2000)
def _bound(statement: str) -> tuple[bytes, tuple[str, ...], tuple[PyFormat, ...]]:
    """The statement with PostgreSQL's places, the names of its values in their order if they have any, and how each is
    said."""
    names: list[str] = []
    forms: list[PyFormat] = []

    def place(found: "re.Match[str]") -> str:
        name, nameless, percent = found.groups()
        if percent:
            return "%"
        if name in names:
            return f"${names.index(name) + 1}"
        if name:
            names.append(name)
        forms.append(PyFormat.BINARY if nameless == "b" else PyFormat.AUTO)
        return f"${len(forms)}"

    return _PLACE.sub(place, statement).encode(), tuple(names), tuple(forms)
