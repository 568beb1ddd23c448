"""What a filter says as SQL with bound parameters: a key or a value from outside is always a parameter.

What a row does not have matches nothing but IS NULL and NOT.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Collate, Now, NullIf
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual

from runs.filters import And, Comparison, Field, Length, Not, Span, Text, Tree, bad
from runs.filters.words import RUN_ATTRIBUTES, states, values_of
from runs.models import Run

ACTIVE = Q(deleted__isnull=True, experiment__archived__isnull=True)
_NUMBERS = {"=": Exact, "<": LessThan, "<=": LessThanOrEqual, ">": GreaterThan, ">=": GreaterThanOrEqual}
#: A number that PostgreSQL casts without an error, however long the texts are that look like one.
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?$"
_LONGEST_NUMBER = 40


class Member(Func):
    """`document ->> key`: NULL when there is no such key. Django's own takes the key "5" for an index."""

    template = "(%(expressions)s)"
    arg_joiner = " ->> "


class _Part(Member):
    arg_joiner = " -> "


class _Operator(Func):
    """`a operator b` of two texts."""

    template = "(%(expressions)s)"
    output_field = BooleanField()
    conditional = True


class _Like(_Operator):
    """`text LIKE pattern`, in which a backslash is a backslash."""

    template = "(%(expressions)s ESCAPE '')"


class _Untrue(Func):
    template = "((%(expressions)s) IS NOT TRUE)"
    output_field = BooleanField()
    conditional = True


class _Among(Func):
    """`_Among(document, text)`: whether a key or a value of a document of texts contains the text, in any case."""

    arg_joiner = ") AS pair(key, value) WHERE strpos(lower(pair.key || ' ' || pair.value), lower("
    template = "EXISTS (SELECT 1 FROM jsonb_each_text(%(expressions)s)) > 0)"
    output_field = BooleanField()
    conditional = True


class _Milliseconds(Func):
    template = "floor(extract(epoch from %(expressions)s) * 1000)"
    output_field = FloatField()


class _Seconds(Func):
    template = "extract(epoch from (%(expressions)s))::double precision"
    arg_joiner = " - "
    output_field = FloatField()


def member(column: str, key: str) -> Any:
    """The text under `key` in a column of pairs."""
    return Member(F(column), key_of(key), output_field=TextField())


def milliseconds(moment: Any) -> Any:
    """A time, or a column of them, as milliseconds since 1970."""
    return _Milliseconds(F(moment) if isinstance(moment, str) else moment)


def plain_text(column: Any) -> Any:
    """A column as text that is ordered by its bytes, whatever language the database speaks."""
    return Collate(Cast(F(column) if isinstance(column, str) else column, TextField()), "C")


@dataclass(frozen=True)
class Source:
    """What is searched: its attributes, and what a field and a word alone (None: not searched by) are in SQL."""

    attributes: Mapping[str, str]
    field: Callable[[Field], Any]
    said: Callable[[str], Q] | None = None
    #: What a comparison says where that is more than what its field's expression does; None for all others.
    special: Callable[[Comparison], Q | None] | None = None


def storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def key_of(text: str) -> Value:
    return Value(storable(text), TextField())


def metric(key: str) -> Cast:
    """The latest value."""
    return Cast(member("latest", key), FloatField())


def metric_part(key: str, part: str) -> Cast:
    """The lowest value, the highest one or the number of points: `part` is min, max or count."""
    found = Member(_Part(F("metrics"), key_of(key)), Value(part), output_field=TextField())
    return Cast(found, FloatField())


#: Columns of a run that an attribute stands for.
_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("name", "run_name"), F("name")),
    **dict.fromkeys(("id", "run_id"), F("pk")),
    "status": F("status"),
    "experiment": F("experiment__name"),
    "target": NullIf(F("target__name"), Value("")),
    "kind": F("kind"),
    "parent": F("parent_id"),
    "description": NullIf(F("description"), Value("")),
    "reason": NullIf(F("reason_code"), Value("")),
}
MOMENTS: dict[str, Any] = {
    "start_time": Coalesce("started", "created"),
    "started": F("started"),
    **dict.fromkeys(("end_time", "ended"), F("ended")),
    "created": F("created"),
}


def value_of(field: Field) -> Any:
    """The value of a field of a run. NULL where it has none."""
    if field.kind == "metric":
        # PostgreSQL takes NaN for the largest number; here it is none.
        return NullIf(metric(field.key), Value(math.nan, FloatField()))
    if field.kind in ("param", "tag", "property"):
        column = {"param": "params", "tag": "tags", "property": "properties"}[field.kind]
        return member(column, field.key)
    if field.kind == "attribute" and field.key in MOMENTS:
        return milliseconds(MOMENTS[field.key])
    if field.kind == "attribute" and field.key in _COLUMNS:
        return Cast(_COLUMNS[field.key], TextField())
    return _computed(field)


def _computed(field: Field) -> Any:
    if field.kind != "attribute":
        raise bad(f"Runs cannot be searched by {field.kind}s.", field.place)
    if field.key == "duration":
        return _Seconds(Coalesce("ended", Now()), F("started"))
    if field.key in ("user", "user_id"):
        said = NullIf(F("client_user"), Value(""))
        return Cast(Coalesce(said, F("submitted_by__username")), TextField())
    if field.key in ("number", "exit_code", "attempt"):
        return Cast(F("attempt_no" if field.key == "attempt" else field.key), FloatField())
    if field.key == "lifecycle_stage":
        return Case(When(ACTIVE, then=Value("active")), default=Value("deleted"), output_field=TextField())
    if field.key == "environment":
        return _joined(F("environment_version__environment__name"), ":", F("environment_version__version"))
    if field.key == "artifact_uri":
        return _joined("mlflow-artifacts:/", F("experiment_id"), "/", F("pk"), "/artifacts")
    raise bad(f"Runs cannot be searched by {field.key[:40]!r}.", field.place)


