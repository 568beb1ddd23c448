"""Finding the runs of a table: a page of them, how many, groups of them, all of them by id."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import (
    Avg,
    Count,
    DateTimeField,
    F,
    FloatField,
    Func,
    Max,
    Min,
    OuterRef,
    QuerySet,
    StdDev,
    Subquery,
    TextField,
    Value,
)
from django.db.models.functions import Coalesce, Now, NullIf
from django.utils.translation import gettext

from runs.filters import Field, Order, Tree, parse_tree
from runs.filters.cursor import quoted, quoted_key
from runs.filters.words import PLURALS
from runs.models import Experiment, Run, Status, colour_of
from runs.queries import last_sign
from runs.queries import shown as shown_in_full
from runs.search import Key, Ordering, condition, look, member, metric_key, run_keys, text_key
from runs.search_sql import as_number, metric, metric_part, value_of
from runs.tables.columns import PARTS, Column, fits, usual
from runs.tables.forms import Asked
from runs.tables.models import Mark
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from studio.kernel.rows import read
from workspace.access import get_workspace
from workspace.models import Workspace
from zaffre.protocol import HELD_STATES

#: Runs of one page of the table.
PAGE = 100
#: Runs that are counted; of more it is said that there are at least so many.
MOST_COUNTED = 1000
#: Runs of one deed done to many.
MOST_AT_ONCE = 1000
#: Runs of one file.
MOST_EXPORTED = 200_000
MOST_PINS = 50
MOST_GROUPS = 200
MOST_FILTER = 10_000
#: So many of the newest runs say which keys there are.
NEWEST = 200
MOST_KEYS = 500
AGGREGATES = {"mean": Avg, "min": Min, "max": Max, "std": StdDev, "count": Count}
#: {name in a row: column of the table of runs}.
SHOWN = {
    "id": "pk",
    "number": "number",
    "given_colour": "given_colour",
    "name": "name",
    "status": "status",
    "experiment": "experiment__name",
    "target": "target__name",
    "kind": "kind",
    "parent": "parent_id",
    "attempt": "attempt_no",
    "exit_code": "exit_code",
    "reason": "reason_code",
    "created": "created",
    "started": "started",
    "ended": "ended",
    "params": "params",
    "tags": "tags",
    "metrics": "metrics",
    "user": "who",
    "heard": "heard",
    "asked": "asked",
    "children": "has_below",
}
DOCUMENTS = {"metric": "metrics", "param": "params", "tag": "tags", "property": "properties"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Whose table it is: a workspace that the actor may read, and one of its experiments or all."""

    workspace: Workspace
    experiment: Experiment | None = None


@dataclass(frozen=True)
class Found:
    rows: list[Row]
    columns: tuple[Column, ...]
    #: Where the pages before and after begin; None where there is none.
    newer: str | None = None
    older: str | None = None
    #: The run that numbers are also shown as a difference from.
    baseline: Row | None = None


@dataclass(frozen=True)
class Group:
    values: list[str | None]
    count: int
    #: By column, of those whose values are numbers.
    numbers: dict[Column, float | None] = field(default_factory=dict)
    #: A filter that finds its runs, None where there is none that says it.
    filter: str | None = None


def open_place(slug: str, experiment: str | None, *, actor: Actor, action: str = "run.read") -> Place:
    """The workspace and its experiment for somebody who may do `action`. Raises NotFound, Forbidden."""
    workspace = get_workspace(slug, actor=actor, action=action)
    if experiment is None:
        return Place(workspace)
    named = {"workspace": workspace.pk, "name": experiment.replace("\0", "")}
    found = read(Experiment, "workspace_id = %(workspace)s AND name = %(name)s", named)
    if not found:
        raise NotFound(
            gettext("There is no experiment %(experiment)s in %(slug)s.")
            % {"experiment": repr(experiment[:64]), "slug": slug}
        )
    return Place(workspace, found[0])


