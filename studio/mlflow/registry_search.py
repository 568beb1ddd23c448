"""Searches of registered models and versions: MLflow's filters and orders as SQL with bound parameters."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, OrderBy, Q, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf

from registry import queries
from registry.models import Model, ModelVersion
from runs.filters import Comparison, Field, Order, parse_filter, parse_order
from runs.search import compared, member, plain_text
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid
from studio.mlflow.registry_shapes import model_out

#: The client adds this to every search of models: a model without the tag is no prompt.
PROMPT_TAG = "mlflow.prompt.is_prompt"
_MODEL = {"name"}
_MODEL_ORDER = {"name", "timestamp", "last_updated_timestamp", "creation_timestamp"}
_TEXTS = {"name": "model__name", "run_id": "told_run", "source_path": "source"}
_VERSION = {*_TEXTS, "version_number"}
_VERSION_ORDER = {*_VERSION, "creation_timestamp", "last_updated_timestamp"}
MOST_ORDERS = 20


def of_models(text: str) -> list[Comparison]:
    """Raises Invalid `bad_filter`."""
    return parse_filter(text, attributes=_MODEL)


def of_versions(text: str) -> list[Comparison]:
    """Raises Invalid `bad_filter`."""
    return parse_filter(text, attributes=_VERSION)


def model_order(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    return _orders(texts, _MODEL_ORDER)


def version_order(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    return _orders(texts, _VERSION_ORDER)


def _orders(texts: Sequence[str] | None, known: set[str]) -> list[Order]:
    if len(texts or ()) > MOST_ORDERS:
        raise Invalid(f"At most {MOST_ORDERS} columns order a search.")
    found = [parse_order(text, attributes=known) for text in texts or ()]
    for one in found:
        if one.field.kind != "attribute":
            raise Invalid(f"The registry is not ordered by {one.field.kind}s.", code="bad_filter")
    return found


def chosen_models(rows: QuerySet[Model], where: Sequence[Comparison], order: Sequence[Order]) -> QuerySet[Model]:
    """The models that a search finds, by name where `order` leaves them equal, with their aliases."""
    for one in where:
        rows = rows.filter(_condition(one, {"name": "name"}))
    by = [OrderBy(_model_column(one.field.key), descending=one.descending, nulls_last=True) for one in order]
    return rows.order_by(*by, plain_text("name"))


def _model_column(key: str) -> Any:
    if key == "name":
        return plain_text("name")
    return F("created") if key == "creation_timestamp" else Coalesce("updated", "created")


def chosen_versions(
    rows: QuerySet[ModelVersion], where: Sequence[Comparison], order: Sequence[Order]
) -> QuerySet[ModelVersion]:
    """The versions that a search finds: those changed last first without an `order`, by name where it is equal."""
    rows = rows.annotate(told_run=Coalesce(NullIf("client_run", Value("")), "run_id"))
    for one in where:
        rows = rows.filter(_condition(one, _TEXTS))
    by = [OrderBy(_version_column(one.field.key), descending=one.descending, nulls_last=True) for one in order]
    newest = () if by else (Coalesce("updated", "created").desc(),)
    return rows.order_by(*by, *newest, plain_text("model__name"), F("version").desc())


def _version_column(key: str) -> Any:
    if key in _TEXTS:
        return plain_text(_TEXTS[key])
    if key.startswith("version"):
        return F("version")
    return F("created") if key == "creation_timestamp" else Coalesce("updated", "created")


def _condition(one: Comparison, texts: dict[str, str]) -> Q:
    field: Field = one.field
    if field.kind == "tag":
        return _absent_too(compared(member("tags", field.key), one, numeric=False), one)
    if field.kind == "attribute" and field.key in texts:
        return compared(plain_text(texts[field.key]), one, numeric=False)
    if field.kind == "attribute" and field.key.startswith("version"):
        return _of_number(one)
    raise Invalid(f"The registry is not searched by {field.kind}s such as {field.key[:40]!r}.", code="bad_filter")


def _absent_too(found: Q, one: Comparison) -> Q:
    """`!=` of a prompt's mark is true of what has no such mark."""
    if one.field.key == PROMPT_TAG and one.op == "!=":
        return found | ~Q(tags__has_key=PROMPT_TAG)
    return found


def _of_number(one: Comparison) -> Q:
    lookups = {"=": "version", "<": "version__lt", "<=": "version__lte", ">": "version__gt", ">=": "version__gte"}
    number = float(str(one.value))
    if abs(number) >= 2**31 or number != int(number):
        raise Invalid(f"The version_number is a whole number, not {str(one.value)[:40]}.", code="bad_filter")
    return ~Q(version=int(number)) if one.op == "!=" else Q(**{lookups[one.op]: int(number)})


def newest_of(models: Sequence[Model]) -> dict[int, list[ModelVersion]]:
    """The newest version of each stage, by the id of the model; one question for all of them."""
    rows = ModelVersion.objects.filter(model__in=[model.pk for model in models])
    newest = rows.order_by("model", "stage", "-version").distinct("model", "stage")
    shown = newest.select_related("model", "run", "created_by").prefetch_related("aliases").defer("files")
    found: dict[int, list[ModelVersion]] = {}
    for version in shown:
        found.setdefault(version.model_id, []).append(version)
    return found


def shown_model(ws: str, name: str, *, actor: Actor) -> dict[str, Any]:
    """One model as MLflow's client reads it. Raises NotFound."""
    found = queries.get_model(ws, name, actor=actor)
    return model_out(found, newest_of([found]).get(found.pk, ()))
