"""…/mlflow/experiments/…"""

from contextlib import suppress
from typing import Any

from runs import queries, search, services
from runs.models import Experiment
from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, NotFound
from studio.mlflow import filters, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.shapes import NOTE_TAG, experiment_out

#: What a client names that was never told of an experiment: MLflow's own server has it from the beginning.
DEFAULT_ID, DEFAULT_NAME = "0", "Default"
MOST = 50_000


def find(ws: str, number: str, *, actor: Actor) -> Experiment:
    """The experiment of an id as MLflow sends it. Raises NotFound."""
    if number == DEFAULT_ID:
        found = have_default(ws, actor=actor)
        return found or queries.get_experiment(ws, DEFAULT_NAME, actor=actor)
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise NotFound(f"There is no experiment {number[:40]!r} in {ws}.", experiment=number[:40])
    return queries.get_experiment_by_id(ws, int(number), actor=actor)


def have_default(ws: str, *, actor: Actor) -> Experiment | None:
    """What MLflow's server has from the beginning: made when a client first looks for it, None for who may not."""
    with suppress(NotFound):
        return queries.get_experiment(ws, DEFAULT_NAME, actor=actor)
    with suppress(Forbidden, Conflict):  # the latter: somebody was faster
        return services.create_experiment(ws, actor=actor, name=DEFAULT_NAME)
    return None


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST experiments/create {name, tags?, artifact_location?} → {experiment_id}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.CreateExperiment)
    name = wire.needed(asked.name, "name")
    tags = wire.tags_of(asked.tags)
    told = {"description": tags.pop(NOTE_TAG, ""), "artifact_location": asked.artifact_location or ""}

    def make() -> Experiment:
        have_default(ws, actor=actor)
        return services.create_experiment(ws, actor=actor, name=name, tags=tags, **told)

    return hot.json({"experiment_id": str((await db.run(make)).pk)})


@door
async def get(request: hot.Request, ws: str) -> hot.Response:
    """GET experiments/get?experiment_id= → {experiment}"""
    actor = await actor_of(request)
    number = wire.needed(wire.from_query(request, wire.ExperimentId).experiment_id, "experiment_id")
    return hot.json({"experiment": experiment_out(await db.run(find, ws, number, actor=actor))})


@door
async def get_by_name(request: hot.Request, ws: str) -> hot.Response:
    """GET experiments/get-by-name?experiment_name= → {experiment}, archived ones too"""
    actor = await actor_of(request)
    name = wire.needed(wire.from_query(request, wire.ExperimentName).experiment_name, "experiment_name")
    return hot.json({"experiment": experiment_out(await db.run(queries.get_experiment, ws, name, actor=actor))})


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET or POST experiments/search → {experiments, next_page_token?}, the newest first"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.SearchExperiments)
    limit = wire.page(asked.max_results, default=1000, most=MOST)
    where, archived = filters.of_experiments(asked.filter), wire.archived(asked.view_type)
    order = filters.order_of_experiments(asked.order_by)

    def look() -> tuple[list[Experiment], str | None]:
        have_default(ws, actor=actor)
        return search.search_experiments(
            ws,
            actor=actor,
            where=where,
            order=order,
            archived=archived,
            after=asked.page_token or None,
            limit=limit,
        )

    found, token = await db.run(look)
    more = {"next_page_token": token} if token else {}
    return hot.json({"experiments": [experiment_out(one) for one in found], **more})


@door
async def update(request: hot.Request, ws: str) -> hot.Response:
    """POST experiments/update {experiment_id, new_name} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.ExperimentId)
    number, name = wire.needed(asked.experiment_id, "experiment_id"), wire.needed(asked.new_name, "new_name")

    def change() -> None:
        services.rename_experiment(ws, find(ws, number, actor=actor).pk, actor=actor, name=name)

    await db.run(change)
    return hot.json({})


@door
async def delete(request: hot.Request, ws: str) -> hot.Response:
    """POST experiments/delete {experiment_id} → {}: it is archived, and can be restored"""
    actor = await actor_of(request)
    number = wire.needed((await wire.read(request, wire.ExperimentId))[0].experiment_id, "experiment_id")
    await db.run(lambda: services.archive_experiment(ws, find(ws, number, actor=actor).pk, actor=actor))
    return hot.json({})


@door
async def restore(request: hot.Request, ws: str) -> hot.Response:
    """POST experiments/restore {experiment_id} → {}"""
    actor = await actor_of(request)
    number = wire.needed((await wire.read(request, wire.ExperimentId))[0].experiment_id, "experiment_id")
    await db.run(lambda: services.restore_experiment(ws, find(ws, number, actor=actor).pk, actor=actor))
    return hot.json({})


@door
async def set_tag(request: hot.Request, ws: str) -> hot.Response:
    """POST experiments/set-experiment-tag {experiment_id, key, value} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.ExperimentTag)
    number, key = wire.needed(asked.experiment_id, "experiment_id"), wire.needed(asked.key, "key")
    change: dict[str, Any] = {"tags": {key: asked.value or ""}}
    if key == NOTE_TAG:
        change = {"description": asked.value or ""}
    await db.run(lambda: services.tag_experiment(ws, find(ws, number, actor=actor).pk, actor=actor, **change))
    return hot.json({})


@door
async def delete_tag(request: hot.Request, ws: str) -> hot.Response:
    """POST experiments/delete-experiment-tag {experiment_id, key} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.ExperimentTag)
    number, key = wire.needed(asked.experiment_id, "experiment_id"), wire.needed(asked.key, "key")

    def take_away() -> None:
        found = find(ws, number, actor=actor)
        if key == NOTE_TAG and found.description:
            services.tag_experiment(ws, found.pk, actor=actor, description="")
        elif key in found.tags:
            services.tag_experiment(ws, found.pk, actor=actor, tags={key: None})
        else:
            raise NotFound(f"No tag with name: {key[:250]} in experiment with id {number}")

    await db.run(take_away)
    return hot.json({})
