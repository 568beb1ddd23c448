"""The run that a claim begins, with all that its order to the node is made of: one question that PostgreSQL plans once.

The search for it is planned anew each time, because a node's room and the limits are part of it; with six tables more
that took longer than the rest of a claim.
"""

from runs import waiting
from runs.models import Experiment, Run
from runs.snapshots.models import Snapshot
from studio.kernel.rows import Rows
from workspace.accounts.models import User
from workspace.environments.models import Environment, EnvironmentVersion
from workspace.models import Workspace

#: Its decision, its order to the node, and what watchers are told.
_OF_RUN = (
    *("id", "workspace", "experiment", "snapshot", "environment_version", "submitted_by", "parent", "target"),
    *("name", "config", "inputs", "desired", "attempt_no", "queued_at", "turn"),
    *(name.removesuffix("_id") for name in waiting.NEED if name != "pk"),
)
_WHOLE = Rows(
    """
    SELECT {columns},
        (SELECT role FROM workspace_membership WHERE workspace_id = run.workspace_id AND user_id = submitter.id)
    FROM runs_run run
    JOIN workspace_workspace workspace ON workspace.id = run.workspace_id
    JOIN runs_experiment experiment ON experiment.id = run.experiment_id
    LEFT JOIN snapshots_snapshot snapshot ON snapshot.id = run.snapshot_id
    LEFT JOIN environments_environmentversion version ON version.id = run.environment_version_id
    LEFT JOIN environments_environment environment ON environment.id = version.environment_id
    LEFT JOIN accounts_user submitter ON submitter.id = run.submitted_by_id
    WHERE run.id = %(run)s
    """,
    {
        "run": (Run, _OF_RUN),
        "workspace": (Workspace, ("slug",)),
        "experiment": (Experiment, ("name",)),
        "snapshot": (Snapshot, ("files",)),
        "version": (EnvironmentVersion, ("environment", "version", "spec")),
        "environment": (Environment, ("name",)),
        "submitter": (User, ("username", "is_active", "is_superuser")),
    },
)


def order_of(run_id: str) -> Run:
    """The run that the caller has locked, with what it refers to, and `submitter_role`."""
    ((run, workspace, experiment, snapshot, version, environment, submitter, role),) = _WHOLE.ask(run=run_id)
    run.workspace, run.experiment, run.snapshot = workspace, experiment, snapshot
    run.environment_version, run.submitted_by, run.submitter_role = version, submitter, role
    if version is not None:
        version.environment = environment
    found: Run = run
    return found
