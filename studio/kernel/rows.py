"""Rows of hot doors without the ORM's compiler: reading and writing by statements that are made once.

The ORM makes the text of each statement anew, which takes ten times what PostgreSQL needs to find or write a row by its
key. What is read here are the models' own instances, as `only` gives them, and what is written goes through the models'
own fields.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Field, Model

from studio.kernel import db

Row = TypeVar("Row", bound=Model)
#: Models, and the names of the fields that are read of each; none means all.
Tables = Mapping[str, tuple[type[Model], Sequence[str]]]


class _Part(NamedTuple):
    """What is read of one table: the attributes, the place of the key among them, the columns and what makes Python's
    values of some; in the order in which the model has its fields."""

    model: type[Model]
    names: list[str]
    key: int
    columns: list[str]
    converters: list[tuple[int, Callable[..., Any]]]

    def made(self, values: Sequence[Any]) -> Any:
        """The row; None where nothing was joined."""
        if values[self.key] is None:
            return None
        found = list(values)
        for at, convert in self.converters:
            found[at] = convert(found[at], None, connection)
        return self.model.from_db(DEFAULT_DB_ALIAS, self.names, found)


def _part(name: str, model: type[Model], wanted: Sequence[str]) -> _Part:
    fields = [one for one in model._meta.concrete_fields if one.primary_key or not wanted or one.name in wanted]
    missing = {*wanted} - {one.name for one in fields}
    assert not missing, f"{name} has no {missing}"
    return _Part(
        model,
        [one.attname for one in fields],
        next(at for at, one in enumerate(fields) if one.primary_key),
        [f'{name}."{one.column}"' for one in fields],
        [(at, convert) for at, one in enumerate(fields) for convert in one.get_db_converters(connection)],
    )


class Rows:
    """A question whose rows are instances of several tables.

    The statement is a constant that names the tables as `tables` does, with `{columns}` where those stand. A field that
    is not read is asked for when somebody uses it, as the ORM does; so the key is always read.
    """

    def __init__(self, statement: str, tables: Tables) -> None:
        self._statement, self._tables = statement, tables

    @cached_property
    def _whole(self) -> tuple[str, list[_Part]]:
        parts = [_part(name, model, wanted) for name, (model, wanted) in self._tables.items()]
        columns = ", ".join(column for part in parts for column in part.columns)
        return self._statement.replace("{columns}", columns), parts

    def ask(self, **values: Any) -> list[tuple[Any, ...]]:
        """Each row as an instance of each table, and then what else the statement selects."""
        statement, parts = self._whole
        return [_parted(row, parts) for row in db.ask(statement, values)]


def _parted(row: tuple[Any, ...], parts: list[_Part]) -> tuple[Any, ...]:
    found, at = [], 0
    for part in parts:
        end = at + len(part.names)
        found.append(part.made(row[at:end]))
        at = end
    return *found, *row[at:]


def read(model: type[Row], where: str, values: Mapping[str, Any], **also: str) -> list[Row]:
    """Rows of one table. `where`, with all that follows it, and the expressions of `also` are constants; each of `also`
    is an attribute more of what is found."""
    found = []
    for row, *more in _reading(model, where, tuple(also.values())).ask(**values):
        for name, value in zip(also, more, strict=True):
            setattr(row, name, value)
        found.append(row)
    return found


@cache
def _reading(model: type[Model], where: str, also: tuple[str, ...]) -> Rows:
    table = model._meta.db_table
    selected = ", ".join(["{columns}", *also])
    return Rows(f"SELECT {selected} FROM {table} WHERE {where}", {table: (model, ())})  # noqa: S608 - constants of ours


def insert(row: Model, **by_sql: str) -> None:
    """Add a new row, without signals; the key that the database gives it is set. `by_sql` are columns' expressions,
    which are constants."""
    statement, fields, numbered = _insertion(type(row), tuple(by_sql.items()))
    here = connections[DEFAULT_DB_ALIAS]
    found = db.ask(statement, [field.get_db_prep_save(field.pre_save(row, add=True), here) for field in fields])
    if numbered:
        row.pk = found[0][0]
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def _fields(model: type[Model]) -> "dict[str, Field[Any, Any]]":
    return {one.name: one for one in model._meta.concrete_fields}


@cache
def _insertion(model: type[Model], by_sql: tuple[tuple[str, str], ...]) -> "tuple[str, list[Field[Any, Any]], bool]":
    table, key, known, given = model._meta.db_table, model._meta.pk, _fields(model), dict(by_sql)
    numbered = key.db_returning
    fields = [one for one in known.values() if not (one.generated or one.name in given or (numbered and one is key))]
    names = ", ".join(f'"{one.column}"' for one in [*fields, *(known[name] for name in given)])
    values = ", ".join([*("%s" for _ in fields), *given.values()])
    return f'INSERT INTO "{table}" ({names}) VALUES ({values}) RETURNING "{key.column}"', fields, numbered  # noqa: S608 - names of a model


def change(model: type[Model], key: Any, values: Mapping[str, Any], **by_sql: str) -> bool:
    """Set fields of the row with this key, and say whether it is there. `by_sql` as for `insert`."""
    statement, fields = _changing(model, tuple(values), tuple(by_sql.items()))
    here = connections[DEFAULT_DB_ALIAS]
    told = [field.get_db_prep_save(value, here) for field, value in zip(fields, values.values(), strict=True)]
    return bool(db.ask(statement, [*told, key]))


@cache
def _changing(
    model: type[Model], names: tuple[str, ...], by_sql: tuple[tuple[str, str], ...]
) -> "tuple[str, list[Field[Any, Any]]]":
    table, key, known = model._meta.db_table, model._meta.pk.column, _fields(model)
    fields = [known[name] for name in names]
    told = [f'"{field.column}" = %s' for field in fields]
    told += [f'"{known[name].column}" = {expression}' for name, expression in by_sql]
    return f'UPDATE "{table}" SET {", ".join(told)} WHERE "{key}" = %s RETURNING "{key}"', fields  # noqa: S608 - names of a model
