"""Letting machines in, what they say of themselves, draining and removing them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from studio.kernel import tokens
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from studio.kernel.events import publish
from studio.kernel.ids import ulid
from workspace.access import authorize, get_workspace
from workspace.audit.services import record
from workspace.compute import forms, kinds, shelves, words
from workspace.compute.models import Enrolment, Node, Sample
from workspace.compute.queries import built_of, get_node, is_online, node_among, target_named
from workspace.compute.services.happenings import happened
from workspace.compute.services.targets import require_hand

#: How long an enrolment is good when nothing else is said.
ENROLMENT = timedelta(hours=24)
MAX_EPOCH = 40
#: Between two samples of a node's load that are kept, and between two notes that somebody looks at it.
SAMPLED, LOOKED = timedelta(seconds=20), timedelta(seconds=10)
#: Nodes of one target, removed ones not counted: an enrolment that got out must not fill the table.
MOST_NODES = 1000


@transaction.atomic
def create_enrolment(slug: str, name: str, *, actor: Actor, valid: timedelta = ENROLMENT) -> tuple[Enrolment, str]:
    """Let machines join a target for a while; returns the row and the token, which is shown only now."""
    workspace = get_workspace(slug, actor=actor, action="node.register")
    if actor.kind == "enrolment":
        raise Forbidden(_("An enrolment admits machines; it makes no further enrolments."))
    target = target_named(workspace, name)
    enrolment_id = ulid()
    text, kept = tokens.new("reg", enrolment_id)
    enrolment = Enrolment.objects.create(
        id=enrolment_id,
        target=target,
        secret_hash=kept,
        created_by_id=actor.user_id,
        expires=timezone.now() + valid,
    )
    facts = {"enrolment": enrolment_id, "expires": enrolment.expires.isoformat()}
    record(actor=actor, workspace=workspace, action="enrolment.create", target=target.name, fields=facts)
    if actor.is_user:  # the studio's own are for one machine, which is told of when it comes
        happened(target, "invited", text=actor.name)
    return enrolment, text


@transaction.atomic
def revoke_enrolment(slug: str, name: str, enrolment_id: str, *, actor: Actor) -> None:
    """Admit no further machine by this enrolment; those that joined stay. Repeating it is harmless.

    Raises NotFound when the target has no such enrolment.
    """
    workspace = get_workspace(slug, actor=actor, action="compute.change")
    target = target_named(workspace, name)
    rows = Enrolment.objects.filter(target=target, pk=enrolment_id.replace("\0", ""))
    if not rows.exists():
        raise NotFound(
            _("%(name)s has no enrolment %(enrolment_id)s.") % {"name": name, "enrolment_id": repr(enrolment_id[:40])}
        )
    if rows.filter(revoked__isnull=True).update(revoked=Now()):
        record(
            actor=actor,
            workspace=workspace,
            action="enrolment.revoke",
            target=name,
            fields={"enrolment": enrolment_id},
        )
        happened(target, "invitation_revoked", text=actor.name)


@transaction.atomic
def register_node(*, actor: Actor, name: object, facts: Mapping[str, Any]) -> tuple[Node, str]:
    """Admit a machine that came with an enrolment; returns its row and its own token, which is shown only now.

    Raises Forbidden for anybody but an enrolment, Conflict `too_many_nodes`.
    """
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Send an enrolment token in the Authorization header."))
    if actor.kind != "enrolment":
        raise Forbidden(
            _("This address takes an enrolment token."), hint=_("Make one on the page of the compute target.")
        )
    # Locked: a revocation that committed first is final, and the nodes are counted one after another.
    rows = Enrolment.objects.select_for_update(of=("self", "target"), no_key=True)
    enrolment = rows.select_related("target__workspace").filter(pk=actor.token_id, revoked__isnull=True).first()
    if enrolment is None:
        raise Unauthenticated(_("This enrolment was revoked."), code="revoked")
    target = enrolment.target
    authorize(target.workspace, actor=actor, action="node.register")
    if Node.objects.filter(target=target, removed__isnull=True).count() >= MOST_NODES:
        raise Conflict(
            _("%(target)s has %(most)s nodes, the most there may be.") % {"target": target.name, "most": MOST_NODES},
            code="too_many_nodes",
            hint=_("Remove the ones that are gone."),
        )
    node_id = enrolment.node_id or ulid()
    text, kept = tokens.new("node", node_id)
    facts_kept, slots = forms.clean_facts(facts), forms.slots_of(facts)
    told = {"secret_hash": kept, "facts": facts_kept, "slots": slots}
    if enrolment.node_id is None:
        node = Node.objects.create(id=node_id, target=target, name=forms.clean_node_name(name), last_seen=Now(), **told)
        happened(target, "node_joined", node=node.name)
    elif Node.objects.filter(pk=node_id, wanted=True, removed__isnull=True).update(**told, last_seen=Now()):
        # The row came before the machine, and has its name.
        node = Node.objects.get(pk=node_id)
        publish(f"compute.{target.workspace.slug}", target=target.name, node=node_id)
    else:
        raise Unauthenticated(_("This node is not wanted any more."), code="removed")
    record(
        actor=actor,
        workspace=target.workspace,
        action="node.register",
        target=node.name,
        fields={"node": node_id, "target": target.name},
    )
    return node, text


@transaction.atomic
def greet_node(*, actor: Actor, epoch: str, facts: Mapping[str, Any]) -> Node:
    """A new life of the agent presents itself; from now on the earlier one is refused.

    Facts that are left out stay as they were. Raises Unauthenticated for a node that was removed.
    """
    node = _locked_node(actor)
    if not epoch or len(epoch) > MAX_EPOCH or not epoch.isprintable():
        raise Invalid(_("An epoch has 1 to %(most)s visible characters.") % {"most": MAX_EPOCH}, field="epoch")
    node.epoch = epoch
    changes: dict[str, Any] = {"epoch": epoch}
    if facts:
        node.facts, node.slots = forms.clean_facts(facts), forms.slots_of(facts)
        changes |= {"facts": node.facts, "slots": node.slots}
    Node.objects.filter(pk=node.pk).update(last_seen=Now(), **changes)
    coming = Node.objects.filter(pk=node.pk, state=Node.State.PREPARING, wanted=True)
    if coming.update(state=Node.State.READY, since=Now(), note="", why={}, idle_since=None):
        happened(node.target, "node_ready", node=node.name)
    publish(f"compute.{node.target.workspace.slug}", target=node.target.name, node=node.pk)
    return node


@transaction.atomic
def note_node(*, actor: Actor, epoch: str, load: Mapping[str, Any], said: object = "", shelf: object = None) -> Node:
    """Take a sign of life. Raises Conflict `stale_epoch` when another life of the agent greeted since,
    Unauthenticated for a node that was removed."""
    node = _locked_node(actor)
    if node.epoch != epoch:
        raise Conflict(
            _("Another life of this node has greeted since."), code="stale_epoch", hint=_("Say hello, then go on.")
        )
    was_online = is_online(node, timezone.now())
    node.load = forms.clean_load(load)
    changes: dict[str, Any] = {"load": node.load}
    if node.sampled is None or timezone.now() - node.sampled > SAMPLED:
        changes["sampled"] = Now()
        Sample.objects.create(node=node, at=Now(), load=node.load)
    if said:
        changes |= {"said": forms.clean_log(said), "said_at": Now()}
    if shelf is not None:
        changes["shelf"] = node.shelf = shelves.clean_shelf(shelf, now=timezone.now())
    if node.evicting:
        node.evicting = shelves.still_evicting(node.evicting, node.shelf, now=timezone.now())
        changes["evicting"] = node.evicting
    Node.objects.filter(pk=node.pk).update(last_seen=Now(), **changes)
    if not was_online:
        publish(f"compute.{node.target.workspace.slug}", target=node.target.name, node=node.pk)
    return node


def _locked_node(actor: Actor) -> Node:
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Send a node token in the Authorization header."))
    if actor.kind != "node":
        raise Forbidden(_("This address takes the token of a node."))
    rows = Node.objects.select_for_update(of=("self",), no_key=True).select_related("target__workspace")
    node = rows.filter(pk=actor.node_id, removed__isnull=True).first()
    if node is None:
        raise Unauthenticated(_("This node was removed."), code="removed", hint=_("Enrol the machine again."))
    authorize(node.target.workspace, actor=actor, action="node.renew")
    return node


@transaction.atomic
def remove_node(slug: str, name: str, node_id: str, *, actor: Actor) -> None:
    """Take a machine out of a target: its token is dead, and what it runs loses its lease.

    It still knows the password of the pool's queue, where it can read hints; without a token they open nothing.
    Raises NotFound when the target has no such node.
    """
    workspace = get_workspace(slug, actor=actor, action="compute.change")
    target = target_named(workspace, name)
    node = node_among(target.nodes.select_for_update(no_key=True), name, node_id)
    Node.objects.filter(pk=node.pk).update(removed=Now())
    record(actor=actor, workspace=workspace, action="node.remove", target=node.name, fields={"node": node.pk})
    happened(target, "node_removed", node=node.name, text=actor.name)


@transaction.atomic
def drain_node(slug: str, name: str, node_id: str, *, actor: Actor, draining: bool = True) -> None:
    """Give a node nothing new, or again something; what runs there goes on. Repeating it is harmless.

    Raises NotFound when the target has no such node.
    """
    workspace = get_workspace(slug, actor=actor, action="compute.change")
    _drain(node_among(target_named(workspace, name).nodes.all(), name, node_id), draining, actor=actor)


@transaction.atomic
def drain_self(*, actor: Actor, draining: bool = True) -> Node:
    """`drain_node` for the machine that asks with its own token, as `zaffre node drain` does on it."""
    node = _locked_node(actor)
    _drain(node, draining, actor=actor)
    return node


def _drain(node: Node, draining: bool, *, actor: Actor) -> None:
    target = node.target
    changes: dict[str, Any] = {"draining": Now() if draining else None}
    rows = Node.objects.filter(pk=node.pk, draining__isnull=draining)
    if node.provider and target.kind == kinds.CLUSTER:
        # A node of a cluster goes when it is empty; as long as it has not, that can be taken back.
        before, after = (Node.State.READY, Node.State.LEAVING) if draining else (Node.State.LEAVING, Node.State.READY)
        rows, changes = rows.filter(state=before, wanted=True), {**changes, "state": after, "since": Now()}
    changed = rows.update(**changes)
    if changed:
        verb = "node.drain" if draining else "node.undrain"
        record(actor=actor, workspace=target.workspace, action=verb, target=node.name, fields={"node": node.pk})
        code = "node_drained" if draining else "node_undrained"
        happened(target, code, node=node.name, text=actor.name if actor.is_user else "")


@transaction.atomic
def evict_environment(slug: str, name: str, node_id: str, digest: str, *, actor: Actor) -> dict[str, Any]:
    """Have a node remove one environment that it keeps; returns what that one is. It goes with the node's next sign of
    life, and is built again when a run needs it. Repeating it is harmless.

    Raises NotFound, Conflict `in_use` while a run uses it, and `offline` when nobody hears of the node.
    """
    workspace = get_workspace(slug, actor=actor, action="compute.read")
    target = target_named(workspace, name)
    require_hand(target, actor=actor)
    node = node_among(target.nodes.select_for_update(no_key=True), name, node_id)
    found = next((one for one in node.shelf.get("kept", []) if digest and one["digest"] == digest), None)
    if found is None:
        raise NotFound(
            _("%(node)s keeps no environment %(digest)s.") % {"node": node.name, "digest": repr(digest[:64])}
        )
    if found["busy"]:
        raise Conflict(_("A run uses this environment now."), code="in_use", hint=_("Wait until it has ended."))
    if not is_online(node, timezone.now()):
        raise Conflict(
            _("Nobody hears of %(node)s now.") % {"node": node.name},
            code="offline",
            hint=_("Try again when it is online."),
        )
    if digest not in node.evicting:
        told = {**node.evicting, digest: timezone.now().isoformat()}
        Node.objects.filter(pk=node.pk).update(evicting=told)
        fields = {"node": node.pk, "environment": digest, "bytes": found["size"]}
        record(actor=actor, workspace=workspace, action="node.evict", target=node.name, fields=fields)
        why = {"code": words.EVICTED, "digest": digest, "versions": built_of(workspace, [digest]).get(digest, [])}
        happened(target, "environment_evicted", node=node.name, text=actor.name, why=why)
    return dict(found)


def look_at_node(slug: str, name: str, node_id: str, *, actor: Actor) -> Node:
    """The node, for somebody who looks at its page: its agent sends the end of its log for a minute.

    Raises NotFound.
    """
    node = get_node(slug, name, node_id, actor=actor)
    if node.asked_at is None or timezone.now() - node.asked_at > LOOKED:
        Node.objects.filter(pk=node.pk).update(asked_at=Now())
    return node
