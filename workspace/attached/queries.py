"""Reading attached machines."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound
from workspace.access import get_workspace
from workspace.attached import words
from workspace.attached.models import Attachment, Host
from workspace.attached.places import fingerprint
from workspace.compute import kinds
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.queries import is_online, target_named


def get_attachment(slug: str, name: str, *, actor: Actor) -> Attachment:
    """Return the attached machine of a target. Raises NotFound."""
    target = target_named(get_workspace(slug, actor=actor, action="compute.read"), name)
    found = Attachment.objects.select_related("target__workspace", "node").filter(target=target).first()
    if found is None:
        raise NotFound(_("%(name)s is no attached machine.") % {"name": name})
    return found


def attachment_out(found: Attachment) -> dict[str, Any]:
    """What doors tell of it: never how it logs in."""
    return {
        "name": found.target.name,
        "address": found.host,
        "port": found.port,
        "username": found.username,
        "state": found.state,
        "reason": words.reason(found.code, found.about) if found.code else None,
        "host_key": fingerprint(found.host_key),
        "shown_key": fingerprint(found.shown_key),
        "steps": found.steps,
        "studio_url": found.studio_url or None,
        "slots": found.slots,
        "since": found.since,
        "folder": found.found.get("folder"),
        "python": found.found.get("version"),
    }


def all_attachments(*, actor: Actor) -> QuerySet[Attachment]:
    """Every machine that is to be looked after. For the studio's own hand."""
    if actor.kind != "system":
        raise Forbidden(_("Only the studio itself looks after machines."))
    return Attachment.objects.select_related("target__workspace", "node").filter(target__deleted__isnull=True)


def is_heard_of(node_id: str, *, actor: Actor) -> bool:
    """Whether the node has begun to work and was heard of lately. For the studio's own hand."""
    if actor.kind != "system":
        raise Forbidden(_("Only the studio itself looks after machines."))
    now = timezone.now()
    return any(is_online(node, now) for node in Node.objects.filter(pk=node_id))


def get_pool(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    """Return a cluster whose nodes are machines over SSH. Raises NotFound."""
    target = target_named(get_workspace(slug, actor=actor, action="compute.read"), name)
    if target.settings.get("provider") != kinds.SSH:
        raise NotFound(_("%(name)s takes its nodes from no pool of machines.") % {"name": name})
    return target


def list_hosts(slug: str, name: str, *, actor: Actor) -> list[Host]:
    """The machines of its pool, each with `.served`: the name of the node that it is now, or empty."""
    target = get_pool(slug, name, actor=actor)
    names = dict(Node.objects.filter(target=target).values_list("pk", "name"))
    found = list(target.hosts.order_by("pk"))
    for one in found:
        one.served = names.get(one.node, "")  # type: ignore[attr-defined]
    return found


def host_out(found: Host) -> dict[str, Any]:
    """What doors tell of it: never how it logs in."""
    return {
        "id": found.pk,
        "address": found.host,
        "port": found.port,
        "username": found.username,
        "secret": found.secret or None,
        "forward": found.forward,
        "state": found.state,
        "reason": words.reason(found.code, found.about) if found.code else None,
        "host_key": fingerprint(found.host_key),
        "shown_key": fingerprint(found.shown_key),
        "node": getattr(found, "served", "") or None,
        "since": found.since,
        "retry_at": found.retry_at if found.code and not found.blocked else None,
        "folder": found.found.get("folder"),
        "python": found.found.get("version"),
    }


def pool_hosts(*, actor: Actor) -> QuerySet[Host]:
    """Every machine of every pool, those of deleted clusters too: they are to be cleaned. For the studio's own hand."""
    if actor.kind != "system":
        raise Forbidden(_("Only the studio itself looks after machines."))
    return Host.objects.select_related("target__workspace").order_by("pk")
