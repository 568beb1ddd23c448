"""What nodes say of builds that runs and endpoints made necessary: rows that have ended when they are written."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid
from studio.kernel.ids import ulid
from workspace.environments import forms, queries, states
from workspace.environments.models import EnvironmentBuild
from workspace.environments.services.telling import tell

#: Builds of one version that are kept; the oldest ended ones go.
MOST_BUILDS = 50


@transaction.atomic
def report_build(version_id: int, *, actor: Actor, told: Mapping[str, Any]) -> EnvironmentBuild:
    """Write down a build that a node did by itself. `told` as `forms.clean_report` takes it; raises Invalid."""
    version = queries.version_for_node(version_id, actor=actor)
    report = forms.clean_report(told)
    if report["status"] not in (states.SUCCEEDED, states.FAILED):
        raise Invalid(_("A build that nobody asked for succeeded or failed."), field="status")
    build = EnvironmentBuild.objects.create(
        id=ulid(),
        version=version,
        node_id=actor.node_id,
        node_name=actor.name,
        run=forms.line(told.get("run"), 26),
        ended=Now(),
        log=forms.log(told.get("log")),
        **report,
    )
    forget_old(version.pk)
    tell(version)
    return build


def forget_old(version_id: int) -> None:
    """Keep the newest builds of a version."""
    ended = EnvironmentBuild.objects.filter(version_id=version_id, status__in=states.FINAL).order_by("-id")
    EnvironmentBuild.objects.filter(pk__in=list(ended.values_list("pk", flat=True)[MOST_BUILDS:])).delete()
