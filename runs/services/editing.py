"""Changing what a run says of itself."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from runs import forms
from runs.fencing import hold_own_run, refuse_late_row
from runs.models import Run
from runs.queries import get_run_briefly
from runs.services.telling import tell
from runs.snapshots import queries as snapshots
from runs.snapshots.models import Snapshot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict
from workspace.audit.services import record
from workspace.forms import clean_key, clean_tags


@transaction.atomic
def edit_run(
    slug: str,
    run_id: str,
    *,
    actor: Actor,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str | None] | None = None,
    properties: Mapping[str, str] | None = None,
    snapshot: str | None = None,
) -> None:
    """Rename, describe or tag a run; a tag that is None is taken away. An interactive run may get its code later.

    Raises Conflict `immutable` for a property that has another value already: properties are written once; and as
    `runs.fencing` does for code that lost its run.
    """
    get_run_briefly(slug, run_id, actor=actor, action="run.edit")
    hold_own_run(run_id, actor=actor)
    rows = Run.objects.select_for_update(of=("self",), no_key=True).select_related("workspace", "experiment")
    run = rows.get(pk=run_id)
    if actor.kind == "run":
        refuse_late_row(run, actor=actor)
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = forms.clean_run_name(name)
    if description is not None:
        changes["description"] = forms.clean_description(description)
    if tags is not None:
        gone = {clean_key(key, noun="tag") for key, value in tags.items() if value is None}
        fresh = {key: value for key, value in tags.items() if value is not None}
        kept = {key: value for key, value in run.tags.items() if key not in gone}
        changes["tags"] = clean_tags(kept | fresh)
    if properties is not None:
        changes["properties"] = run.properties | _new_properties(run, clean_tags(properties, noun="property"))
    if snapshot is not None:
        changes["snapshot"] = _its_code(run, snapshot)
    if changes:
        Run.objects.filter(pk=run.pk).update(**changes)
        if actor.kind != "run":  # what code says of its own run is telemetry, not somebody's deed
            record(actor=actor, workspace=run.workspace, action="run.edit", target=run.pk, fields=sorted(changes))
        tell(run, run.status)


def _its_code(run: Run, snapshot: str) -> Snapshot:
    if run.kind != Run.Kind.INTERACTIVE or run.snapshot_id is not None:
        raise Conflict(_("The run has its code already: that of a run does not change."), code="has_snapshot")
    return snapshots.resolve(run.workspace, snapshot)


def _new_properties(run: Run, properties: dict[str, str]) -> dict[str, str]:
    for key, value in properties.items():
        if run.properties.get(key, value) != value:
            raise Conflict(
                _("The property %(key)s is %(properties)s and cannot be changed.")
                % {"key": repr(key), "properties": repr(run.properties[key])},
                code="immutable",
                hint=_("Properties are written once. Use a tag for what changes."),
                key=key,
            )
    return properties
