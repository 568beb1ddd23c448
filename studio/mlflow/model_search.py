"""Searches of logged models: the one grammar of all searches, in MLflow's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from registry.loggedmodels.models import LoggedMetric, LoggedModel
from runs.filters import Comparison, Field, Order, Tree, bad, leaves, parse_order, parse_tree
from runs.search import (
    Key,
    Ordering,
    Source,
    compared,
    condition,
    look,
    member,
    metric_key,
    milliseconds,
    plain_text,
    text_key,
)
from studio.kernel.errors import Invalid
from studio.mlflow import wire
from studio.mlflow.model_shapes import STATUSES

_TEXTS = {
    "name": "name",
    "model_id": "pk",
    "model_type": "kind",
    "source_run_id": "run_id",
    "experiment_id": "experiment_id",
    "status": "status",
}
_TIMES = {
    **dict.fromkeys(("creation_timestamp", "creation_time", "creation_timestamp_ms"), "created"),
    **dict.fromkeys(("last_updated_timestamp", "last_updated_timestamp_ms"), "updated"),
}
_ATTRIBUTES = {**dict.fromkeys(_TEXTS, "text"), **dict.fromkeys(_TIMES, "time")}
Data = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class OrderOn(Order):
    """An order by a metric as it was measured on the datasets `data`."""

    data: Data = ()


def parse(text: str) -> Tree | None:
    """Raises Invalid `bad_filter`."""
    return parse_tree(text, attributes=_ATTRIBUTES)


def ordering(asked: wire.OrderModels) -> OrderOn:
    """Raises Invalid for a field that there is not."""
    name = wire.needed(asked.field_name, "order_by.field_name")
    if asked.dataset_digest and not asked.dataset_name:
        raise Invalid("A dataset_digest in order_by needs its dataset_name.")
    found = parse_order(name, attributes=_ATTRIBUTES)
    data = ((asked.dataset_name, asked.dataset_digest or ""),) if asked.dataset_name else ()
    if data and found.field.kind != "metric":
        raise Invalid("Only metrics are ordered by what they were measured on.")
    return OrderOn(found.field, not (asked.ascending is None or asked.ascending), data)


def page(
    rows: QuerySet[LoggedModel],
    where: Tree | None,
    order: Sequence[OrderOn],
    data: Data,
    *,
    token: str | None,
    limit: int,
) -> tuple[list[LoggedModel], str | None]:
    """A page of the models that a search finds, the newest first where `order` leaves them equal; the next one's token.

    `data` are (name, digest or empty) of datasets: a metric counts only where it was measured on one of them.
    """
    if where is not None:
        rows = rows.filter(condition(where, Source(_ATTRIBUTES, _value, special=lambda one: _special(one, data))))
    measured = any(isinstance(one, Comparison) and one.field.kind == "metric" for one in leaves(where))
    if data and not measured:
        rows = rows.filter(Exists(_on(LoggedMetric.objects.filter(model=OuterRef("pk")), data)))
    last = [Key(F("created"), "time", True, sure=True), text_key(F("pk"), descending=True, sure=True)]
    found = Ordering(order, lambda one: [_key(one, data)], last)
    return look(where, lambda: found.page(rows, token=token, limit=limit))


def _on(rows: QuerySet[LoggedMetric], data: Data) -> QuerySet[LoggedMetric]:
    if not data:
        return rows
    each = [Q(dataset_name=name, **({"dataset_digest": digest} if digest else {})) for name, digest in data]
    return rows.filter(reduce(or_, each))


def _special(one: Comparison, data: Data) -> Q | None:
    if one.field.kind == "metric":
        return _of_metric(one, data)
    if one.field == Field("attribute", "status") and one.op in ("=", "!="):
        word = str(one.value)
        asked = Q(status=STATUSES.get(word) or STATUSES.get(f"LOGGED_MODEL_{word}") or word[:10].lower())
        return asked if one.op == "=" else ~asked
    return None


def _of_metric(one: Comparison, data: Data) -> Q:
    """Whether it is so of one of the values that were measured."""
    rows = _on(LoggedMetric.objects.filter(model=OuterRef("pk"), key=one.field.key), data)
    if one.op == "IS NULL":
        return ~Q(Exists(rows))
    if one.op == "IS NOT NULL":
        return Q(Exists(rows))
    return Q(Exists(rows.filter(compared(F("value"), one, numeric=True))))


def _value(field: Field) -> Any:
    if field.kind in {"param", "tag"}:
        return member("params" if field.kind == "param" else "tags", field.key)
    if field.kind == "attribute":
        return milliseconds(_TIMES[field.key]) if field.key in _TIMES else plain_text(_TEXTS[field.key])
    raise bad(f"Logged models are not searched by {field.kind}s such as {field.key[:40]!r}.", field.place)


def _key(one: Order, data: Data) -> Key:
    field = one.field
    if field.kind == "attribute" and field.key in _TIMES:
        return Key(F(_TIMES[field.key]), "time", one.descending, sure=True)
    if field.kind != "metric":
        return text_key(_value(field), descending=one.descending)
    rows = LoggedMetric.objects.filter(model=OuterRef("pk"), key=field.key)
    told = one.data if isinstance(one, OrderOn) and one.data else data
    latest = _on(rows, told).order_by("-time", "-step", "-pk").values("value")[:1]
    return metric_key(Subquery(latest), descending=one.descending)