def chosen(place: Place, asked: Asked, *, actor: Actor) -> tuple[QuerySet[Run], Tree | None]:
    """The runs that are asked for, and what the filter says, for `look`. Raises Invalid `bad_filter`."""
    rows = Run.objects.filter(workspace=place.workspace, deleted__isnull=True, archived__isnull=not asked.archived)
    if actor.kind == "run":
        rows = rows.filter(pk=actor.run_id)
    if place.experiment is not None:
        rows = rows.filter(experiment=place.experiment)
    if asked.status:
        rows = rows.filter(status=asked.status)
    if asked.hide:
        rows = rows.exclude(status=Status.FAILED)
    if asked.mine:
        rows = rows.filter(submitted_by_id=actor.user_id)
    if asked.nest:
        rows = rows.filter(parent__isnull=True)
    if asked.days:
        rows = rows.filter(created__gte=Now() - timedelta(days=asked.days))
    tree = parse_tree(asked.filter) if asked.filter else None
    return (rows if tree is None else rows.filter(condition(tree))), tree


def find(place: Place, asked: Asked, *, actor: Actor, limit: int = PAGE, pinned: bool = True) -> Found:
    """A page of the table, of an experiment the pinned runs first. Raises Invalid for a filter or a token."""
    rows, tree = chosen(place, asked, actor=actor)
    marks = _marks(place)
    pins = [run for run, kind in marks if pinned and kind == Mark.Kind.PIN]
    ordering = ordering_of(asked)
    shown, annotated = _columns_of(asked.columns)
    ready = rows.annotate(**annotated)
    rest = ready.exclude(pk__in=pins) if pins else ready

    def page() -> tuple[list[Any], str | None, str | None]:
        found, newer, older = ordering.window(
            rest, after=asked.after, before=asked.before, limit=limit, shown=[*shown.values()]
        )
        if pins and newer is None and not asked.after:
            found = [*ordering.ordered(ready.filter(pk__in=pins), [*shown.values()])[:MOST_PINS], *found]
        return found, newer, older

    found, newer, older = look(tree, page)
    made = [_row(one, shown) for one in found]
    baseline = _baseline(place, made, marks, shown, annotated)
    if place.experiment is None:
        marks = list(Mark.objects.filter(run__in=[row["id"] for row in made]).values_list("run_id", "kind"))
    marked = set(marks)
    for row in made:
        row["pinned"] = (row["id"], Mark.Kind.PIN) in marked
        row["baseline"] = (row["id"], Mark.Kind.BASELINE) in marked
    columns = asked.columns or usual(made, of_all=place.experiment is None)
    return Found(made, columns, newer, older, baseline)


def count(place: Place, asked: Asked, *, actor: Actor) -> int:
    """How many runs fit, or MOST_COUNTED + 1 for more."""
    rows, tree = chosen(place, asked, actor=actor)
    return look(tree, lambda: rows.order_by()[: MOST_COUNTED + 1].count())


def matching(place: Place, asked: Asked, *, actor: Actor, most: int = MOST_AT_ONCE) -> list[str]:
    """The ids of all runs that fit, in the order that is asked for. Raises Invalid for more than `most`."""
    rows, tree = chosen(place, asked, actor=actor)
    ordered = ordering_of(asked).ordered(rows, ["pk"])
    found = look(tree, lambda: [row.pk for row in ordered[: most + 1]])
    if len(found) > most:
        raise Invalid(
            gettext("More than %(most)s runs fit this filter.") % {"most": most},
            code="too_many",
            hint=gettext("Filter for fewer of them."),
            most=most,
        )
    return found


def rows_of(place: Place, ids: Sequence[str], columns: Sequence[Column], *, actor: Actor) -> list[Row]:
    """Those of the runs that still exist, in the order of the ids, with what these columns show.

    The caller has found them for the actor.
    """
    shown, annotated = _columns_of(columns, heard=False)
    needed = {DOCUMENTS.get(one.kind) for one in columns}
    shown = {name: column for name, column in shown.items() if name not in DOCUMENTS.values() or name in needed}
    rows = Run.objects.filter(workspace=place.workspace, pk__in=list(ids), deleted__isnull=True)
    if actor.kind == "run":
        rows = rows.filter(pk=actor.run_id)
    read = rows.annotate(**annotated).values_list(*shown.values(), named=True)
    by_id = {row["id"]: row for row in (_row(one, shown) for one in read)}
    return [by_id[one] for one in ids if one in by_id]


