"""Keeping where a run came from."""

from collections.abc import Mapping
from typing import Any

from runs.models import Run
from runs.origins.forms import clean_patch
from runs.origins.likeness import digest
from runs.origins.models import Likeness, Patch
from studio.kernel.rows import insert


def remember(run: Run, *, git: Mapping[str, Any]) -> None:
    """Keep the changes that no commit holds, and what makes another run the same work; in the caller's transaction."""
    text, left_out = clean_patch(git)
    if text or left_out:
        Patch.objects.create(run=run, text=text, left_out=left_out)
    if run.snapshot is None or run.environment_version is None:
        return
    told = digest(
        snapshot=run.snapshot.digest,
        environment=run.environment_version.digest,
        inputs=run.inputs,
        config=run.config,
    )
    insert(Likeness(run=run, workspace_id=run.workspace_id, digest=told))
