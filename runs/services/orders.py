"""The run that a claim begins, with all that its order to the node is made of: one question that PostgreSQL plans once.

The search for it is planned anew each time, because a node's room and the limits are part of it; with six tables more
that took longer than the rest of a claim.
"""

from functools import cache
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Field, Model

from runs import waiting
from runs.models import Experiment, Run
from runs.snapshots.models import Snapshot
from studio.kernel import db
from workspace.accounts.models import User
from workspace.environments.models import Environment, EnvironmentVersion
from workspace.models import Workspace

#: Its decision, its order to the node, and what watchers are told.
_OF_RUN = (
    *("id", "workspace", "experiment", "snapshot", "environment_version", "submitted_by", "parent", "target"),
    *("name", "config", "inputs", "desired", "attempt_no", "queued_at", "turn"),
    *(name.removesuffix("_id") for name in waiting.NEED if name != "pk"),
)
_TABLES: tuple[tuple[str, type[Model], tuple[str, ...]], ...] = (
    ("run", Run, _OF_RUN),
    ("workspace", Workspace, ("id", "slug")),
    ("experiment", Experiment, ("id", "name")),
    ("snapshot", Snapshot, ("id", "files")),
    ("version", EnvironmentVersion, ("id", "environment", "version", "spec")),
    ("environment", Environment, ("id", "name")),
    ("submitter", User, ("id", "username", "is_active", "is_superuser")),
)
_WHOLE = """
SELECT %s, (SELECT role FROM workspace_membership WHERE workspace_id = run.workspace_id AND user_id = submitter.id)
FROM runs_run run
JOIN workspace_workspace workspace ON workspace.id = run.workspace_id
JOIN runs_experiment experiment ON experiment.id = run.experiment_id
LEFT JOIN snapshots_snapshot snapshot ON snapshot.id = run.snapshot_id
LEFT JOIN environments_environmentversion version ON version.id = run.environment_version_id
LEFT JOIN environments_environment environment ON environment.id = version.environment_id
LEFT JOIN accounts_user submitter ON submitter.id = run.submitted_by_id
WHERE run.id = %%(run)s
"""


class _Part(NamedTuple):
    """The columns of one table, in the order in which its model has them."""

    name: str
    model: type[Model]
    fields: "list[Field[Any, Any]]"

    def made(self, values: tuple[Any, ...]) -> Any:
        """The row, as the ORM would have read it with `only`; None where nothing was joined."""
        found = {one.attname: _read(one, value) for one, value in zip(self.fields, values, strict=True)}
        if found["id"] is None:
            return None
        return self.model.from_db(connection.alias, list(found), list(found.values()))


def _read(field: "Field[Any, Any]", value: Any) -> Any:
    convert = getattr(field, "from_db_value", None)
    return convert(value, None, connection) if convert else value


@cache
def _parts() -> tuple[str, list[_Part]]:
    """The statement, and how its rows are read."""
    parts = []
    for name, model, wanted in _TABLES:
        fields = [one for one in model._meta.concrete_fields if one.name in wanted]
        assert len(fields) == len(set(wanted)), f"a column of {name} is missing"
        parts.append(_Part(name, model, fields))
    return _WHOLE % ", ".join(f'{part.name}."{one.column}"' for part in parts for one in part.fields), parts


def order_of(run_id: str) -> Run:
    """The run that the caller has locked, with what it refers to, and `submitter_role`."""
    statement, parts = _parts()
    *values, role = db.ask(statement, {"run": run_id})[0]
    found, at = {}, 0
    for part in parts:
        found[part.name] = part.made(tuple(values[at : at + len(part.fields)]))
        at += len(part.fields)
    run, version = found["run"], found["version"]
    run.workspace, run.experiment, run.snapshot = found["workspace"], found["experiment"], found["snapshot"]
    run.environment_version, run.submitted_by, run.submitter_role = version, found["submitter"], role
    if version is not None:
        version.environment = found["environment"]
    return run
