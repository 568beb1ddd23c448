"""Bodies and query strings of MLflow's calls, with proto's freedom: numbers as text, null as absent, others ignored."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from studio.kernel import hot
from studio.kernel.errors import Invalid
from studio.mlflow.errors import missing
from zaffre.protocol import MAX_JSON_BODY

T = TypeVar("T")
_LISTS = {"experiment_ids", "order_by", "stages"}
View = str | int | None


class KeyValue(msgspec.Struct):
    key: str | None = None
    value: str | None = None


class Metric(msgspec.Struct):
    key: str | None = None
    value: float | None = None
    timestamp: int | None = None
    step: int | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class CreateExperiment(msgspec.Struct):
    name: str | None = None
    artifact_location: str | None = None
    tags: list[KeyValue] | None = None


class ExperimentId(msgspec.Struct):
    experiment_id: str | None = None
    new_name: str | None = None


class ExperimentTag(msgspec.Struct):
    experiment_id: str | None = None
    key: str | None = None
    value: str | None = None


class ExperimentName(msgspec.Struct):
    experiment_name: str | None = None


class SearchExperiments(msgspec.Struct):
    max_results: int | None = None
    page_token: str | None = None
    filter: str | None = None
    order_by: list[str] | None = None
    view_type: View = None


class CreateRun(msgspec.Struct):
    experiment_id: str | None = None
    user_id: str | None = None
    run_name: str | None = None
    start_time: int | None = None
    tags: list[KeyValue] | None = None


class OfRun(msgspec.Struct):
    run_id: str | None = None
    run_uuid: str | None = None


class UpdateRun(OfRun):
    status: str | int | None = None
    end_time: int | None = None
    run_name: str | None = None


class SearchRuns(msgspec.Struct):
    experiment_ids: list[str] | None = None
    filter: str | None = None
    run_view_type: View = None
    max_results: int | None = None
    order_by: list[str] | None = None
    page_token: str | None = None


class LogMetric(OfRun):
    key: str | None = None
    value: float | None = None
    timestamp: int | None = None
    step: int | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogPair(OfRun):
    key: str | None = None
    value: str | None = None


class LogBatch(OfRun):
    metrics: list[Metric] | None = None
    params: list[KeyValue] | None = None
    tags: list[KeyValue] | None = None


class History(OfRun):
    metric_key: str | None = None
    page_token: str | None = None
    max_results: int | None = None


class ListArtifacts(OfRun):
    path: str | None = None


class CreateLoggedModel(msgspec.Struct):
    experiment_id: str | None = None
    name: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    params: list[KeyValue] | None = None
    tags: list[KeyValue] | None = None


class FinalizeLoggedModel(msgspec.Struct):
    status: str | int | None = None


class TagLoggedModel(msgspec.Struct):
    tags: list[KeyValue] | None = None


class ParamsOfLoggedModel(msgspec.Struct):
    params: list[KeyValue] | None = None


class OnDataset(msgspec.Struct):
    dataset_name: str | None = None
    dataset_digest: str | None = None


class OrderModels(OnDataset):
    field_name: str | None = None
    ascending: bool | None = None


class FileOfModel(msgspec.Struct):
    artifact_file_path: str | None = None


class SearchLoggedModels(msgspec.Struct):
    experiment_ids: list[str] | None = None
    filter: str | None = None
    datasets: list[OnDataset] | None = None
    max_results: int | None = None
    order_by: list[OrderModels] | None = None
    page_token: str | None = None


class Dataset(msgspec.Struct):
    name: str | None = None
    digest: str | None = None
    source_type: str | None = None
    source: str | None = None
    schema: str | None = None
    profile: str | None = None


class DatasetInput(msgspec.Struct):
    dataset: Dataset | None = None
    tags: list[KeyValue] | None = None


class ModelUse(msgspec.Struct):
    model_id: str | None = None
    step: int | None = None


class LogInputs(OfRun):
    datasets: list[DatasetInput] | None = None
    models: list[ModelUse] | None = None


class LogOutputs(OfRun):
    models: list[ModelUse] | None = None


class LogModel(OfRun):
    model_json: str | None = None


class SearchDatasets(msgspec.Struct):
    experiment_ids: list[str] | None = None


class RegisteredModel(msgspec.Struct):
    name: str | None = None
    new_name: str | None = None
    description: str | None = None
    tags: list[KeyValue] | None = None


class SearchRegistry(msgspec.Struct):
    filter: str | None = None
    max_results: int | None = None
    order_by: list[str] | None = None
    page_token: str | None = None


class LatestVersions(msgspec.Struct):
    name: str | None = None
    stages: list[str] | None = None


class RegistryTag(msgspec.Struct):
    name: str | None = None
    key: str | None = None
    value: str | None = None


class RegistryAlias(msgspec.Struct):
    name: str | None = None
    alias: str | None = None
    version: str | None = None


class ModelVersion(msgspec.Struct):
    name: str | None = None
    version: str | None = None
    description: str | None = None


class VersionTag(ModelVersion):
    key: str | None = None
    value: str | None = None


class Transition(ModelVersion):
    stage: str | None = None
    archive_existing_versions: bool | None = None


class ArtifactOfVersion(ModelVersion):
    path: str | None = None


class CreateModelVersion(msgspec.Struct):
    name: str | None = None
    source: str | None = None
    run_id: str | None = None
    run_link: str | None = None
    description: str | None = None
    model_id: str | None = None
    tags: list[KeyValue] | None = None


async def read(
    request: hot.Request, kind: type[T], *, limit: int = MAX_JSON_BODY, silent: bool = False
) -> tuple[T, bytes]:
    """What is asked, from the body or for GET from the query string, and the raw body. Raises Invalid, TooLarge.

    `silent`: a refusal tells no value, because it could be a password.
    """
    if request.method == "GET":
        return from_query(request, kind), b""
    raw = await request.body(limit=limit)
    try:
        asked = msgspec.json.decode(raw or b"{}", type=kind, strict=False)
        if b"\\u0000" in raw:
            _refuse_nul(msgspec.json.decode(raw))
    except msgspec.ValidationError as error:
        raise _misfit(error, _whole(raw), silent=silent) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The body is not what this call takes: {error}") from None
    return asked, raw


def _whole(raw: bytes) -> Any:
    """The body as it is, for showing what does not fit; None when a number or nest in it is too much to be held."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def from_query(request: hot.Request, kind: type[T]) -> T:
    found = {key: values if key in _LISTS else values[-1] for key, values in request.query.items()}
    _refuse_nul(found)
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _misfit(error, found) from None


