"""The order of a search and where its next page begins: by the values of the last row shown, never by counting.

Such a page begins where the one before ended, however many runs began meanwhile, and costs as much as the first.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    F,
    FloatField,
    Func,
    OrderBy,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Coalesce, Collate, Left
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IsNull,
    LessThan,
    LessThanOrEqual,
)

from runs.filters import Order
from studio.kernel.errors import Invalid

#: Texts are ordered by so many characters: what a token says of a row stays short.
_SHORT = 200
_LONGEST_TOKEN = 40_000


@dataclass(frozen=True)
class Key:
    """One column of the order. `kind` says what its values are: number, text or time. Missing ones come last."""

    expression: Any
    kind: str
    descending: bool = False
    #: Whether every row has a value.
    sure: bool = False


def text_key(expression: Any, *, descending: bool = False, sure: bool = False) -> Key:
    """Texts as bytes, so that their order is the same whatever language the database speaks."""
    return Key(Left(Collate(Cast(expression, TextField()), "C"), _SHORT), "text", descending, sure)


def metric_key(value: Any, *, descending: bool) -> Key:
    """Values, then NaN, then what has no value, whichever way the values go.

    NaN is the largest number to PostgreSQL, also with another sign. The value is said once: to read it costs more than
    to order by it.
    """
    return Key(_Negative(value, output_field=FloatField()) if descending else value, "number")


class _Negative(Func):
    template = "(- %(expressions)s)"


def newest() -> list[Key]:
    """What decides where the rest is equal: those that began last, then the id."""
    return [Key(Coalesce("started", "created"), "time", True, sure=True), Key(F("pk"), "text", sure=True)]


class Ordering:
    """All columns of an order, of which the last tells any two rows apart."""

    def __init__(self, order: Sequence[Order], keys_of: Callable[[Order], list[Key]], last: list[Key]) -> None:
        self.keys = [key for one in order for key in keys_of(one)] + last
        said = json.dumps([(one.field.kind, one.field.key, one.descending) for one in order])
        #: A token is of the search that it was made for.
        self._mark = hashlib.sha256(said.encode()).hexdigest()[:8]

    def page(
        self, rows: QuerySet[Any], *, token: str | None, limit: int, shown: Sequence[str] = ()
    ) -> tuple[list[Any], str | None]:
        """At most `limit` rows after the token, and the token of the next page if there is one. Raises Invalid.

        With `shown` a row is a tuple of these columns by name, else an instance of the model.
        """
        if token:
            rows = rows.filter(_after(self.keys, self._read(token)))
        found = list(self.ordered(rows, shown)[: limit + 1])
        more = len(found) > limit
        return found[:limit], self._token(found[limit - 1]) if more else None

    def window(
        self, rows: QuerySet[Any], *, after: str, before: str, limit: int, shown: Sequence[str]
    ) -> tuple[list[Any], str | None, str | None]:
        """`page` for somebody who also goes back: the rows, and the tokens of what is before and after them.

        With `before` they are those right before that token. The page at the very beginning is always full.
        """
        if before:
            rows_before = rows.filter(_before(self.keys, self._read(before)))
            found = list(self.ordered(rows_before, shown, backward=True)[: limit + 1])
            if len(found) > limit:
                found = found[limit - 1 :: -1]
                return found, self._token(found[0]), self._token(found[-1])
            after = ""
        found, more = self.page(rows, token=after or None, limit=limit, shown=shown)
        return found, self._token(found[0]) if after and found else None, more

    def ordered(self, rows: QuerySet[Any], shown: Sequence[str] = (), *, backward: bool = False) -> QuerySet[Any]:
        """The rows in this order, or in the opposite one, with the columns `shown` and those of the order."""
        names = {f"key_{at}": key.expression for at, key in enumerate(self.keys)}
        columns = [
            OrderBy(
                F(name),
                descending=key.descending != backward,
                nulls_last=True if not key.sure and not backward else None,
                nulls_first=True if not key.sure and backward else None,
            )
            for name, key in zip(names, self.keys, strict=True)
        ]
        ordered = rows.annotate(**names).order_by(*columns)
        return ordered.values_list(*shown, *names, named=True) if shown else ordered

    def _token(self, row: Any) -> str:
        values = [getattr(row, f"key_{at}") for at in range(len(self.keys))]
        said = [one.isoformat() if isinstance(one, datetime) else one for one in values]
        return base64.urlsafe_b64encode(json.dumps([self._mark, *said]).encode()).decode().rstrip("=")

    def _read(self, token: str) -> list[Any]:
        refused = Invalid(f"Invalid page token {token[:40]!r}: it is not of this search.")
        if len(token) > _LONGEST_TOKEN:
            raise refused
        try:
            mark, *values = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            if mark != self._mark or len(values) != len(self.keys):
                raise refused
            return [_value(key, value) for key, value in zip(self.keys, values, strict=True)]
        except (ValueError, TypeError, RecursionError):
            raise refused from None


def _value(key: Key, value: Any) -> Any:
    """What a token says of a column. Raises ValueError, TypeError."""
    if value is None:
        if key.sure:
            raise ValueError
        return None
    if key.kind == "number":
        return Value(float(value), FloatField())
    if "\0" in value or len(value) > _SHORT:
        raise ValueError
    return datetime.fromisoformat(value) if key.kind == "time" else Value(value, TextField())


def _after(keys: Sequence[Key], values: Sequence[Any]) -> Q:
    """What comes after a row with these values: equal in some columns, and further in the next."""
    after, equal = Q(), Q()
    for key, value in zip(keys, values, strict=True):
        if value is not None:
            further = Q((LessThan if key.descending else GreaterThan)(key.expression, value))
            after |= equal & (further if key.sure else further | Q(IsNull(key.expression, True)))
        equal &= Q(IsNull(key.expression, True)) if value is None else Q(Exact(key.expression, value))
    first, value = keys[0], values[0]
    if first.sure and first.descending:
        # Said once more as one border, which an index can begin at.
        after &= Q(LessThanOrEqual(first.expression, value))
    return after


def _before(keys: Sequence[Key], values: Sequence[Any]) -> Q:
    """What comes before a row with these values. What has no value comes last, so all that has one is before it."""
    before, equal = Q(), Q()
    for key, value in zip(keys, values, strict=True):
        if value is None:
            before |= equal & Q(IsNull(key.expression, False))
            equal &= Q(IsNull(key.expression, True))
        else:
            before |= equal & Q((GreaterThan if key.descending else LessThan)(key.expression, value))
            equal &= Q(Exact(key.expression, value))
    first, value = keys[0], values[0]
    if first.sure and first.descending:
        before &= Q(GreaterThanOrEqual(first.expression, value))
    return before
