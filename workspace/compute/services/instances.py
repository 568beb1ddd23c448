"""Instances: one person's machine, which is started, stopped, kept and looked after.

The state is a word in the target's row that changes by compare-and-swap; the machine follows it by the row of its one
node, which stays for as long as the instance: stopping keeps the disk.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict
from workspace.access import authorize, get_workspace
from workspace.audit.services import record
from workspace.compute import kinds, lifecycle, schedules, words
from workspace.compute.lifecycle import (
    CREATING,
    FAILED,
    RESTARTING,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
)
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.queries import is_online, stops_at, target_named
from workspace.compute.services.happenings import happened
from workspace.compute.services.pool import add_node, present, tidy
from workspace.compute.services.targets import require_hand
from zaffre.protocol import QUEUED

#: Longest time for which somebody may keep an idle instance running at once.
KEEP = timedelta(hours=1)


@transaction.atomic
def start_instance(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    """Start a stopped instance; one that runs or comes up stays as it is. Raises NotFound, Conflict `stopping`."""
    target = _opened(slug, name, actor=actor)
    if target.state in (STOPPED, FAILED):
        _require_off(target)
        _up(target)
        _audit(target, "instance.start", actor=actor)
    elif target.state == STOPPING:
        raise _stopping(name)
    return target


@transaction.atomic
def stop_instance(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    """Stop an instance: what runs there is ended, each with its grace. One that stops or stands stays as it is."""
    target = _opened(slug, name, actor=actor)
    if target.state not in (STOPPING, STOPPED):
        _down(target, STOPPING)
        _audit(target, "instance.stop", actor=actor)
    return target


@transaction.atomic
def restart_instance(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    """Stop and start again; a stopped one is started. Raises Conflict `stopping`."""
    target = _opened(slug, name, actor=actor)
    if target.state in (STOPPED, FAILED):
        _require_off(target)
        _up(target)
    elif target.state == STOPPING:
        raise _stopping(name)
    elif target.state != RESTARTING:
        _down(target, RESTARTING)
    _audit(target, "instance.restart", actor=actor)
    return target


@transaction.atomic
def keep_instance(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    """Not stop it for being idle during the next hour. Raises Conflict `not_running`."""
    target = _opened(slug, name, actor=actor)
    if target.state != RUNNING:
        raise Conflict(_("%(name)s does not run.") % {"name": name}, code="not_running", hint=_("Start it first."))
    target.kept_until = timezone.now() + KEEP
    ComputeTarget.objects.filter(pk=target.pk).update(kept_until=target.kept_until)
    happened(target, "kept", text=actor.name)
    return target


def _opened(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    workspace = get_workspace(slug, actor=actor, action="compute.read")
    target = target_named(workspace, name, locked=True)
    require_hand(target, actor=actor)
    if target.kind != kinds.INSTANCE:
        raise Conflict(
            _("%(name)s is no instance: there is nothing to start or stop.") % {"name": name}, code="wrong_kind"
        )
    return target


def _stopping(name: str) -> Conflict:
    return Conflict(
        _("%(name)s is stopping.") % {"name": name}, code="stopping", hint=_("Start it when it has stopped.")
    )


def _is_off(target: ComputeTarget) -> bool:
    """Whether the machine is gone: what is still going cannot be what comes up."""
    return not target.nodes.filter(removed__isnull=True, ended__isnull=True).exclude(provider="").exists()


def _require_off(target: ComputeTarget) -> None:
    if not _is_off(target):
        raise _stopping(target.name)


def _audit(target: ComputeTarget, action: str, *, actor: Actor) -> None:
    record(actor=actor, workspace=target.workspace, action=action, target=target.name)


def _turn(
    target: ComputeTarget, state: str, *, code: str = "", why: Mapping[str, Any] | None = None, text: str = ""
) -> bool:
    """The one place where the state changes; False when somebody was faster."""
    told = {"reason_code": code, "why": dict(why or {}), "reason": text}
    rows = ComputeTarget.objects.filter(pk=target.pk, state=target.state, deleted__isnull=True)
    if not rows.update(state=state, since=Now(), **told):
        return False
    for name, value in {**told, "state": state, "since": timezone.now()}.items():
        setattr(target, name, value)
    happened(target, state, text=text, why=why)
    return True


def _up(target: ComputeTarget) -> None:
    node = target.nodes.filter(removed__isnull=True).exclude(provider="").order_by("-pk").first()
    if node is None:
        add_node(target)
    else:
        fresh: dict[str, Any] = {"state": Node.State.PREPARING, "wanted": True, "ended": None, "draining": None}
        fresh |= {"since": Now(), "handle": {}, "note": "", "why": {}, "idle_since": None, "epoch": ""}
        Node.objects.filter(pk=node.pk).update(**fresh)
    ComputeTarget.objects.filter(pk=target.pk).update(kept_until=None)
    _turn(target, STARTING)


def _down(target: ComputeTarget, state: str, *, why: Mapping[str, Any] | None = None) -> None:
    if _turn(target, state, code=(why or {}).get("code", ""), why=why):
        rows = target.nodes.filter(removed__isnull=True, wanted=True).exclude(provider="")
        rows.update(wanted=False, draining=Now(), state=Node.State.STOPPED, since=Now())


# --- rounds ---------------------------------------------------------------------------------------------


def tend_instances(*, actor: Actor) -> None:
    """Bring every instance nearer to what is wanted of it: the relay's round. Twice at once is harmless."""
    rows = ComputeTarget.objects.filter(kind=kinds.INSTANCE, deleted__isnull=True)
    for target_id in rows.values_list("pk", flat=True):
        tend_instance(target_id, actor=actor)


