"""Searching runs: the comparisons of `runs.filters` as SQL with bound parameters.

A key or a value from outside is always a parameter. What a run does not have matches nothing but IS NULL.
"""

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Expression,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    IntegerField,
    OrderBy,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Collate, NullIf
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual

from runs.filters import And, Comparison, Field, Not, Order, Tree
from runs.models import Experiment, Run
from runs.search_order import Key, Ordering, metric_keys, newest, text_key
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid
from workspace.access import get_workspace

_ACTIVE = Q(deleted__isnull=True, experiment__archived__isnull=True)
_COLUMNS = {"param": "params", "tag": "tags"}
_ATTRIBUTES = {"run_id": "id", "run_name": "name", "name": "name", "status": "status"}
_MOMENTS = {"start_time": Coalesce("started", "created"), "end_time": F("ended"), "created": F("created")}
_NUMBERS = {"=": Exact, "<": LessThan, "<=": LessThanOrEqual, ">": GreaterThan, ">=": GreaterThanOrEqual}
#: Not read for a table of runs: they may be long.
_LONG = ("log_tail", "config", "steps", "inputs", "git", "reason")


def search_runs(
    slug: str,
    *,
    actor: Actor,
    experiments: Sequence[int],
    where: Tree | None = None,
    order: Sequence[Order] = (),
    archived: bool | None = False,
    after: str | None = None,
    limit: int = 100,
) -> tuple[list[Run], str | None]:
    """Return at most `limit` runs of the experiments and where the next page begins, None after the last one.

    `order` leaves what has no value for the end; where it leaves runs equal, those that began last come first, then
    the id decides. `after` is where the page begins, as the one before said it. `archived` chooses runs that were
    deleted or are of an archived experiment, None means both. The run's own code finds its own run only.
    Raises Invalid for an attribute that is not searched by, and for an `after` of another search.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = Run.objects.filter(workspace=workspace, experiment__in=list(experiments))
    if actor.kind == "run":
        rows = rows.filter(pk=actor.run_id)
    if archived is not None:
        rows = rows.exclude(_ACTIVE) if archived else rows.filter(_ACTIVE)
    if where is not None:
        rows = rows.filter(condition(where))
    shown = rows.select_related("experiment", "submitted_by").defer(*_LONG)
    return Ordering(order, _keys, newest()).page(shown, token=after, limit=limit)


def search_experiments(
    slug: str,
    *,
    actor: Actor,
    where: Sequence[Comparison] = (),
    order: Sequence[Order] = (),
    archived: bool | None = False,
) -> QuerySet[Experiment]:
    """Return the experiments of the workspace, the newest first where `order` leaves them equal.

    `archived` None means all. Raises Invalid for what experiments are not searched by.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = Experiment.objects.filter(workspace=workspace)
    if archived is not None:
        rows = rows.filter(archived__isnull=not archived)
    for one in where:
        rows = rows.filter(compared(_of_experiment(one.field), one, numeric=one.field.key.endswith("_time")))
    chosen = [OrderBy(_of_experiment(one.field), descending=one.descending, nulls_last=True) for one in order]
    return rows.order_by(*chosen, "-pk")


def _of_experiment(field: Field) -> Expression:
    if field.kind == "tag":
        return _Member(F("tags"), Value(_storable(field.key), TextField()), output_field=TextField())
    if field.kind == "attribute" and field.key == "name":
        # As bytes, so that the order is the same whatever language the database speaks.
        return Collate(Cast(F("name"), TextField()), "C")
    if field.kind == "attribute" and field.key == "experiment_id":
        return Cast(F("pk"), TextField())
    if field.kind == "attribute" and field.key in ("creation_time", "last_update_time"):
        times = F("created") if field.key == "creation_time" else Coalesce("updated", "created")
        return _Milliseconds(times)
    raise Invalid(f"Experiments cannot be searched by {field.key[:40]!r}.", code="bad_filter")


def condition(tree: Tree) -> Q:
    """What a filter says of a run. NOT is true where its part is false or says nothing."""
    if isinstance(tree, Comparison):
        return _condition(tree)
    if isinstance(tree, Not):
        return Q(_Untrue(ExpressionWrapper(condition(tree.part), BooleanField())))
    if isinstance(tree, And):
        return reduce(and_, map(condition, tree.parts))
    return reduce(or_, map(condition, tree.parts))


