"""Searching runs and experiments: filters and orders (`runs.filters`) over rows that the actor may see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Func, TextField
from django.db.models.functions import Cast, Coalesce
from django.db.utils import DataError, OperationalError
from psycopg import errors

from runs.filters import Comparison, Field, Order, Tree, bad, leaves
from runs.filters.words import REGEX
from runs.models import Experiment, Run
from runs.search_order import Key, Ordering, metric_key, newest, text_key
from runs.search_sql import (
    ACTIVE,
    MOMENTS,
    Source,
    compared,
    condition,
    member,
    metric,
    milliseconds,
    plain_text,
    storable,
    value_of,
)
from studio.kernel.actors import Actor
from workspace.access import get_workspace

__all__ = [
    "Key",
    "Ordering",
    "Source",
    "compared",
    "condition",
    "look",
    "member",
    "metric_key",
    "milliseconds",
    "plain_text",
    "run_keys",
    "search_experiments",
    "search_runs",
    "text_key",
]
#: Milliseconds that a search with a regular expression may take: some patterns would take hours.
REGEX_TIME = 2000
MOST_REGEX = 10
#: Raw columns of a row: together they name what it holds now, for every change writes a new version of a row.
VERSION = ("ctid", "xmin")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found:
    """A run that a search found: which version of its row, and whether neither it nor its experiment is put away."""

    id: str
    version: tuple[str, str]
    active: bool


#: Attributes of experiments in the words of MLflow, and what their values are.
EXPERIMENT_ATTRIBUTES = {
    "name": "text",
    "experiment_id": "text",
    "creation_time": "time",
    "last_update_time": "time",
}


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
) -> tuple[list[Found], str | None]:
    """Find at most `limit` runs of the experiments, and where the next page begins, None after the last one.

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
        rows = rows.exclude(ACTIVE) if archived else rows.filter(ACTIVE)
    if where is not None:
        rows = rows.filter(condition(where))
    # As they are in the row: to make texts of them, PostgreSQL would do it for every row before it sorts.
    rows = rows.annotate(**{name: _Raw(name) for name in VERSION})
    if archived is None:
        rows = rows.annotate(active=ExpressionWrapper(ACTIVE, BooleanField()))
    shown = ("pk", *VERSION, *(("active",) if archived is None else ()))
    ordering = Ordering(order, run_keys, newest())
    found, more = look(where, lambda: ordering.page(rows, token=after, limit=limit, shown=shown))
    stay = archived is not True
    return [Found(row.pk, (row.ctid, row.xmin), getattr(row, "active", stay)) for row in found], more


class _Raw(Func):
    """A column that PostgreSQL keeps of every row of runs."""

    def __init__(self, name: str) -> None:
        super().__init__(template=f'"runs_run"."{name}"', output_field=TextField())


def search_experiments(
    slug: str,
    *,
    actor: Actor,
    where: Tree | None = None,
    order: Sequence[Order] = (),
    archived: bool | None = False,
    after: str | None = None,
    limit: int = 1000,
) -> tuple[list[Experiment], str | None]:
    """Return at most `limit` experiments of the workspace and where the next page begins, None after the last one.

    The newest come first where `order` leaves them equal. `archived` None means all.
    Raises Invalid for what experiments are not searched by, and for an `after` of another search.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = Experiment.objects.filter(workspace=workspace)
    if archived is not None:
        rows = rows.filter(archived__isnull=not archived)
    if where is not None:
        rows = rows.filter(condition(where, EXPERIMENTS))
    last = [Key(F("created"), "time", True, sure=True), Key(F("pk"), "number", True, sure=True)]
    ordering = Ordering(order, _experiment_keys, last)
    return look(where, lambda: ordering.page(rows, token=after, limit=limit))


def look(where: Tree | None, work: Callable[[], _T]) -> _T:
    """What `work` finds for a filter. Raises Invalid for a regular expression that cannot be read or takes too long."""
    found = [one for one in leaves(where) if isinstance(one, Comparison) and one.op in REGEX]
    if not found:
        return work()
    if len(found) > MOST_REGEX:
        raise bad(f"A filter has at most {MOST_REGEX} regular expressions.", found[MOST_REGEX].place)
    regex = found[0]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(REGEX_TIME)])
            for regex in found:
                # So that a mistake is told also where no row is looked at.
                cursor.execute("SELECT '' ~ %s", [storable(str(regex.value))])
            regex = found[0]
            result = work()
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
            return result
    except DataError as error:
        if isinstance(error.__cause__, errors.InvalidRegularExpression):
            raise bad("The regular expression cannot be read.", regex.place) from None
        raise
    except OperationalError as error:
        if isinstance(error.__cause__, errors.QueryCanceled):
            raise bad("This regular expression takes too long: say it more simply.", regex.place) from None
        raise


def _of_experiment(field: Field) -> Any:
    if field.kind == "tag":
        return member("tags", field.key)
    if field.kind != "attribute":
        raise bad(f"Experiments cannot be searched by {field.kind}s.", field.place)
    if field.key == "name":
        return plain_text("name")
    if field.key == "experiment_id":
        return Cast(F("pk"), TextField())
    return milliseconds(_changed(field.key))


def _changed(key: str) -> Any:
    return F("created") if key == "creation_time" else Coalesce("updated", "created")


EXPERIMENTS = Source(EXPERIMENT_ATTRIBUTES, _of_experiment)


def _experiment_keys(order: Order) -> list[Key]:
    field, descending = order.field, order.descending
    if field.kind == "attribute" and field.key == "experiment_id":
        return [Key(F("pk"), "number", descending, sure=True)]
    if field.kind == "attribute" and EXPERIMENT_ATTRIBUTES[field.key] == "time":
        return [Key(_changed(field.key), "time", descending, sure=True)]
    return [text_key(_of_experiment(field), descending=descending)]


def run_keys(order: Order) -> list[Key]:
    """The columns of what an order of runs says."""
    field, descending = order.field, order.descending
    if field.kind == "metric":
        return [metric_key(metric(field.key), descending=descending)]
    if field.kind == "attribute" and field.key in MOMENTS:
        return [Key(MOMENTS[field.key], "time", descending)]
    if field.kind == "attribute" and field.key in ("duration", "number", "attempt", "exit_code"):
        return [Key(value_of(field), "number", descending)]
    return [text_key(value_of(field), descending=descending)]