def _joined(*parts: Any) -> Any:
    """Texts one after the other, NULL when one is."""
    texts = [Value(part, TextField()) if isinstance(part, str) else Cast(part, TextField()) for part in parts]
    return Func(*texts, template="(%(expressions)s)", arg_joiner=" || ", output_field=TextField())


def _said(text: str) -> Q:
    """Runs of which something that people see contains the word."""
    word = storable(text)
    seen = [f"{column}__icontains" for column in ("name", "description", "experiment__name", "client_user")]
    of_columns = reduce(or_, (Q(**{lookup: word}) for lookup in (*seen, "submitted_by__username__icontains")))
    among = [Q(_Among(F(column), Value(word, TextField()))) for column in ("tags", "params")]
    return reduce(or_, among, of_columns | Q(pk__iexact=word))


RUNS = Source(RUN_ATTRIBUTES, value_of, _said)


def condition(tree: Tree, source: Source = RUNS) -> Q:
    """What a filter says of a row. NOT is true where its part is false or says nothing."""
    if isinstance(tree, Comparison):
        return _compared(tree, source)
    if isinstance(tree, Text):
        if source.said is None:
            raise bad("Words alone are not searched here.", tree.place)
        return source.said(tree.text)
    if isinstance(tree, Not):
        return Q(_Untrue(ExpressionWrapper(condition(tree.part, source), BooleanField())))
    parts = [condition(part, source) for part in tree.parts]
    return reduce(and_ if isinstance(tree, And) else or_, parts)


def _compared(one: Comparison, source: Source) -> Q:
    if one.field.kind == "dataset" and source is RUNS:
        return _of_dataset(one)
    if source.special is not None and (found := source.special(one)) is not None:
        return found
    expression = source.field(one.field)
    values = values_of(one.field.kind, one.field.key, source.attributes)
    if values == "status" and one.value is not None:
        return Q(In(expression, list(states(one.op, one.value, theirs=False))))
    return compared(expression, one, numeric=values in ("number", "time", "length"))


def _of_dataset(one: Comparison) -> Q:
    """Whether it is so of one of the datasets that a run's client said it reads. Of no dataset, each part is NULL."""
    said: dict[str, Any] = {
        "name": F("source_uses__source__name"),
        "digest": F("source_uses__source__digest"),
        "context": member("source_uses__tags", "mlflow.data.context"),
    }
    rows = Run.objects.filter(pk=OuterRef("pk"))
    return Q(Exists(rows.filter(compared(Cast(said[one.field.key], TextField()), one, numeric=False))))


def compared(expression: Any, one: Comparison, *, numeric: bool) -> Q:
    """What one comparison says of an expression, for the searches of other rooms, too.

    `numeric` is whether its values are numbers; else they are texts, which a number is compared with as numbers.
    """
    if one.op in {"IS NULL", "IS NOT NULL"}:
        return Q(IsNull(expression, one.op == "IS NULL"))
    if isinstance(one.value, tuple):
        inside = Q(In(expression, [storable(given) if isinstance(given, str) else given for given in one.value]))
        return inside if one.op == "IN" else Q(IsNull(expression, False)) & ~inside
    if isinstance(one.value, Span):
        return _in_span(expression, one.op, one.value)
    if isinstance(one.value, Length):
        return _of_number(expression, one.op, (time.time() + one.value.seconds) * 1000)
    if isinstance(one.value, float):
        return _of_number(expression if numeric else as_number(expression), one.op, one.value)
    return _of_text(expression, one.op, Value(storable(str(one.value)), TextField()))


def as_number(text: Any) -> Any:
    """A text as the number it looks like, else NULL."""
    short = LessThanOrEqual(Func(text, function="length", output_field=IntegerField()), _LONGEST_NUMBER)
    looks = _Operator(text, Value(_NUMBER, TextField()), arg_joiner=" ~ ")
    return Case(When(Q(short) & Q(looks), then=Cast(text, FloatField())), output_field=FloatField())


def _of_number(expression: Any, op: str, given: float) -> Q:
    number = Value(given, FloatField())
    if op == "!=":
        return Q(IsNull(expression, False)) & ~Q(Exact(expression, number))
    return Q(_NUMBERS[op](expression, number))


def _in_span(expression: Any, op: str, span: Span) -> Q:
    """A day is compared by its beginning, but `=` and `<=` mean all of it."""
    inside = _of_number(expression, ">=", span.begin) & _of_number(expression, "<", span.end)
    if op == "=":
        return inside
    if op == "!=":
        return _of_number(expression, "<", span.begin) | _of_number(expression, ">=", span.end)
    if op == "<=":
        return _of_number(expression, "<", span.end)
    return _of_number(expression, "<" if op == "<" else ">=", span.begin)


def _of_text(expression: Any, op: str, text: Value) -> Q:
    if op in {"~", "!~"}:
        return Q(_Operator(expression, text, arg_joiner=f" {op} "))
    if op.endswith("LIKE"):
        return Q(_Like(expression, text, arg_joiner=f" {op} "))
    equal = Q(Exact(expression, text))
    return equal if op == "=" else Q(IsNull(expression, False)) & ~equal
