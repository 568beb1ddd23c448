"""Submitting a run: everything that can be wrong is refused here, before anybody waits."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from runs import forms
from runs.config import parse_config, require_script, secret_names
from runs.models import Experiment, Run, Status
from runs.origins import keeping as origins
from runs.queries import get_run_briefly
from runs.services.hints import ring
from runs.services.telling import tell
from runs.services.turning import next_turn
from runs.snapshots import queries as snapshots
from runs.snapshots.models import Snapshot
from runs.snapshots.services import CREATE, keep
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from studio.kernel.ids import pet_name, ulid
from studio.kernel.rows import Rows, insert, read
from workspace.access import authorize, get_workspace
from workspace.accounts.models import User
from workspace.audit.services import record
from workspace.compute import queries as compute
from workspace.datasets import queries as datasets
from workspace.environments import queries as environments
from workspace.environments import recipe
from workspace.forms import clean_tags
from workspace.models import Workspace
from workspace.secrets import queries as secrets
from zaffre.protocol import RunConfigBody


@transaction.atomic(savepoint=False)
def submit_run(
    slug: str,
    *,
    actor: Actor,
    experiment: str,
    config: Mapping[str, Any],
    snapshot: str | None = None,
    files: Sequence[Mapping[str, Any]] | None = None,
    git: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    name: str = "",
    parent: str = "",
) -> Run:
    """Queue a run of `snapshot` as `config` says; the experiment is made on its first use.

    In the place of a snapshot its list of `files` will do, as `runs.snapshots.services.create_snapshot` takes it.
    `parent` is the id of the run that it is a part of. Raises NotFound when there is none, and Invalid that names
    the nearest script, target, environment or dataset when one of these is not there.
    """
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    checked = parse_config(config)
    target = compute.resolve(workspace, checked["target"])
    compute.require_use(target, actor=actor)
    environment = environments.resolve(workspace, checked["environment"])
    code = _code(workspace, snapshot, files, actor=actor)
    require_script(checked, [entry["path"] for entry in code.files])
    _require_secrets(workspace, checked, actor=actor)
    asked = _asked(checked, environment.spec)
    group, number = open_experiment(workspace, experiment)
    run = Run(
        id=ulid(),
        workspace=workspace,
        experiment=group,
        number=number,
        name=forms.clean_run_name(name) if name else pet_name(number),
        parent=get_run_briefly(slug, parent, actor=actor) if parent else None,
        config=checked,
        snapshot=code,
        target=target,
        environment_version=environment,
        inputs=_inputs(workspace, checked),
        git=forms.clean_git(git or {}),
        tags=clean_tags(tags or {}),
        properties=clean_tags(properties or {}, noun="property"),
        max_retries=checked["max_retries"],
        **asked,
        turn=next_turn(target.pk, priority=asked["priority"], user_id=actor.user_id),
        submitted_by=next(iter(read(User, "id = %(id)s", {"id": actor.user_id})), None),
        queued_at=timezone.now(),
    )
    insert(run)
    origins.remember(run, git=git or {})
    record(actor=actor, workspace=workspace, action="run.submit", target=run.pk, fields={"experiment": group.name})
    ring(run.pk, target_id=target.pk)
    tell(run, Status.QUEUED)
    return run


def _require_secrets(workspace: Workspace, config: RunConfigBody, *, actor: Actor) -> None:
    if names := secret_names(config):
        authorize(workspace, actor=actor, action="secret.use")
        secrets.resolve(workspace, names)


def _code(
    workspace: Workspace, snapshot: str | None, files: Sequence[Mapping[str, Any]] | None, *, actor: Actor
) -> Snapshot:
    if files is not None:
        authorize(workspace, actor=actor, action=CREATE, role=getattr(workspace, "own_role", None))
        return keep(workspace, actor=actor, files=files)
    if not snapshot:
        raise Invalid(_("A submitted run needs the snapshot of its code."), field="snapshot")
    return snapshots.resolve(workspace, snapshot)


def require_submit(slug: str, *, actor: Actor) -> None:
    """Raise what `submit_run` would raise for who may not submit, before a form is filled in."""
    get_workspace(slug, actor=actor, action="run.submit")


_NEXT = Rows(
    """
    UPDATE runs_experiment experiment SET run_counter = run_counter + 1, archived = NULL
    WHERE workspace_id = %(workspace)s AND name = %(name)s RETURNING {columns}
    """,
    {"experiment": (Experiment, ())},
)


def open_experiment(workspace: Workspace, name: str) -> tuple[Experiment, int]:
    """The experiment of this name, made when there is none, and the number of its next run."""
    name = forms.clean_experiment_name(name)
    for again in (True, False):
        # The update locks the row: two submits at once get two numbers. A new run brings an archived experiment back.
        for (group,) in _NEXT.ask(workspace=workspace.pk, name=name):
            group.workspace = workspace
            return group, group.run_counter
        if again:
            Experiment.objects.get_or_create(workspace=workspace, name=name)
    raise NotFound(_("The experiment %(name)s was deleted at this moment.") % {"name": name}, hint=_("Try again."))


def _asked(config: RunConfigBody, environment: Mapping[str, Any]) -> dict[str, Any]:
    """The columns by which a claim finds a run that fits its node."""
    resources = config.get("resources", {})
    return {
        "cpus": resources.get("cpus", 0),
        "memory_mb": round(resources.get("memory_gb", 0) * 1024),
        "gpus": resources.get("gpus", 0),
        "wanted_labels": resources.get("labels", {}) | recipe.labels(environment),
        "priority": config.get("priority", 0),
        "nodes": config.get("node_count", 1),
    }


def _inputs(workspace: Workspace, config: RunConfigBody) -> dict[str, dict[str, Any]]:
    """The datasets in the versions that they have now: a later version must not change what this run reads."""
    found: dict[str, dict[str, Any]] = {}
    for name, given in config["inputs"].items():
        version = datasets.resolve_version(workspace, given["dataset"])
        found[name] = {
            "dataset": version.dataset.name,
            "version": version.version,
            "version_id": version.pk,
            "mode": given["mode"],
        }
    return found