def runs_of(place: Place, ids: Sequence[str], *, actor: Actor) -> list[Run]:
    """`rows_of` with all that doors show of runs, as `list_runs` returns them."""
    rows = Run.objects.filter(workspace=place.workspace, pk__in=list(ids), deleted__isnull=True)
    by_id = {run.pk: run for run in shown_in_full(rows if actor.kind != "run" else rows.filter(pk=actor.run_id))}
    return [by_id[one] for one in ids if one in by_id]


def groups(place: Place, asked: Asked, columns: Sequence[Column], *, actor: Actor) -> tuple[list[Group], bool]:
    """Runs in groups of those that have the same values, with their numbers in one; and whether there are more."""
    rows, tree = chosen(place, asked, actor=actor)
    names = {f"group_{at}": value_in(one) for at, one in enumerate(asked.groups)}
    numbers = [one for one in columns if number_of(one) is not None and one not in asked.groups]
    work = AGGREGATES[asked.aggregate]
    made = {f"number_{at}": work(number_of(one)) for at, one in enumerate(numbers)}
    found = rows.annotate(**names).values(*names).annotate(runs=Count("pk"), **made)
    ordered = found.order_by(*_group_order(asked, numbers), *(F(name).asc(nulls_last=True) for name in names))
    listed = look(tree, lambda: list(ordered[: MOST_GROUPS + 1]))
    return [
        Group(
            [None if row[name] is None else str(row[name]) for name in names],
            row["runs"],
            {one: _finite(row[f"number_{at}"]) for at, one in enumerate(numbers)},
            _filter_of(asked, [row[name] for name in names]),
        )
        for row in listed[:MOST_GROUPS]
    ], len(listed) > MOST_GROUPS


def known_keys(place: Place, *, actor: Actor) -> dict[str, list[str]]:
    """{metrics, params, tags}: the keys of the newest runs, those that most of them have first."""
    rows, _ = chosen(place, Asked(), actor=actor)
    counted: dict[str, dict[str, int]] = {"metrics": {}, "params": {}, "tags": {}}
    for documents in rows.order_by("-pk").values_list(*counted)[:NEWEST]:
        for counts, document in zip(counted.values(), documents, strict=True):
            for key, said in document.items():
                if fits(said):
                    counts[key] = counts.get(key, 0) + 1
    return {
        kind: [key for key in sorted(counts, key=lambda one: (-counts[one], one)) if quoted_key(key)][:MOST_KEYS]
        for kind, counts in counted.items()
    }


def ordering_of(asked: Asked) -> Ordering:
    """The order of a table: what is asked for, then the newest first."""
    order = []
    if asked.sort:
        column = asked.sort.column
        kind = column.part if column.part in PARTS else column.kind
        order = [Order(Field(kind, column.key), asked.sort.descending)]
    return Ordering(order, _keys, [Key(F("pk"), "text", True, sure=True)])


def number_of(column: Column) -> Any:
    """A column as an expression whose values are numbers, NULL for NaN; None for a column without numbers."""
    if column.kind == "metric" and column.sorts:
        found = metric(column.key) if column.part == "last" else metric_part(column.key, column.part)
        return NullIf(found, Value(math.nan, FloatField()))
    if column.kind == "attribute" and column.key in ("duration", "number", "attempt", "exit_code"):
        return value_of(Field("attribute", column.key))
    return None


def _keys(order: Order) -> list[Key]:
    kind, key, descending = order.field.kind, order.field.key, order.descending
    if kind in PARTS:
        return [metric_key(metric_part(key, kind), descending=descending)]
    if kind in ("param", "tag", "property"):
        # What looks like a number is ordered as one, before all that does not.
        text = value_of(order.field)
        return [Key(as_number(text), "number", descending), text_key(text, descending=descending)]
    return run_keys(order)


