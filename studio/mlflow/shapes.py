"""Our rows in MLflow's words."""

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from runs.metrics import columns
from runs.models import Experiment, Run, Status
from runs.told import Told
from studio.kernel.errors import Invalid
from zaffre.protocol import CANCELED, COMPLETED, FAILED, NOT_STARTED, QUEUED

NAME_TAG, PARENT_TAG, NOTE_TAG = "mlflow.runName", "mlflow.parentRunId", "mlflow.note.content"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENDS = {"FINISHED": COMPLETED, "FAILED": FAILED, "KILLED": CANCELED}
_STATUS = {NOT_STARTED: "SCHEDULED", QUEUED: "SCHEDULED", **{ours: theirs for theirs, ours in ENDS.items()}}
_NUMBERED = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


def status_word(given: str | int) -> str:
    """MLflow's word for a status given as word or number. Raises Invalid."""
    word = _NUMBERED.get(given, "") if isinstance(given, int) else given
    if word not in _NUMBERED.values():
        raise Invalid(f"Invalid value {str(given)[:40]!r} for parameter 'status' supplied.")
    return word


def status_of(status: str) -> str:
    return _STATUS.get(status, "RUNNING")


def statuses_of(word: str) -> list[str]:
    """Our states that MLflow calls so."""
    return [status for status in Status.values if status_of(status) == word]


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def moment(given: int | None, what: str) -> datetime | None:
    """The time that a client says in milliseconds; None when it says none. Raises Invalid."""
    if not given:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=given)
    except OverflowError:
        raise Invalid(f"Invalid value {given} for parameter '{what}' supplied: it is no time.") from None


def number(value: float | str) -> float | str:
    """A value as MLflow's JSON says it: NaN by name, infinities as the largest numbers."""
    plain = columns.number(value)
    if math.isinf(plain):
        return math.copysign(sys.float_info.max, plain)
    return columns.plain(plain)


def pairs(found: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in found.items()]


def artifact_root(run: Run) -> str:
    return _root(run.experiment_id, run.pk)


def _root(experiment_id: int, run_id: str) -> str:
    return f"mlflow-artifacts:/{experiment_id}/{run_id}/artifacts"


def run_info(run: Run) -> dict[str, Any]:
    info = {
        "run_id": run.pk,
        "run_uuid": run.pk,
        "run_name": run.name,
        "experiment_id": str(run.experiment_id),
        "user_id": run.client_user or (run.submitted_by.username if run.submitted_by else ""),
        "status": status_of(run.status),
        "start_time": milliseconds(run.started or run.created),
        "artifact_uri": artifact_root(run),
        "lifecycle_stage": "deleted" if run.deleted or run.experiment.archived else "active",
    }
    if run.ended:
        info["end_time"] = milliseconds(run.ended)
    return info


def run_out(run: Run) -> dict[str, Any]:
    own = {NAME_TAG: run.name}
    if run.parent_id:
        own[PARENT_TAG] = run.parent_id
    if run.description:
        own[NOTE_TAG] = run.description
    latest = {key: summary.get("latest") for key, summary in run.metrics.items()}
    metrics = [
        {"key": key, "value": number(found[2]), "timestamp": found[1], "step": found[0]}
        for key, found in latest.items()
        if found
    ]
    data = {"metrics": metrics, "params": pairs(run.params), "tags": pairs(own | run.tags | {NAME_TAG: run.name})}
    return {"info": run_info(run), "data": data}


class _Metric(msgspec.Struct):
    key: str
    value: float | str
    timestamp: int
    step: int


def told_out(run: Told) -> dict[str, Any]:
    """`run_out` of a run that was read without a model."""
    info = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.name,
        "experiment_id": str(run.experiment_id),
        "user_id": run.user,
        "status": status_of(run.status),
        "start_time": run.began,
        "artifact_uri": _root(run.experiment_id, run.id),
        "lifecycle_stage": "active" if run.active else "deleted",
    }
    if run.ended is not None:
        info["end_time"] = run.ended
    own = {NAME_TAG: run.name, PARENT_TAG: run.parent_id, NOTE_TAG: run.description}
    tags = {key: value for key, value in own.items() if value} | run.tags | {NAME_TAG: run.name}
    metrics = [_Metric(key, number(value), at, step) for key, step, at, value in run.latest]
    return {"info": info, "data": {"metrics": metrics, "params": pairs(run.params), "tags": pairs(tags)}}


def experiment_out(experiment: Experiment) -> dict[str, Any]:
    created = milliseconds(experiment.created)
    return {
        "experiment_id": str(experiment.pk),
        "name": experiment.name,
        "artifact_location": experiment.artifact_location or f"mlflow-artifacts:/{experiment.pk}",
        "lifecycle_stage": "deleted" if experiment.archived else "active",
        "creation_time": created,
        "last_update_time": milliseconds(experiment.updated) or created,
        "tags": pairs(({NOTE_TAG: experiment.description} if experiment.description else {}) | experiment.tags),
    }


def points_out(key: str, series: columns.Series, run_id: str | None = None) -> list[dict[str, Any]]:
    """Points, each with the id of its run if that is given."""
    values: list[Any] = series.value.tolist()
    if not np.isfinite(series.value).all():
        values = [number(value) for value in values]
    rows = zip(values, series.time.tolist(), series.step.tolist(), strict=True)
    if run_id is None:
        return [{"key": key, "value": value, "timestamp": at, "step": step} for value, at, step in rows]
    return [{"key": key, "value": value, "timestamp": at, "step": step, "run_id": run_id} for value, at, step in rows]
