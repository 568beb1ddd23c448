"""Searches of registered models and versions: the one grammar of all searches, in MLflow's words."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, FloatField, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, NullIf

from registry import queries
from registry.models import Model, ModelVersion
from runs.filters import And, Comparison, Field, Order, Tree, bad, parse_order, parse_tree
from runs.search import Key, Ordering, Source, condition, look, member, milliseconds, plain_text, text_key
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid
from studio.mlflow.registry_shapes import model_out

#: The client adds this to every search of models: a model without the tag is no prompt.
PROMPT_TAG = "mlflow.prompt.is_prompt"
_NO_PROMPT = f" AND tag.`{PROMPT_TAG}` != 'true'"
_TIMES = {"creation_timestamp": "time", "last_updated_timestamp": "time"}
_MODEL = {"name": "text", **_TIMES}
_MODEL_ORDER = {*_MODEL, "timestamp"}
_TEXTS = {"name": "model__name", "run_id": "told_run", "source_path": "source"}
_VERSION = {**dict.fromkeys(_TEXTS, "text"), "version_number": "number", **_TIMES}
MOST_ORDERS = 20


def of_models(text: str) -> Tree | None:
    """Raises Invalid `bad_filter`."""
    # What the client adds stands for all that was written before, also where that says OR.
    front = text.removesuffix(_NO_PROMPT)
    trees = [parse_tree(front, attributes=_MODEL)]
    if front != text:
        trees.append(parse_tree(_NO_PROMPT.removeprefix(" AND "), attributes=_MODEL))
    parts = tuple(tree for tree in trees if tree is not None)
    return And(parts) if len(parts) > 1 else next(iter(parts), None)


def of_versions(text: str) -> Tree | None:
    """Raises Invalid `bad_filter`."""
    return parse_tree(text, attributes=_VERSION)


def model_order(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    return _orders(texts, _MODEL_ORDER)


def version_order(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    return _orders(texts, set(_VERSION))


def _orders(texts: Sequence[str] | None, known: set[str]) -> list[Order]:
    if len(texts or ()) > MOST_ORDERS:
        raise Invalid(f"At most {MOST_ORDERS} columns order a search.")
    found = [parse_order(text, attributes=known) for text in texts or ()]
    for one in found:
        if one.field.kind != "attribute":
            raise Invalid(f"The registry is not ordered by {one.field.kind}s.", code="bad_filter")
    return found


def page_of_models(
    rows: QuerySet[Model], where: Tree | None, order: Sequence[Order], *, token: str | None, limit: int
) -> tuple[list[Model], str | None]:
    """A page of the models that a search finds, by name where `order` leaves them equal, and the next one's token."""
    last = [text_key(F("name"), sure=True), Key(F("pk"), "number", sure=True)]
    ordering = Ordering(order, lambda one: [_key(one, "name")], last)
    chosen = rows.filter(condition(where, _MODELS)) if where else rows
    return look(where, lambda: ordering.page(chosen, token=token, limit=limit))


def page_of_versions(
    rows: QuerySet[ModelVersion], where: Tree | None, order: Sequence[Order], *, token: str | None, limit: int
) -> tuple[list[ModelVersion], str | None]:
    """A page of the versions that a search finds, those changed last first without an `order`, else by name."""
    rows = rows.annotate(told_run=Coalesce(NullIf("client_run", Value("")), "run_id"))
    newest = [] if order else [Key(_changed("last_updated_timestamp"), "time", True, sure=True)]
    last = [*newest, text_key(F("model__name"), sure=True), Key(F("version"), "number", True, sure=True)]
    ordering = Ordering(order, lambda one: [_key(one, "model__name")], [*last, Key(F("pk"), "number", sure=True)])
    chosen = rows.filter(condition(where, _VERSIONS)) if where else rows
    return look(where, lambda: ordering.page(chosen, token=token, limit=limit))


def _key(one: Order, name: str) -> Key:
    key = one.field.key
    if key == "name":
        return text_key(F(name), descending=one.descending, sure=True)
    if key == "version_number":
        return Key(F("version"), "number", one.descending, sure=True)
    if key in _TEXTS:
        return text_key(F(_TEXTS[key]), descending=one.descending)
    return Key(_changed(key), "time", one.descending, sure=True)


def _changed(key: str) -> Any:
    return F("created") if key == "creation_timestamp" else Coalesce("updated", "created")


def _of_model(field: Field) -> Any:
    return _value(field, {"name": "name"})


def _of_version(field: Field) -> Any:
    if field.kind == "attribute" and field.key == "version_number":
        return Cast(F("version"), FloatField())
    return _value(field, _TEXTS)


def _value(field: Field, texts: dict[str, str]) -> Any:
    if field.kind == "tag":
        return member("tags", field.key)
    if field.kind != "attribute":
        raise bad(f"The registry is not searched by {field.kind}s such as {field.key[:40]!r}.", field.place)
    return plain_text(texts[field.key]) if field.key in texts else milliseconds(_changed(field.key))


def _absent_too(one: Comparison) -> Q | None:
    """`!=` of a prompt's mark is true of what has no such mark."""
    if one.field == Field("tag", PROMPT_TAG) and one.op == "!=":
        return ~Q(tags__contains={PROMPT_TAG: str(one.value)})
    return None


_MODELS = Source(_MODEL, _of_model, special=_absent_too)
_VERSIONS = Source(_VERSION, _of_version, special=_absent_too)


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
