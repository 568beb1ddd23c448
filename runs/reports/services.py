"""Writing reports."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from runs.models import Run
from runs.reports import blocks as parts
from runs.reports.models import Report
from runs.reports.queries import get_report
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict
from studio.kernel.events import publish
from studio.kernel.ids import ulid
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.models import Workspace

#: Reports that a workspace may have.
MOST = 5000


@transaction.atomic
def create_report(slug: str, *, actor: Actor, title: str, blocks: Iterable[Mapping[str, Any]]) -> Report:
    """Raises Invalid for what a report cannot be made of, Conflict `too_many`."""
    workspace = get_workspace(slug, actor=actor, action="report.create")
    title, cleaned = parts.clean_title(title), parts.clean(blocks)
    if Report.objects.filter(workspace=workspace).count() >= MOST:
        raise Conflict(
            _("A workspace has at most %(most)s reports.") % {"most": MOST},
            code="too_many",
            hint=_("Delete some first."),
        )
    made = Report.objects.create(
        id=ulid(),
        workspace=workspace,
        title=title,
        blocks=_named(workspace, cleaned),
        author_id=actor.user_id,
        changed_by_id=actor.user_id,
    )
    _tell(made, "report.create", actor=actor)
    return made


@transaction.atomic
def change_report(
    slug: str,
    report_id: str,
    *,
    actor: Actor,
    version: int,
    title: str | None = None,
    blocks: Iterable[Mapping[str, Any]] | None = None,
) -> Report:
    """Write over `version` of a report. Raises Conflict `changed` when somebody has written meanwhile, and Invalid."""
    found = get_report(slug, report_id, actor=actor, action="report.edit")
    changes: dict[str, Any] = {}
    if title is not None:
        changes["title"] = parts.clean_title(title)
    if blocks is not None:
        # A run that is deleted by now keeps the name that it had.
        before = {run: name for block in found.blocks for run, name in block.get("names", {}).items()}
        changes["blocks"] = _named(found.workspace, parts.clean(blocks), before)
    same = Report.objects.filter(pk=found.pk, version=version)
    if not same.update(**changes, version=F("version") + 1, changed=Now(), changed_by_id=actor.user_id):
        who = found.changed_by.shown_name if found.changed_by else "Somebody"
        raise Conflict(
            _("%(who)s has changed this report while you wrote. Nothing was overwritten.") % {"who": who},
            code="changed",
            hint=_("Look at both texts, take over what is missing, and save again."),
        )
    _tell(found, "report.edit", actor=actor, fields=sorted(changes))
    return get_report(slug, report_id, actor=actor)


@transaction.atomic
def delete_report(slug: str, report_id: str, *, actor: Actor) -> None:
    """The runs that it shows stay. Raises NotFound."""
    found = get_report(slug, report_id, actor=actor, action="report.delete")
    _tell(found, "report.delete", actor=actor)
    found.delete()


def _named(
    workspace: Workspace, blocks: list[dict[str, Any]], before: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    rows = Run.objects.filter(workspace=workspace, pk__in=parts.runs_of(blocks), deleted__isnull=True)
    return parts.with_names(blocks, {**(before or {}), **dict(rows.values_list("pk", "name"))})


def _tell(report: Report, action: str, *, actor: Actor, fields: Iterable[str] = ()) -> None:
    target = f"{report.title[:80]} ({report.pk})"
    record(actor=actor, workspace=report.workspace, action=action, target=target, fields=fields)
    publish(f"ws.{report.workspace.slug}", t="fact", topic="reports", report=report.pk)
