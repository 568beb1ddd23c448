"""Reading reports."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from runs.reports.models import Report
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from workspace.access import get_workspace

READ = "report.read"


def list_reports(slug: str, *, actor: Actor) -> QuerySet[Report]:
    """Return the reports of the workspace without their blocks, what changed last first."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    rows = Report.objects.filter(workspace=workspace).select_related("author", "changed_by")
    return rows.defer("blocks").order_by("-changed", "-pk")


def get_report(slug: str, report_id: str, *, actor: Actor, action: str = READ) -> Report:
    """Return one report. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action=action)
    rows = Report.objects.filter(workspace=workspace, pk=report_id.replace("\0", ""))
    found = rows.select_related("workspace", "author", "changed_by").first()
    if found is None:
        raise NotFound(
            _("There is no report %(report_id)s in %(slug)s. It may have been deleted.")
            % {"report_id": repr(report_id[:40]), "slug": slug}
        )
    return found


def report_out(report: Report) -> dict[str, Any]:
    return {
        "id": report.pk,
        "title": report.title,
        "version": report.version,
        "author": report.author.shown_name if report.author else None,
        "changed_by": report.changed_by.shown_name if report.changed_by else None,
        "created": report.created,
        "changed": report.changed,
        "blocks": report.blocks,
    }
