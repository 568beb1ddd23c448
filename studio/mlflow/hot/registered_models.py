"""…/mlflow/registered-models/…: models of our registry."""

from typing import Any

from registry import queries, services
from registry.forms import stage_of
from registry.models import Model
from studio.kernel import db, hot
from studio.mlflow import registry_search, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.registry_shapes import model_out, version_out

MOST, DEFAULT = 1000, 100
Asked = wire.RegisteredModel


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST registered-models/create {name, tags?, description?} → {registered_model}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Asked)
    text, tags = asked.description or "", wire.tags_of(asked.tags)
    name = wire.needed(asked.name, "name")

    def make() -> dict[str, Any]:
        services.create_model(ws, actor=actor, name=name, description=text, tags=tags)
        return registry_search.shown_model(ws, name, actor=actor)

    return hot.json({"registered_model": await db.run(make)})


@door
async def get(request: hot.Request, ws: str) -> hot.Response:
    """GET registered-models/get?name= → {registered_model}"""
    actor = await actor_of(request)
    name = wire.needed(wire.from_query(request, Asked).name, "name")
    return hot.json({"registered_model": await db.run(registry_search.shown_model, ws, name, actor=actor)})


@door
async def update(request: hot.Request, ws: str) -> hot.Response:
    """PATCH registered-models/update {name, description} → {registered_model}"""
    return await _edit(request, ws, renames=False)


@door
async def rename(request: hot.Request, ws: str) -> hot.Response:
    """POST registered-models/rename {name, new_name} → {registered_model}"""
    return await _edit(request, ws, renames=True)


async def _edit(request: hot.Request, ws: str, *, renames: bool) -> hot.Response:
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Asked)
    name = wire.needed(asked.name, "name")
    new_name = wire.needed(asked.new_name, "new_name") if renames else None
    description = None if renames else asked.description or ""

    def change() -> dict[str, Any]:
        changed: Model = services.edit_model(ws, name, actor=actor, new_name=new_name, description=description)
        return registry_search.shown_model(ws, changed.name, actor=actor)

    return hot.json({"registered_model": await db.run(change)})


@door
async def delete(request: hot.Request, ws: str) -> hot.Response:
    """DELETE registered-models/delete {name} → {}"""
    actor = await actor_of(request)
    name = wire.needed((await wire.read(request, Asked))[0].name, "name")
    await db.run(services.delete_model, ws, name, actor=actor)
    return hot.json({})


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET registered-models/search?filter=&max_results=&order_by=&page_token= → {registered_models, …}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.SearchRegistry)
    limit = wire.page(asked.max_results, default=DEFAULT, most=MOST)
    where, order = registry_search.of_models(asked.filter or ""), registry_search.model_order(asked.order_by)

    def look() -> tuple[list[dict[str, Any]], str | None]:
        found, token = registry_search.page_of_models(
            queries.list_models(ws, actor=actor), where, order, token=asked.page_token, limit=limit
        )
        newest = registry_search.newest_of(found)
        return [model_out(one, newest.get(one.pk, ())) for one in found], token

    models, token = await db.run(look)
    return hot.json({"registered_models": models, **({"next_page_token": token} if token else {})})


@door
async def latest_versions(request: hot.Request, ws: str) -> hot.Response:
    """GET or POST registered-models/get-latest-versions {name, stages?} → {model_versions}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.LatestVersions)
    name, stages = wire.needed(asked.name, "name"), [stage_of(one).value for one in asked.stages or []]

    def look() -> list[dict[str, Any]]:
        model = queries.get_model(ws, name, actor=actor)
        found = registry_search.newest_of([model]).get(model.pk, [])
        return [version_out(one) for one in found if not stages or one.stage in stages]

    return hot.json({"model_versions": await db.run(look)})


@door
async def set_tag(request: hot.Request, ws: str) -> hot.Response:
    """POST registered-models/set-tag {name, key, value} → {}"""
    return await _tag(request, ws, gone=False)


@door
async def delete_tag(request: hot.Request, ws: str) -> hot.Response:
    """DELETE registered-models/delete-tag {name, key} → {}"""
    return await _tag(request, ws, gone=True)


async def _tag(request: hot.Request, ws: str, *, gone: bool) -> hot.Response:
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.RegistryTag)
    name, key = wire.needed(asked.name, "name"), wire.needed(asked.key, "key")
    tags = {key: None if gone else asked.value or ""}
    await db.run(lambda: services.tag_model(ws, name, actor=actor, tags=tags))
    return hot.json({})


@door
async def set_alias(request: hot.Request, ws: str) -> hot.Response:
    """POST registered-models/alias {name, alias, version} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.RegistryAlias)
    name, alias = wire.needed(asked.name, "name"), wire.needed(asked.alias, "alias")
    number = wire.version_of(asked.version)
    await db.run(services.set_alias, ws, name, alias, number, actor=actor)
    return hot.json({})


@door
async def delete_alias(request: hot.Request, ws: str) -> hot.Response:
    """DELETE registered-models/alias {name, alias} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.RegistryAlias)
    name, alias = wire.needed(asked.name, "name"), wire.needed(asked.alias, "alias")
    await db.run(services.delete_alias, ws, name, alias, actor=actor)
    return hot.json({})


@door
async def get_by_alias(request: hot.Request, ws: str) -> hot.Response:
    """GET registered-models/alias?name=&alias= → {model_version}"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.RegistryAlias)
    name, alias = wire.needed(asked.name, "name"), wire.needed(asked.alias, "alias")
    found = await db.run(lambda: version_out(queries.get_by_alias(ws, name, alias, actor=actor)))
    return hot.json({"model_version": found})
