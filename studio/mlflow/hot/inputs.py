"""What a client says of a run's inputs and outputs: …/mlflow/runs/log-inputs, …/outputs, …/log-model."""

import json
from typing import Any

import msgspec

from runs import queries as runs
from runs import services as services_of_runs
from runs.lineage import queries, services
from studio.kernel import db, hot
from studio.kernel.errors import Invalid
from studio.mlflow import wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.hot import experiments

#: The tag in which MLflow 2 keeps what it says of its models.
HISTORY_TAG = "mlflow.log-model.history"
MOST_SUMMARIES, MOST_EXPERIMENTS = 1000, 20


@door
async def log_inputs(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/log-inputs {run_id, datasets?, models?} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.LogInputs)
    run_id = wire.run_id_of(asked)
    datasets = [_dataset(at, one) for at, one in enumerate(asked.datasets or [])]
    models = [wire.needed(one.model_id, f"models[{at}].model_id") for at, one in enumerate(asked.models or [])]
    await db.run(lambda: services.add_inputs(run_id, actor=actor, workspace=ws, datasets=datasets, models=models))
    return hot.json({})


def _dataset(at: int, given: wire.DatasetInput) -> services.Dataset:
    one = given.dataset
    if one is None:
        raise wire.missing(f"datasets[{at}].dataset")
    for what in ("name", "digest", "source_type", "source"):
        wire.needed(getattr(one, what), f"datasets[{at}].dataset.{what}")
    return services.Dataset(
        name=one.name or "",
        digest=one.digest or "",
        source_type=one.source_type or "",
        source=one.source or "",
        schema=one.schema or "",
        profile=one.profile or "",
        tags=wire.tags_of(given.tags),
    )


@door
async def log_outputs(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/outputs {run_id, models: [{model_id, step}]} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.LogOutputs)
    models = {
        wire.needed(one.model_id, f"models[{at}].model_id"): one.step or 0 for at, one in enumerate(asked.models or [])
    }
    run_id = wire.run_id_of(asked)
    await db.run(lambda: services.add_outputs(run_id, actor=actor, workspace=ws, models=models))
    return hot.json({})


@door
async def log_model(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/log-model {run_id, model_json} → {}: MLflow 2 notes its models in a tag of the run"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.LogModel)
    run_id, text = wire.run_id_of(asked), wire.needed(asked.model_json, "model_json")
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Invalid(f"Malformed model info. \n {text[:500]} \n is not a valid JSON.") from None
    absent = [key for key in ("artifact_path", "flavors", "utc_time_created", "run_id") if key not in (said or {})]
    if not isinstance(said, dict) or absent:
        raise Invalid(f"Model json is missing mandatory fields: {absent}.")

    def note() -> None:
        run = runs.get_run_as_told(ws, run_id, actor=actor, action="run.edit", deleted=False)
        held = json.loads(run.tags.get(HISTORY_TAG, "[]"))
        if said not in held:
            services_of_runs.edit_run(ws, run_id, actor=actor, tags={HISTORY_TAG: json.dumps([*held, said])})

    await db.run(note)
    return hot.json({})


@door
async def search_datasets(request: hot.Request, ws: str) -> hot.Response:
    """POST experiments/search-datasets {experiment_ids} → {dataset_summaries}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.SearchDatasets)
    given = asked.experiment_ids or []
    if not given:
        raise Invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(given) > MOST_EXPERIMENTS:
        told = f"SearchDatasets request cannot specify more than {MOST_EXPERIMENTS} experiment_ids."
        raise Invalid(f"{told} Received {len(given)} experiment_ids.")

    def look() -> list[dict[str, Any]]:
        numbers = [experiments.find(ws, number, actor=actor).pk for number in given]
        found = queries.sources_of(ws, numbers, actor=actor, limit=MOST_SUMMARIES)
        return [
            {"experiment_id": number, "name": source.name, "digest": source.digest, "context": context}
            for number, source, context in found
        ]

    return hot.json({"dataset_summaries": await db.run(look)})
