"""…/mlflow/model-versions/…: versions of models of our registry."""

from typing import Any

from registry import queries, services
from studio.kernel import db, hot
from studio.kernel.errors import NotFound
from studio.mlflow import places, registry_search, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.hot.artifacts import answer
from studio.mlflow.registry_shapes import own_place, version_out

MOST, DEFAULT = 200_000, 10_000


def _named(asked: wire.ModelVersion) -> tuple[str, int]:
    return wire.needed(asked.name, "name"), wire.version_of(asked.version)


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST model-versions/create {name, source, run_id?, tags?, description?, model_id?, …} → {model_version}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.CreateModelVersion)
    name, source = wire.needed(asked.name, "name"), wire.needed(asked.source, "source")
    tags = wire.tags_of(asked.tags)

    def make() -> dict[str, Any]:
        made = services.register_from_source(
            ws,
            name,
            actor=actor,
            source=source,
            run_id=asked.run_id or "",
            run_link=asked.run_link or "",
            logged_model=asked.model_id or "",
            description=asked.description or "",
            tags=tags,
        )
        return version_out(queries.get_version(ws, name, made.version, actor=actor))

    return hot.json({"model_version": await db.run(make)})


@door
async def get(request: hot.Request, ws: str) -> hot.Response:
    """GET model-versions/get?name=&version= → {model_version}"""
    actor = await actor_of(request)
    name, number = _named(wire.from_query(request, wire.ModelVersion))
    found = await db.run(lambda: version_out(queries.get_version(ws, name, number, actor=actor)))
    return hot.json({"model_version": found})


@door
async def update(request: hot.Request, ws: str) -> hot.Response:
    """PATCH model-versions/update {name, version, description} → {model_version}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.ModelVersion)
    (name, number), text = _named(asked), asked.description or ""
    change = lambda: services.change_version(ws, name, number, actor=actor, description=text)  # noqa: E731
    return hot.json({"model_version": await db.run(lambda: version_out(change()))})


@door
async def transition(request: hot.Request, ws: str) -> hot.Response:
    """POST model-versions/transition-stage {name, version, stage, archive_existing_versions} → {model_version}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.Transition)
    (name, number), stage = _named(asked), wire.needed(asked.stage, "stage")
    others = bool(asked.archive_existing_versions)

    def change() -> dict[str, Any]:
        changed = services.change_version(ws, name, number, actor=actor, stage=stage, archive_others=others)
        return version_out(changed)

    return hot.json({"model_version": await db.run(change)})


@door
async def delete(request: hot.Request, ws: str) -> hot.Response:
    """DELETE model-versions/delete {name, version} → {}"""
    actor = await actor_of(request)
    name, number = _named((await wire.read(request, wire.ModelVersion))[0])
    await db.run(services.delete_version, ws, name, number, actor=actor)
    return hot.json({})


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET model-versions/search?filter=&max_results=&order_by=&page_token= → {model_versions, next_page_token?}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.SearchRegistry)
    limit = wire.page(asked.max_results, default=DEFAULT, most=MOST)
    where, order = registry_search.of_versions(asked.filter or ""), registry_search.version_order(asked.order_by)

    def look() -> tuple[list[dict[str, Any]], str | None]:
        found, token = registry_search.page_of_versions(
            queries.search_versions(ws, actor=actor), where, order, token=asked.page_token, limit=limit
        )
        return [version_out(one) for one in found], token

    versions, token = await db.run(look)
    return hot.json({"model_versions": versions, **({"next_page_token": token} if token else {})})


@door
async def download_uri(request: hot.Request, ws: str) -> hot.Response:
    """GET model-versions/get-download-uri?name=&version= → {artifact_uri}

    Where the files came from while they are there, and else where the version keeps them itself.
    """
    actor = await actor_of(request)
    name, number = _named(wire.from_query(request, wire.ModelVersion))

    def look() -> str:
        found = services.original(ws, queries.get_version(ws, name, number, actor=actor), actor=actor)
        place = services.place_of(ws, found, actor=actor)
        if place:
            return f"mlflow-artifacts:/{place}"
        return own_place(found) if found.files or not found.source else found.source

    return hot.json({"artifact_uri": await db.run(look)})


@door
async def set_tag(request: hot.Request, ws: str) -> hot.Response:
    """POST model-versions/set-tag {name, version, key, value} → {}"""
    return await _tag(request, ws, gone=False)


@door
async def delete_tag(request: hot.Request, ws: str) -> hot.Response:
    """DELETE model-versions/delete-tag {name, version, key} → {}"""
    return await _tag(request, ws, gone=True)


async def _tag(request: hot.Request, ws: str, *, gone: bool) -> hot.Response:
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.VersionTag)
    (name, number), key = _named(asked), wire.needed(asked.key, "key")
    tags = {key: None if gone else asked.value or ""}
    await db.run(lambda: services.tag_version(ws, name, number, actor=actor, tags=tags))
    return hot.json({})


@door
async def get_artifact(request: hot.Request, ws: str) -> hot.Response:
    """GET /model-versions/get-artifact?name=&version=&path=, as MLflow's pages download → the bytes"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.ArtifactOfVersion)
    (name, number), inside = _named(asked), places.clean(wire.needed(asked.path, "path"))

    def look() -> places.Kept:
        found = queries.get_version(ws, name, number, actor=actor)
        for entry in found.files:
            if entry["path"] == inside:
                return places.Kept(entry["path"], entry["sha256"], entry["size"])
        raise NotFound(f"The version has no file {inside[:200]!r}.")

    return answer(request, await db.run(look))
