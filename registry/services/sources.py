"""What lies at the source that a client gives for a version: a run's files, a logged model, another version."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from registry import forms
from registry.loggedmodels import queries as logged_models
from registry.loggedmodels.models import LoggedModel
from registry.models import ModelVersion
from registry.queries import get_by_alias, get_version
from runs.artifacts.queries import list_artifacts
from runs.models import Run
from runs.queries import get_run_briefly
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound

_RUN = re.compile(r"runs:/+([^/]+)/?(.*)\Z", re.DOTALL)
_RUN_PLACE = re.compile(r"mlflow-artifacts:/+(\d+)/([^/]+)/artifacts/?(.*)\Z", re.DOTALL)
_MODEL_PLACE = re.compile(r"mlflow-artifacts:/+(\d+)/models/([^/]+)/artifacts/?(.*)\Z", re.DOTALL)
_LOGGED = re.compile(r"models:/+(m-[0-9a-f]{32})/?\Z")
_VERSION = re.compile(r"models:/+([^/@]+)(?:/(\d{1,9})|@([\w-]+))\Z")


#: How often a version may be the copy of a copy.
COPIES = 10


@dataclass
class Found:
    """The files at a source, each with path and sha256, and whose they are."""

    files: list[dict[str, Any]] = field(default_factory=list)
    run: Run | None = None
    logged_model: str = ""
    #: The place below MLflow's artifacts, empty when the files are no place's but a version's own.
    place: str = ""


def look(slug: str, source: str, *, actor: Actor, logged_model: str = "") -> Found:
    """Find what lies there; nothing for a source outside of the studio. Raises Invalid for one that cannot be meant."""
    forms.refuse_local(source)
    if logged_model and (found := _of_logged(slug, logged_model, "", actor=actor)):
        return found
    if match := _MODEL_PLACE.match(source):
        return _of_logged(slug, match[2], match[3], actor=actor) or Found()
    if match := _LOGGED.match(source):
        return _of_logged(slug, match[1], "", actor=actor) or Found()
    if match := _RUN_PLACE.match(source):
        return _of_run(slug, match[2], match[3], actor=actor)
    if match := _RUN.match(source):
        return _of_run(slug, match[1], match[2], actor=actor)
    if match := _VERSION.match(source):
        return _of_version(slug, unquote(match[1]), match[2], match[3], actor=actor)
    return Found()


def original(slug: str, version: ModelVersion, *, actor: Actor) -> ModelVersion:
    """The version that this one is a copy of, or itself; a copy whose original was deleted stands for itself."""
    found = version
    for _ in range(COPIES):
        match = _VERSION.match(found.source)
        if not match or not match[2]:
            break
        try:
            above = get_version(slug, unquote(match[1]), int(match[2]), actor=actor)
        except NotFound:
            break
        if above.files != found.files:
            break
        found = above
    return found


def place_of(slug: str, version: ModelVersion, *, actor: Actor) -> str:
    """Where the files of a version came from, below MLflow's artifacts; empty when they are not there any more."""
    if not version.source:
        return ""
    found = look(slug, version.source, actor=actor, logged_model=version.logged_model)
    same = {(one["path"], one["sha256"]) for one in found.files} == {
        (one["path"], one["sha256"]) for one in version.files
    }
    return found.place if same and found.files else ""


def known_run(slug: str, run_id: str, *, actor: Actor) -> Run | None:
    """The run, None when there is none of this id here: a version may be brought from elsewhere."""
    try:
        return get_run_briefly(slug, run_id, actor=actor)
    except NotFound:
        return None


def _of_run(slug: str, run_id: str, path: str, *, actor: Actor) -> Found:
    run = known_run(slug, run_id, actor=actor)
    if run is None:
        return Found()
    inside = path.strip("/")
    rows = list_artifacts(slug, run.pk, actor=actor, prefix=inside).values_list("path", "sha256")
    files = _below(list(rows), inside)
    if not files and inside:
        # MLflow's client of today logs a model beside the run, and still calls it by the run.
        of_name = [one for one in logged_models.of_run(slug, run.pk, actor=actor) if one.name == inside]
        if of_name:
            return _of_logged(slug, of_name[-1].pk, "", actor=actor) or Found(run=run)
    place = f"{run.experiment_id}/{run.pk}/artifacts" + (f"/{inside}" if inside else "")
    return Found(files, run, "", place if files else "")


def _of_logged(slug: str, model_id: str, path: str, *, actor: Actor) -> Found | None:
    try:
        model: LoggedModel = logged_models.get_logged_model(slug, model_id, actor=actor)
    except NotFound:
        return None
    inside = path.strip("/")
    files = _below(list(model.files.order_by("path").values_list("path", "sha256")), inside)
    place = f"{model.experiment_id}/models/{model.pk}/artifacts" + (f"/{inside}" if inside else "")
    return Found(files, model.run, model.pk, place)


def _of_version(slug: str, name: str, version: str | None, alias: str | None, *, actor: Actor) -> Found:
    if alias:
        found = get_by_alias(slug, name, alias, actor=actor)
    else:
        found = get_version(slug, name, int(version or 0), actor=actor)
    return Found(list(found.files), found.run, found.logged_model)


def _below(rows: list[tuple[str, str]], folder: str) -> list[dict[str, Any]]:
    """The file at `folder`, or what lies below it, named from there on."""
    if not folder:
        return [{"path": path, "sha256": sha256} for path, sha256 in rows]
    return [
        {"path": path[len(folder) + 1 :] if path != folder else path.rpartition("/")[2], "sha256": sha256}
        for path, sha256 in rows
        if path == folder or path.startswith(f"{folder}/")
    ]