def _misfit(error: msgspec.ValidationError, given: Any, *, silent: bool = False) -> Invalid:
    """The parameter that has not the right type, with its value, in the words of MLflow's server."""
    what, _, place = str(error).partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", place.rstrip("`"))
    for name, at in steps:
        inside = isinstance(given, dict) if name else isinstance(given, list)
        given = (given.get(name) if name else given[int(at)]) if inside else None
    if not steps:
        return Invalid(f"The body is not what this call takes: {what}.")
    name = "".join(f".{name}" if name else f"[{at}]" for name, at in steps).lstrip(".")
    shown = "" if silent or given is None else f" {msgspec.json.encode(given).decode()[:500]}"
    return Invalid(f"Invalid value{shown} for parameter '{name}' supplied: {what}.")


def _refuse_nul(value: Any) -> None:
    texts: list[Any] = [value]
    while texts:
        one = texts.pop()
        if isinstance(one, str) and "\0" in one:
            raise Invalid("The character NUL cannot be stored.")
        if isinstance(one, dict):
            texts += [*one, *one.values()]
        elif isinstance(one, list):
            texts += one


def run_id_of(asked: OfRun) -> str:
    """Raises Invalid when neither of the two names of a run's id is given."""
    found = asked.run_id or asked.run_uuid
    if not found:
        raise missing("run_id")
    return found


def needed(value: T | None, what: str) -> T:
    """The value. Raises Invalid when it is missing or empty."""
    if value is None or value == "":
        raise missing(what)
    return value


def version_of(given: str | None) -> int:
    """The number of a version. Raises Invalid when it is none."""
    text = needed(given, "version")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid(f"Parameter 'version' must be an integer, got '{text[:40]}'.")
    return int(text)


def tags_of(pairs: Sequence[KeyValue] | None) -> dict[str, str]:
    """Raises Invalid for a tag without a key."""
    return {needed(pair.key, "tags.key"): pair.value or "" for pair in pairs or []}


def page(asked: int | None, *, default: int, most: int) -> int:
    """How many are asked for. Raises Invalid outside of 1 to `most`."""
    wanted = default if asked is None else asked
    if not 1 <= wanted <= most:
        raise Invalid(f"Invalid value {wanted} for parameter 'max_results' supplied: it is 1 to {most}.")
    return wanted


def skipped(token: str | None) -> int:
    """How many the pages before have shown. Raises Invalid for a token that is not ours."""
    if not token:
        return 0
    if not (token[0] == "s" and token[1:].isascii() and token[1:].isdigit() and len(token) <= 10):
        raise Invalid(f"Invalid page token {token[:40]!r}.")
    return int(token[1:])


def archived(view: View) -> bool | None:
    """False for active ones, True for deleted ones, None for both. Raises Invalid."""
    words: dict[View, bool | None] = {
        None: False, "": False, "ACTIVE_ONLY": False, "DELETED_ONLY": True, "ALL": None, 1: False, 2: True, 3: None,
        "1": False, "2": True, "3": None,
    }  # fmt: skip
    if view not in words:
        raise Invalid(f"Invalid view type {str(view)[:40]!r}: it is ACTIVE_ONLY, DELETED_ONLY or ALL.")
    return words[view]
