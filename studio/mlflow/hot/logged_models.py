"""…/mlflow/logged-models/…"""

from typing import Any

from registry.loggedmodels import queries, services
from registry.loggedmodels.models import LoggedModel
from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from studio.mlflow import model_search, places, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.hot import experiments
from studio.mlflow.hot.artifacts import answer, listed
from studio.mlflow.model_shapes import STATUSES, logged_model_out, model_root

MOST = 50


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST logged-models {experiment_id, name?, model_type?, source_run_id?, params?, tags?} → {model}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.CreateLoggedModel)
    number = wire.needed(asked.experiment_id, "experiment_id")

    def make() -> LoggedModel:
        return services.create_logged_model(
            ws,
            actor=actor,
            experiment=experiments.find(ws, number, actor=actor).pk,
            name=asked.name,
            kind=asked.model_type or "",
            run_id=asked.source_run_id or "",
            params=wire.tags_of(asked.params),
            tags=wire.tags_of(asked.tags),
        )

    return _answer(await db.run(make))


def _answer(model: LoggedModel) -> hot.Response:
    return hot.json({"model": logged_model_out(model)})


@door
async def get(request: hot.Request, ws: str, model: str) -> hot.Response:
    """GET logged-models/<id>?allow_deleted= → {model}"""
    actor = await actor_of(request)
    deleted = request.query.get("allow_deleted", [""])[-1] == "true"
    return _answer(await db.run(queries.get_logged_model, ws, model, actor=actor, deleted=deleted))


@door
async def finalize(request: hot.Request, ws: str, model: str) -> hot.Response:
    """PATCH logged-models/<id> {status} → {model}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.FinalizeLoggedModel)
    word = wire.needed(asked.status, "status")
    status = STATUSES.get(str(word))
    if status not in {LoggedModel.Status.READY, LoggedModel.Status.FAILED}:
        raise Invalid(f"Invalid model status: {str(word)[:60]!r}. Expected one of READY, FAILED.")
    return _answer(await db.run(lambda: services.finish(ws, model, actor=actor, status=status)))


@door
async def delete(request: hot.Request, ws: str, model: str) -> hot.Response:
    """DELETE logged-models/<id> → {}"""
    actor = await actor_of(request)
    await db.run(services.delete_logged_model, ws, model, actor=actor)
    return hot.json({})


@door
async def set_tags(request: hot.Request, ws: str, model: str) -> hot.Response:
    """PATCH logged-models/<id>/tags {tags} → {model}"""
    actor = await actor_of(request)
    tags = wire.tags_of((await wire.read(request, wire.TagLoggedModel))[0].tags)
    return _answer(await db.run(lambda: services.set_tags(ws, model, actor=actor, tags=dict(tags))))


@door
async def delete_tag(request: hot.Request, ws: str, model: str, key: str) -> hot.Response:
    """DELETE logged-models/<id>/tags/<key> → {}"""
    actor = await actor_of(request)
    await db.run(lambda: services.set_tags(ws, model, actor=actor, tags={key: None}))
    return hot.json({})


@door
async def log_params(request: hot.Request, ws: str, model: str) -> hot.Response:
    """POST logged-models/<id>/params {params} → {}"""
    actor = await actor_of(request)
    params = wire.tags_of((await wire.read(request, wire.ParamsOfLoggedModel))[0].params)
    await db.run(lambda: services.add_params(ws, model, actor=actor, params=params))
    return hot.json({})


@door
async def list_artifacts(request: hot.Request, ws: str, model: str) -> hot.Response:
    """GET logged-models/<id>/artifacts/directories?artifact_directory_path= → {root_uri, files}"""
    actor = await actor_of(request)
    folder = (request.query.get("artifact_directory_path") or [""])[-1].strip("/")
    inside = places.clean(folder) if folder else ""

    def look() -> tuple[str, list[dict[str, Any]]]:
        root = model_root(queries.get_logged_model(ws, model, actor=actor))
        return root, listed(places.ModelPlace(ws, model, actor=actor), inside)

    root, files = await db.run(look)
    for one in files:
        one["path"] = f"{inside}/{one['path']}" if inside else one["path"]
    return hot.json({"root_uri": root, "files": files})


@door
async def get_artifact(request: hot.Request, ws: str, model: str) -> hot.Response:
    """GET logged-models/<id>/artifacts/files?artifact_file_path=, as MLflow's pages download → the bytes"""
    actor = await actor_of(request)
    asked = wire.from_query(request, wire.FileOfModel)
    inside = places.clean(wire.needed(asked.artifact_file_path, "artifact_file_path"))
    return answer(request, await db.run(places.ModelPlace(ws, model, actor=actor).file, inside))


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """POST logged-models/search {experiment_ids, filter?, datasets?, order_by?, …} → {models, next_page_token?}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.SearchLoggedModels)
    limit = wire.page(asked.max_results, default=MOST, most=MOST)
    wire.needed(asked.experiment_ids or None, "experiment_ids")
    where = model_search.parse(asked.filter or "")
    order = [model_search.ordering(one) for one in asked.order_by or []]
    data = [(wire.needed(one.dataset_name, "dataset_name"), one.dataset_digest or "") for one in asked.datasets or []]

    def look() -> tuple[list[LoggedModel], str | None]:
        numbers = _numbers(ws, asked.experiment_ids or [], actor)
        rows = queries.list_logged_models(ws, actor=actor).filter(experiment__in=numbers)
        return model_search.page(rows, where, order, data, token=asked.page_token, limit=limit)

    found, token = await db.run(look)
    more = {"next_page_token": token} if token else {}
    return hot.json({"models": [logged_model_out(one) for one in found], **more})


def _numbers(ws: str, given: list[str], actor: Actor) -> list[int]:
    found = []
    for number in given:
        try:
            found.append(experiments.find(ws, number, actor=actor).pk)
        except NotFound:
            continue
    return found