def value_in(column: Column) -> Any:
    """What a run has in a column that is no metric, as an expression."""
    if column.kind == "attribute":
        return value_of(Field("attribute", column.key))
    return member({"param": "params", "tag": "tags", "property": "properties"}[column.kind], column.key)


def _group_order(asked: Asked, numbers: Sequence[Column]) -> list[Any]:
    if asked.sort and asked.sort.column in numbers:
        name = F(f"number_{numbers.index(asked.sort.column)}")
    elif asked.sort and asked.sort.column in asked.groups:
        name = F(f"group_{asked.groups.index(asked.sort.column)}")
    else:
        return [F("runs").desc()]
    return [name.desc(nulls_last=True) if asked.sort.descending else name.asc(nulls_last=True)]


def _filter_of(asked: Asked, values: Sequence[Any]) -> str | None:
    parts = [f"({asked.filter})"] if asked.filter else []
    for column, value in zip(asked.groups, values, strict=True):
        key = column.key if column.kind == "attribute" else quoted_key(column.key)
        if key is None:
            return None
        named = key if column.kind == "attribute" else f"{PLURALS[column.kind]}.{key}"
        parts.append(f"{named} is null" if value is None else f"{named} = {quoted(str(value))}")
    said = " and ".join(parts)
    return said if len(said) <= MOST_FILTER else None


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _marks(place: Place) -> list[tuple[str, str]]:
    if place.experiment is None:
        return []
    found = Mark.objects.filter(experiment=place.experiment).order_by("pk")
    return list(found.values_list("run_id", "kind")[: MOST_PINS + 1])


def _baseline(
    place: Place,
    rows: Iterable[Row],
    marks: Sequence[tuple[str, str]],
    shown: dict[str, str],
    annotated: dict[str, Any],
) -> Row | None:
    run = next((run for run, kind in marks if kind == Mark.Kind.BASELINE), None)
    if run is None:
        return None
    here = next((row for row in rows if row["id"] == run), None)
    if here is not None:
        return here
    found = Run.objects.filter(workspace=place.workspace, pk=run, deleted__isnull=True).annotate(**annotated)
    return next((_row(one, shown) for one in found.values_list(*shown.values(), named=True)), None)


def _columns_of(columns: Sequence[Column], *, heard: bool = True) -> tuple[dict[str, str], dict[str, Any]]:
    """{name in a row: column}, and what of these is computed. What costs a join or much room only where it is shown.

    `heard`: with the last sign of life of each run, and whether there are runs below it.
    """
    shown = dict(SHOWN)
    annotated: dict[str, Any] = {
        "who": Coalesce(NullIf(F("client_user"), Value("")), F("submitted_by__username")),
        "heard": Subquery(last_sign()) if heard else Value(None, DateTimeField()),
        "asked": Now(),
        "has_below": _has_children() if heard else Value(False),
    }
    if any(one.kind == "property" for one in columns):
        shown["properties"] = "properties"
    for one in columns:
        if one.kind == "attribute" and one.key == "description":
            annotated["said"] = Func(F("description"), Value(200), function="left", output_field=TextField())
            shown["description"] = "said"
        if one.kind == "attribute" and one.key == "environment":
            annotated["made_in"] = value_of(Field("attribute", "environment"))
            shown["environment"] = "made_in"
    return shown, annotated


def _has_children() -> Coalesce:
    # Not EXISTS: PostgreSQL answers that from a list of all runs, made for the hundred of a page.
    below = Run.objects.filter(parent=OuterRef("pk"), deleted__isnull=True)
    return Coalesce(Subquery(below.order_by().values(there=Value(True))[:1]), Value(False))


def _row(found: Any, shown: dict[str, str]) -> Row:
    row = {name: getattr(found, column) for name, column in shown.items()}
    heard, asked = row["heard"], row["asked"]
    silent = row["status"] in HELD_STATES and heard is not None
    row["reachable"] = (asked - heard).total_seconds() < settings.UNREACHABLE_SECONDS if silent else None
    row["colour"] = colour_of(row["number"], row["given_colour"])
    return row
