"""Logged models, and what runs read and made, in MLflow's words."""

from typing import Any

from registry.loggedmodels.models import LoggedModel
from runs.lineage.models import Source
from runs.lineage.queries import Lineage
from studio.mlflow.shapes import milliseconds, number, pairs

Status = LoggedModel.Status
_WORDS = {
    Status.PENDING: "LOGGED_MODEL_PENDING",
    Status.READY: "LOGGED_MODEL_READY",
    Status.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
#: By word and by the number that stands for it in proto.
STATUSES = {word: status for status, word in _WORDS.items()} | {
    str(at): status for at, status in enumerate(_WORDS, start=1)
}


def model_root(model: LoggedModel) -> str:
    return f"mlflow-artifacts:/{model.experiment_id}/models/{model.pk}/artifacts"


def logged_model_out(model: LoggedModel) -> dict[str, Any]:
    info = {
        "model_id": model.pk,
        "experiment_id": str(model.experiment_id),
        "name": model.name,
        "creation_timestamp_ms": milliseconds(model.created),
        "last_updated_timestamp_ms": milliseconds(model.updated),
        "artifact_uri": model_root(model),
        "status": _WORDS[Status(model.status)],
        "model_type": model.kind,
        "source_run_id": model.run_id or "",
        "tags": pairs(model.tags),
    }
    metrics = [
        {
            "key": one.key,
            "value": number(one.value),
            "timestamp": one.time,
            "step": one.step,
            "run_id": one.run_id,
            "model_id": model.pk,
            **({"dataset_name": one.dataset_name} if one.dataset_name else {}),
            **({"dataset_digest": one.dataset_digest} if one.dataset_digest else {}),
        }
        for one in model.metrics.all()
    ]
    return {"info": info, "data": {"params": pairs(model.params), "metrics": metrics}}


def source_out(source: Source) -> dict[str, str]:
    shown = {
        "name": source.name,
        "digest": source.digest,
        "source_type": source.source_type,
        "source": source.source,
        "schema": source.schema,
        "profile": source.profile,
    }
    return {key: value for key, value in shown.items() if value}


def lineage_out(found: Lineage) -> dict[str, Any]:
    """`inputs` and `outputs` of a run."""
    datasets = [{"tags": pairs(use.tags), "dataset": source_out(use.source)} for use in found.sources]
    models_in = [{"model_id": one.model_id} for one in found.models_in]
    models_out = [{"model_id": one.model_id, "step": one.step} for one in found.models_out]
    return {
        "inputs": {"dataset_inputs": datasets, "model_inputs": models_in},
        "outputs": {"model_outputs": models_out},
    }
