"""What the form of a run offers, and the code that a form from nothing names."""

import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from runs import queries
from runs.cloning import Form
from runs.config import DEFAULT_ENVIRONMENT, DEFAULT_TARGET
from runs.models import Run
from runs.origins.known import git_of
from runs.snapshots.queries import get_snapshot
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from workspace.compute.queries import list_targets
from workspace.datasets.queries import list_datasets
from workspace.environments.queries import list_environments
from zaffre.protocol import (
    ALWAYS_OUT,
    BACKENDS,
    DISTRIBUTIONS,
    IGNORE_FILES,
    MAX_SNAPSHOT_BYTES,
    MAX_SNAPSHOT_FILES,
)

#: Names that a form offers.
MOST = 500
#: Runs whose code is offered before anything is typed.
LATEST = 12
#: What the browser holds files to, before it sends any.
RULES = json.dumps(
    {"files": MAX_SNAPSHOT_FILES, "bytes": MAX_SNAPSHOT_BYTES, "ignore": IGNORE_FILES, "out": sorted(ALWAYS_OUT)}
)


def offered(ws: str, *, actor: Actor) -> dict[str, Any]:
    """What there is in the workspace that a run may name."""
    return {
        "targets": list_targets(ws, actor=actor),
        "environments": list_environments(ws, actor=actor),
        "datasets": list_datasets(ws, actor=actor),
        "experiments": queries.list_experiments(ws, actor=actor)[:MOST],
        "distributions": DISTRIBUTIONS,
        "backends": BACKENDS,
    }


def first_form(ws: str, given: Mapping[str, str], *, actor: Actor) -> Form:
    """An empty form with what the address says: `experiment`, `target`, `environment`, `run` (whose code)."""
    targets = [one.name for one in list_targets(ws, actor=actor)]
    usual = targets[0] if len(targets) == 1 else DEFAULT_TARGET if DEFAULT_TARGET in targets else ""
    return Form(
        code="run" if given.get("run") else "sent",
        from_run=given.get("run", ""),
        experiment=given.get("experiment", ""),
        target=given.get("target", "") or usual,
        environment=given.get("environment", "") or DEFAULT_ENVIRONMENT,
    )


def code_of(ws: str, form: Form, *, actor: Actor) -> dict[str, Any]:
    """The code that a form names, as `submit_run` takes it. Raises Invalid `code` or `from_run`."""
    if form.code != "run":
        if not form.snapshot:
            raise Invalid(_("Choose the code: a folder, files or a zip."), field="code")
        return {"snapshot": form.snapshot}
    run = _earlier(ws, form, actor=actor)
    if run is None:
        raise Invalid(
            _("There is no run %(word)s in this workspace.") % {"word": form.from_run.strip()[:80]}, field="from_run"
        )
    if run.snapshot_id is None:
        raise Invalid(_("%(name)s has no snapshot.") % {"name": run.name}, field="from_run")
    return {"snapshot": run.snapshot_id, "git": git_of(run)}


def sent(ws: str, form: Form, *, actor: Actor) -> dict[str, Any]:
    """The files of the code that the form names by now, and runs whose code may be taken."""
    rows = queries.list_runs(ws, actor=actor, where="", archived=None, limit=LATEST)
    shown: dict[str, Any] = {"latest": [queries.run_out(one) for one in rows], "rules": RULES}
    try:
        if form.code == "run":
            run = _earlier(ws, form, actor=actor)
            found = run.snapshot if run else None
        else:
            found = get_snapshot(ws, form.snapshot, actor=actor) if form.snapshot else None
    except NotFound:
        found = None
    if found is None:
        return shown
    return shown | {"sent": found, "scripts": [one["path"] for one in found.files][:MOST]}


def _earlier(ws: str, form: Form, *, actor: Actor) -> Run | None:
    return queries.find_run(ws, form.from_run.strip()[:300], experiment=0, actor=actor)
