"""Making logged models, filling them, and saying what was measured of them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from registry.loggedmodels import forms, queries
from registry.loggedmodels.models import LoggedFile, LoggedMetric, LoggedModel
from runs.fencing import admit
from runs.models import Experiment, Run
from runs.queries import get_experiment_by_id, get_run_briefly
from studio.kernel import manifests, paths
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from workspace.access import get_workspace
from workspace.audit.services import record

MOST_FILES = 20_000
#: Numbers that one model keeps.
MOST_METRICS = 100_000
Status = LoggedModel.Status


class Measured(NamedTuple):
    """A number about a model. `time` is in milliseconds since 1970."""

    model: str
    key: str
    value: float
    step: int
    time: int
    dataset_name: str = ""
    dataset_digest: str = ""


@transaction.atomic
def create_logged_model(
    slug: str,
    *,
    actor: Actor,
    experiment: int,
    name: str | None = None,
    kind: str = "",
    run_id: str = "",
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> LoggedModel:
    """Begin a model, whose files come next; `run_id` is the run that trained it.

    Code makes models of its own run and of the runs that it began. Raises Invalid, NotFound, Forbidden.
    """
    workspace = get_workspace(slug, actor=actor, action="model.create")
    group = get_experiment_by_id(slug, experiment, actor=actor)
    if group.archived:
        raise Invalid(f"The experiment {experiment} must be in the 'active' state. Current state is deleted.")
    run = _run_of(slug, run_id or (actor.run_id or ""), group, actor=actor)
    made = LoggedModel.objects.create(
        id=forms.new_id(),
        workspace=workspace,
        experiment=group,
        run=run,
        name=forms.clean_name(name),
        kind=kind[:500],
        params=_bounded(forms.clean_pairs(params or {}, noun="param", longest=forms.MAX_PARAM), forms.MAX_PARAMS),
        tags=_bounded(forms.clean_pairs(tags or {}, noun="tag", longest=forms.MAX_TAG), forms.MAX_TAGS),
        created_by_id=actor.user_id if actor.is_user or run is None else run.submitted_by_id,
    )
    return queries.get_logged_model(slug, made.pk, actor=actor)


def _run_of(slug: str, run_id: str, group: Experiment, *, actor: Actor) -> Run | None:
    if not run_id:
        return None
    run = get_run_briefly(slug, run_id, actor=actor)
    if actor.kind == "run":
        admit(run.pk, actor=actor, workspace=slug)
    return run


def _bounded(pairs: dict[str, str], most: int) -> dict[str, str]:
    if len(pairs) > most:
        raise TooLarge(f"A logged model keeps at most {most} of them, and these are {len(pairs)}.", code="too_many")
    return pairs


def _held(slug: str, model_id: str, *, actor: Actor) -> LoggedModel:
    """The model, locked until the commit. Raises NotFound, and Forbidden for code whose run it is not."""
    workspace = get_workspace(slug, actor=actor, action="model.create")
    rows = LoggedModel.objects.select_for_update(no_key=True).filter(workspace=workspace, deleted__isnull=True)
    found = rows.filter(pk=model_id.replace("\0", "")).first()
    if found is None:
        raise forms.no_such_logged_model(model_id)
    return found


def _writable(slug: str, model_id: str, *, actor: Actor) -> LoggedModel:
    """`_held`, for what makes the model what it is: its maker and the code of its run do that, and nobody else."""
    found = _held(slug, model_id, actor=actor)
    if actor.kind == "run":
        if found.run_id is None:
            raise Forbidden("Code writes to the models of its own run.")
        admit(found.run_id, actor=actor, workspace=slug)
    elif found.created_by_id != actor.user_id:
        raise Forbidden("Only who logged a model adds to it. Register it, or log another one.")
    return found


@transaction.atomic
def may_fill(slug: str, model_id: str, *, actor: Actor) -> int:
    """The id of the workspace whose bytes the model takes. Raises as `add_file`."""
    return _open(_writable(slug, model_id, actor=actor)).workspace_id


def _open(model: LoggedModel) -> LoggedModel:
    # What was registered of a finished model must stay what it is; MLflow's client writes files before it ends.
    if model.status == Status.FAILED:
        raise Conflict(f"The upload of the model {model.pk} failed; log another one.", code="final")
    return model


@transaction.atomic
def add_file(slug: str, model_id: str, *, actor: Actor, path: str, sha256: str) -> None:
    """Make uploaded bytes a file of the model; one that is there gets the new bytes. Raises Forbidden, Invalid."""
    model = _open(_writable(slug, model_id, actor=actor))
    entry = {"path": path, "sha256": sha256}
    kept = manifests.check([entry], workspace_id=model.workspace_id, max_files=1, max_bytes=2**62)[0]
    if model.files.exclude(path=kept["path"]).count() >= MOST_FILES:
        raise TooLarge(f"A model has at most {MOST_FILES} files.", code="too_many_files")
    LoggedFile.objects.bulk_create(
        [LoggedFile(model=model, path=kept["path"], sha256=kept["sha256"], size=kept["size"])],
        update_conflicts=True,
        unique_fields=["model", "path"],
        update_fields=["sha256", "size"],
    )


@transaction.atomic
def remove_files(slug: str, model_id: str, *, actor: Actor, path: str) -> None:
    """Take a file, or a folder with all below it, out of the model. Raises NotFound when nothing lies there."""
    model, inside = _writable(slug, model_id, actor=actor), paths.clean(path)
    count, _ = model.files.filter(Q(path=inside) | Q(path__startswith=f"{inside}/")).delete()
    if not count:
        raise NotFound(f"The model has no file {inside[:200]!r}.")


@transaction.atomic
def finish(slug: str, model_id: str, *, actor: Actor, status: str) -> LoggedModel:
    """Say that all files are there (`ready`), or that they do not come (`failed`). Saying it twice is no mistake."""
    model = _writable(slug, model_id, actor=actor)
    _change(model, status=Status(status))
    return queries.get_logged_model(slug, model_id, actor=actor)


def _change(model: LoggedModel, **fields: Any) -> None:
    LoggedModel.objects.filter(pk=model.pk).update(**fields, updated=Now())


@transaction.atomic
def add_params(slug: str, model_id: str, *, actor: Actor, params: Mapping[str, str]) -> None:
    """Add parameters. Raises Invalid for one that has another value already."""
    model = _writable(slug, model_id, actor=actor)
    for key, value in forms.clean_pairs(params, noun="param", longest=forms.MAX_PARAM).items():
        if model.params.setdefault(key, value) != value:
            raise Invalid(f"The param {key!r} of the model {model_id} has another value already.", code="param_changed")
    _change(model, params=_bounded(model.params, forms.MAX_PARAMS))


@transaction.atomic
def set_tags(slug: str, model_id: str, *, actor: Actor, tags: Mapping[str, str | None]) -> LoggedModel:
    """Set tags; None takes one away, and raises NotFound when there is none. Whoever may make models may do it."""
    model = _held(slug, model_id, actor=actor)
    wanted = {key: value for key, value in tags.items() if value is not None}
    for key in tags.keys() - wanted.keys():
        if model.tags.pop(key, None) is None:
            raise NotFound(f"No tag with key {key[:250]!r} found for model with ID {model_id[:80]!r}.")
    model.tags |= forms.clean_pairs(wanted, noun="tag", longest=forms.MAX_TAG)
    _change(model, tags=_bounded(model.tags, forms.MAX_TAGS))
    return queries.get_logged_model(slug, model_id, actor=actor)


@transaction.atomic
def delete_logged_model(slug: str, model_id: str, *, actor: Actor) -> None:
    """Hide a model. What was registered of it stays. Raises NotFound, Forbidden."""
    workspace = get_workspace(slug, actor=actor, action="run.edit")
    model = _held(slug, model_id, actor=actor)
    if actor.kind == "run":
        _writable(slug, model_id, actor=actor)
    _change(model, deleted=Now())
    record(actor=actor, workspace=workspace, action="logged_model.delete", target=model.pk, fields={"name": model.name})


@transaction.atomic
def measure(slug: str, run_id: str, *, actor: Actor, measured: Iterable[Measured]) -> None:
    """Keep numbers that a run measured of models; a repeat adds nothing. Raises NotFound for an unknown model.

    The run's own right to log was asked for when the same numbers became points of the run.
    """
    workspace = get_workspace(slug, actor=actor, action="run.write")
    rows = list(measured)
    asked = {one.model for one in rows}
    models = LoggedModel.objects.filter(workspace=workspace, deleted__isnull=True, pk__in=asked)
    known = {model.pk: model for model in models.select_for_update(no_key=True).order_by("pk")}
    for model_id in sorted(asked - known.keys()):
        raise forms.no_such_logged_model(model_id)
    for model in known.values():
        if model.metrics.count() + len(rows) > MOST_METRICS:
            raise TooLarge(f"The model {model.pk} has {MOST_METRICS} metrics, which are all that is kept of one.")
    LoggedMetric.objects.bulk_create(
        [
            LoggedMetric(
                model=known[one.model],
                run_id=run_id,
                key=one.key,
                value=one.value,
                step=one.step,
                time=one.time,
                dataset_name=one.dataset_name[:500],
                dataset_digest=one.dataset_digest[:36],
            )
            for one in rows
        ],
        ignore_conflicts=True,
    )