class _Untrue(Func):
    template = "((%(expressions)s) IS NOT TRUE)"
    output_field = BooleanField()
    conditional = True


def _condition(one: Comparison) -> Q:
    numeric = one.field.kind == "metric" or (one.field.key in _MOMENTS and one.field.kind == "attribute")
    return compared(_value_of(one.field), one, numeric=numeric)


def compared(expression: Expression, one: Comparison, *, numeric: bool) -> Q:
    """What one comparison says of an expression, for the searches of other rooms, too."""
    if numeric:
        number = Value(float(one.value) if isinstance(one.value, float) else 0.0, FloatField())
        if one.op == "!=":
            return Q(IsNull(expression, False)) & ~Q(Exact(expression, number))
        return Q(_NUMBERS[one.op](expression, number))
    return _of_text(expression, one)


def _of_text(expression: Expression | F, one: Comparison) -> Q:
    value = one.value
    if one.op in {"IS NULL", "IS NOT NULL"}:
        return Q(IsNull(expression, one.op == "IS NULL"))
    if one.op in {"IN", "NOT IN"}:
        inside = Q(In(expression, [_storable(text) for text in value] if isinstance(value, tuple) else []))
        return inside if one.op == "IN" else Q(IsNull(expression, False)) & ~inside
    text = Value(_storable(str(value)), TextField())
    if one.op in {"LIKE", "ILIKE"}:
        return Q(_Like(expression, text, arg_joiner=f" {one.op} "))
    equal = Q(Exact(expression, text))
    return equal if one.op == "=" else Q(IsNull(expression, False)) & ~equal


class _Like(Func):
    """`text LIKE pattern`, in which a backslash is a backslash."""

    template = "(%(expressions)s ESCAPE '')"
    output_field = BooleanField()
    conditional = True


class _Member(Func):
    """`document ->> key`: NULL when there is no such key. Django's own takes the key "5" for an index."""

    template = "(%(expressions)s)"
    arg_joiner = " ->> "


class _Part(_Member):
    arg_joiner = " -> "


class _Milliseconds(Func):
    template = "floor(extract(epoch from %(expressions)s) * 1000)"
    output_field = FloatField()


def member(column: str, key: str) -> Expression:
    """The text under `key` in a column of pairs."""
    return _Member(F(column), Value(_storable(key), TextField()), output_field=TextField())


def milliseconds(column: str) -> Expression:
    """A time as milliseconds since 1970."""
    return _Milliseconds(F(column))


def plain_text(column: str) -> Expression:
    """A column as text that is ordered by its bytes, whatever language the database speaks."""
    return Collate(Cast(F(column), TextField()), "C")


def _metric(key: str) -> Cast:
    """The latest value."""
    latest = _Part(_Part(F("metrics"), Value(_storable(key), TextField())), Value("latest"))
    return Cast(_Member(latest, Value(2, IntegerField()), output_field=TextField()), FloatField())


def _value_of(field: Field) -> Expression:
    key = Value(_storable(field.key), TextField())
    if field.kind == "metric":
        # PostgreSQL takes NaN for the largest number; here it is none.
        return Func(_metric(field.key), Value("NaN"), function="NULLIF", output_field=FloatField())
    if field.kind in _COLUMNS:
        return _Member(F(_COLUMNS[field.kind]), key, output_field=TextField())
    if field.key in _MOMENTS:
        return _Milliseconds(_MOMENTS[field.key])
    if field.key == "user_id":
        said = NullIf(F("client_user"), Value(""))
        return Cast(Coalesce(said, F("submitted_by__username")), TextField())
    if field.key == "lifecycle_stage":
        active = When(_ACTIVE, then=Value("active"))
        return Case(active, default=Value("deleted"), output_field=CharField())
    if field.key not in _ATTRIBUTES:
        raise Invalid(f"Runs cannot be searched by {field.key[:40]!r}.", code="bad_filter")
    return Cast(F(_ATTRIBUTES[field.key]), TextField())


def _keys(order: Order) -> list[Key]:
    field, descending = order.field, order.descending
    if field.kind == "metric":
        return metric_keys(_metric(field.key), descending=descending)
    if field.kind == "attribute" and field.key in _MOMENTS:
        return [Key(_MOMENTS[field.key], "time", descending)]
    return [text_key(_value_of(field), descending=descending)]


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
