"""Builds that people ask for: a node of the chosen target makes the version, before a run needs it."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from studio.kernel.ids import ulid
from studio.kernel.jobs import hint_pool
from studio.kernel.states import advance
from workspace.access import authorize
from workspace.audit.services import record
from workspace.compute.queries import node_of
from workspace.compute.queries import resolve as resolve_target
from workspace.environments import forms, queries, recipe, states
from workspace.environments.models import EnvironmentBuild
from workspace.environments.services.reporting import forget_old
from workspace.environments.services.telling import tell
from zaffre.protocol import SYNC_TASK, BuildSpec

BUILD = "environment.build"
LIVE = (states.QUEUED, states.RUNNING)
_WHOLE = EnvironmentBuild.objects.select_related("version__environment__workspace")


@transaction.atomic
def start_build(
    slug: str, name: str, version: int | None = None, *, actor: Actor, target: str = "", again: bool = False
) -> tuple[EnvironmentBuild, bool]:
    """Have a node of `target` make a version; returns the build, and whether it was begun now.

    One that goes on there already is returned instead. `again` makes it anew where a node has it. Raises NotFound,
    Forbidden, Invalid for a target that is not there or a kind that nothing is built for.
    """
    found = queries.get_version(slug, name, version, actor=actor)
    workspace = found.environment.workspace
    authorize(workspace, actor=actor, action=BUILD)
    if not recipe.is_built(found.spec):
        raise Invalid(
            _("Nothing is built for %(name)s:%(version)s: it is used as the node has it.")
            % {"name": name, "version": found.version},
            code="nothing_to_build",
        )
    place = resolve_target(workspace, target or _only_target(workspace))
    # The version's row is the lock: two who ask at once get one build.
    type(found).objects.select_for_update(no_key=True).get(pk=found.pk)
    live = EnvironmentBuild.objects.filter(version=found, target=place, status__in=LIVE).first()
    if live is not None:
        return live, False
    build = EnvironmentBuild.objects.create(
        id=ulid(), version=found, target=place, again=again, created_by_id=actor.user_id
    )
    facts = {"target": place.name, "build": build.pk}
    record(actor=actor, workspace=workspace, action=BUILD, target=f"{name}:{found.version}", fields=facts)
    hint_pool(place.pk, SYNC_TASK)
    tell(found)
    return build, True


def _only_target(workspace: Any) -> str:
    names = list(workspace.targets.order_by("pk").values_list("name", flat=True)[:2])
    if len(names) == 1:
        return str(names[0])
    if "local" in workspace.targets.values_list("name", flat=True):
        return "local"
    raise Invalid(_("Say on which compute target it is to be built."), code="no_target", field="target")


@transaction.atomic
def cancel_build(slug: str, build_id: str, *, actor: Actor) -> EnvironmentBuild:
    """End a build: one that waits at once, one that runs as soon as its node hears of it.

    Raises NotFound, Forbidden, Conflict `ended` for one that has ended.
    """
    build = queries.get_build(slug, build_id, actor=actor)
    workspace = build.version.environment.workspace
    authorize(workspace, actor=actor, action=BUILD)
    rows = EnvironmentBuild.objects.filter(pk=build.pk)
    if not advance(rows, frm=[states.QUEUED], status=states.CANCELED, ended=Now()):
        if not rows.filter(status=states.RUNNING).update(cancel_requested=True):
            raise Conflict(_("This build has ended already."), code="ended")
        hint_pool(build.target_id or 0, SYNC_TASK)
    name = f"{build.version.environment.name}:{build.version.version}"
    record(actor=actor, workspace=workspace, action="environment.cancel", target=name, fields={"build": build.pk})
    tell(build.version)
    return build


@transaction.atomic
def sync_builds(*, actor: Actor, epoch: str, free: bool, builds: list[dict[str, Any]]) -> list[BuildSpec]:
    """Take what a node says of its builds; return those that it should go on with, and one more when it is `free`.

    Raises as `node_of`.
    """
    node = node_of(actor=actor, epoch=epoch, action="environment.make")
    told = {str(one.get("id", "")): one for one in builds}
    mine = EnvironmentBuild.objects.filter(node=node, status=states.RUNNING).select_related(
        "version__environment__workspace"
    )
    for build in mine.order_by("pk"):
        if build.pk in told:
            _take(build, told[build.pk])
        else:
            _end(build, states.FAILED, reason="The node was started anew while it built.")
    if free and not mine.exists():
        _give_one(node)
    return [
        BuildSpec(id=one.pk, environment=queries.as_spec(one.version), again=one.again, cancel=one.cancel_requested)
        for one in mine.order_by("pk")
    ]


def _take(build: EnvironmentBuild, told: dict[str, Any]) -> None:
    report = forms.clean_report(told)
    status = report.pop("status")
    if status in states.FINAL:
        _end(build, status, log=forms.log(told.get("log")), **report)
        return
    said = forms.log(told["log"]) if isinstance(told.get("log"), str) else build.log
    EnvironmentBuild.objects.filter(pk=build.pk, status=states.RUNNING).update(last_seen=Now(), log=said)
    if said != build.log:
        tell(build.version)


def _end(build: EnvironmentBuild, status: str, **changes: Any) -> None:
    if advance(EnvironmentBuild.objects.filter(pk=build.pk), frm=[*LIVE], status=status, ended=Now(), **changes):
        forget_old(build.version_id)
        tell(build.version)


def _give_one(node: Any) -> None:
    waiting = _WHOLE.filter(target=node.target_id, status=states.QUEUED).order_by("pk")
    # One that another node is taking in this moment is skipped, not waited for.
    build = (
        waiting.select_for_update(skip_locked=True, of=("self",))
        .select_related("version__environment__workspace")
        .first()
    )
    if build is not None:
        EnvironmentBuild.objects.filter(pk=build.pk).update(
            status=states.RUNNING, node=node, node_name=node.name, started=Now(), last_seen=Now()
        )
        tell(build.version)


def give_up_builds(*, actor: Actor) -> int:
    """Fail the builds whose nodes have been silent for a lease; returns how many."""
    silent = Now() - timedelta(seconds=settings.LEASE_SECONDS)
    lost = _WHOLE.filter(status=states.RUNNING).filter(Q(last_seen__lt=silent) | Q(node=None))
    rows = list(lost)
    for build in rows:
        _end(build, states.FAILED, reason=f"The node {build.node_name} fell silent while it built.")
    return len(rows)
