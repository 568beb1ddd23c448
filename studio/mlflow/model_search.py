"""Searches of logged models: MLflow's filters and orders as SQL with bound parameters."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, OrderBy, OuterRef, Q, QuerySet, Subquery

from registry.loggedmodels.models import LoggedMetric, LoggedModel
from runs.filters import Comparison, Order, parse_filter, parse_order
from runs.search import compared, member, milliseconds, plain_text
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
_ATTRIBUTES = {*_TEXTS, *_TIMES}
Data = Sequence[tuple[str, str]]


def parse(text: str) -> list[Comparison]:
    """Raises Invalid `bad_filter`."""
    return parse_filter(text, attributes=_ATTRIBUTES)


def ordering(asked: wire.OrderModels) -> tuple[Order, Data]:
    """Raises Invalid for a field that there is not."""
    name = wire.needed(asked.field_name, "order_by.field_name")
    if asked.dataset_digest and not asked.dataset_name:
        raise Invalid("A dataset_digest in order_by needs its dataset_name.")
    found = parse_order(name, attributes=_ATTRIBUTES)
    data = [(asked.dataset_name, asked.dataset_digest or "")] if asked.dataset_name else []
    if data and found.field.kind != "metric":
        raise Invalid("Only metrics are ordered by what they were measured on.")
    return Order(found.field, not (asked.ascending is None or asked.ascending)), data


def chosen(
    rows: QuerySet[LoggedModel], where: Sequence[Comparison], order: Sequence[tuple[Order, Data]], data: Data
) -> QuerySet[LoggedModel]:
    """The models that a search finds, the newest first where `order` leaves them equal.

    `data` are (name, digest or empty) of datasets: a metric counts only where it was measured on one of them.
    """
    measured = False
    for one in where:
        rows = rows.filter(_condition(one, data))
        measured = measured or one.field.kind == "metric"
    if data and not measured:
        rows = rows.filter(Exists(_on(LoggedMetric.objects.filter(model=OuterRef("pk")), data)))
    by = [OrderBy(_ordered(one, told or data), descending=one.descending, nulls_last=True) for one, told in order]
    return rows.order_by(*by, "-created", "-pk")


def _on(rows: QuerySet[LoggedMetric], data: Data) -> QuerySet[LoggedMetric]:
    if not data:
        return rows
    each = [Q(dataset_name=name, **({"dataset_digest": digest} if digest else {})) for name, digest in data]
    return rows.filter(reduce(or_, each))


def _condition(one: Comparison, data: Data) -> Q:
    kind, key = one.field.kind, one.field.key
    if kind == "metric":
        rows = _on(LoggedMetric.objects.filter(model=OuterRef("pk"), key=key.replace("\0", "")), data)
        lookups = {"=": "value", ">": "value__gt", ">=": "value__gte", "<": "value__lt", "<=": "value__lte"}
        if one.op == "!=":
            return Q(Exists(rows.exclude(value=float(str(one.value)))))
        return Q(Exists(rows.filter(**{lookups[one.op]: float(str(one.value))})))
    if kind == "attribute" and key == "status":
        return _of_status(one)
    return compared(_value(kind, key), one, numeric=kind == "attribute" and key in _TIMES)


def _of_status(one: Comparison) -> Q:
    if one.op not in {"=", "!="}:
        raise Invalid(f"The status is compared by = and !=, not by {one.op}.", code="bad_filter")
    word = str(one.value)
    asked = Q(status=STATUSES.get(word) or STATUSES.get(f"LOGGED_MODEL_{word}") or word[:10].lower())
    return asked if one.op == "=" else ~asked


def _value(kind: str, key: str) -> Any:
    if kind in {"param", "tag"}:
        return member("params" if kind == "param" else "tags", key)
    if kind == "attribute" and key in _TIMES:
        return milliseconds(_TIMES[key])
    if kind == "attribute" and key in _TEXTS:
        return plain_text(_TEXTS[key])
    raise Invalid(f"Logged models are not searched by {kind}s such as {key[:40]!r}.", code="bad_filter")


def _ordered(one: Order, data: Data) -> Any:
    if one.field.kind != "metric":
        return _value(one.field.kind, one.field.key)
    rows = LoggedMetric.objects.filter(model=OuterRef("pk"), key=one.field.key.replace("\0", ""))
    return Subquery(_on(rows, data).order_by("-time", "-step", "-pk").values("value")[:1])