@transaction.atomic
def tend_instance(target_id: int, *, actor: Actor) -> None:
    """One instance, one round."""
    rows = ComputeTarget.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
    target = rows.select_related("workspace").filter(pk=target_id, deleted__isnull=True).first()
    if target is None:
        return
    authorize(target.workspace, actor=actor, action="compute.change")
    moment = timezone.now()
    _by_the_clock(target, moment)
    nodes = target.nodes.filter(removed__isnull=True).exclude(provider="")
    node = nodes.order_by("-pk").first()
    tidied = tidy(target, present(target)) if target.state in (CREATING, STARTING, RUNNING) else []
    if node is None:
        return
    node = next((one for one in tidied if one.pk == node.pk), node)
    _follow(target, node, moment)
    at = stops_at(target, [node])
    if at is not None and at <= moment and not _waits(target):
        minutes = target.settings["idle_minutes"]
        _down(target, STOPPING, why={"code": words.IDLE_STOP, "minutes": minutes})


def _follow(target: ComputeTarget, node: Node, moment: datetime) -> None:
    """The state after what its machine does now."""
    if target.state in lifecycle.COMING and node.state == Node.State.READY and is_online(node, moment):
        _turn(target, RUNNING)
    elif target.state in (*lifecycle.COMING, RUNNING) and node.state in (Node.State.UNUSABLE, Node.State.PREEMPTED):
        _turn(target, FAILED, code="failed", why=node.why, text=node.note.partition("\n")[0])
    elif target.state == STOPPING and node.ended is not None:
        _turn(target, STOPPED, code=target.reason_code, why=target.why, text=target.reason)
    elif target.state == RESTARTING and node.ended is not None:
        _up(target)


def _waits(target: ComputeTarget) -> bool:
    return ComputeTarget.objects.filter(pk=target.pk, runs__status=QUEUED, runs__not_before__isnull=True).exists()


def _by_the_clock(target: ComputeTarget, moment: datetime) -> None:
    """Start or stop it as its schedule says of the time since the last look."""
    schedule = target.settings.get("schedule") or {}
    if not (schedule.get("start") or schedule.get("stop")):
        return
    word = schedules.last_due(schedule, target.scheduled or moment, moment)
    ComputeTarget.objects.filter(pk=target.pk).update(scheduled=moment)
    if word == "start" and target.state in (STOPPED, FAILED) and _is_off(target):
        _up(target)
    elif word == "stop" and target.state in (*lifecycle.COMING, RUNNING):
        _down(target, STOPPING, why={"code": words.SCHEDULE})
