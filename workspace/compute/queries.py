"""Reading compute targets and nodes, and turning their tokens into actors."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields import BooleanField
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from studio.kernel import tokens
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, NotFound, Unauthenticated
from studio.kernel.rows import Rows, read
from workspace.access import authorize, get_workspace
from workspace.compute import kinds, lifecycle, placement, words
from workspace.compute.models import ComputeTarget, Enrolment, Happening, Node, Sample
from workspace.models import Workspace
from workspace.references import no_such
from zaffre.protocol import HELD_STATES, QUEUED

READ = "compute.read"
#: For so long after a look at its page a node sends the end of its log.
LOOKED_AT = timedelta(minutes=1)
#: Versions that are named beside what a node keeps; two lists that lead to the same packages share one place there.
MOST_NAMES = 500


def _unreachable() -> timedelta:
    return timedelta(seconds=settings.UNREACHABLE_SECONDS)


def is_online(node: Node, now: datetime) -> bool:
    """Whether the node has begun to work and was heard of lately."""
    return node.removed is None and bool(node.epoch) and now - node.last_seen < _unreachable()


def _online(prefix: str = "") -> Q:
    # The same as `is_online`, by the database's clock, which wrote `last_seen`.
    lately = Q(**{f"{prefix}removed__isnull": True, f"{prefix}last_seen__gt": Now() - _unreachable()})
    return lately & ~Q(**{f"{prefix}epoch": ""})


def require_read(slug: str, *, actor: Actor) -> None:
    """Raise what reading compute would raise for who may not."""
    get_workspace(slug, actor=actor, action=READ)


def list_targets(slug: str, *, actor: Actor) -> QuerySet[ComputeTarget]:
    """Return the compute targets of the workspace by name, each with its number of `present` and `online`
    nodes and the `slots` of the latter, how many nodes are `busy`, and its runs: `waiting` and `running`."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    online = _online("nodes__")
    return (
        workspace.targets.filter(deleted__isnull=True)
        .annotate(
            present=Count("nodes", filter=Q(nodes__removed__isnull=True, nodes__ended__isnull=True)),
            online=Count("nodes", filter=online),
            slots=Coalesce(Sum("nodes__slots", filter=online), 0),
            # By the relations and not by their classes: runs are built on compute, and not the other way round.
            waiting=_counted("runs", runs__status=QUEUED),
            running=_counted("nodes__attempts", nodes__attempts__run__status__in=HELD_STATES),
            # How far the machine of an attached one is: by the relation too.
            machine=F("attachment__state"),
        )
        .select_related("owner", "created_by", "workspace")
        .order_by("name")
    )


def _counted(relation: str, **chosen: Any) -> Coalesce:
    """How many rows of a relation each target has; those of attempts only as long as they have not ended."""
    if relation.endswith("attempts"):
        chosen["nodes__attempts__ended__isnull"] = True
    rows = ComputeTarget.objects.filter(pk=OuterRef("pk"), **chosen).order_by().values("pk")
    return Coalesce(Subquery(rows.annotate(found=Count(relation)).values("found")), 0)


def get_target(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    """Return one target, as `list_targets` does. Raises NotFound when there is none of this name."""
    target = list_targets(slug, actor=actor).filter(name=name.replace("\0", "")).first()
    if target is None:
        raise NotFound(_("There is no compute target %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": slug})
    return target


def target_named(workspace: Workspace, name: str, *, locked: bool = False) -> ComputeTarget:
    """Return the target of this name, in a workspace that the caller has opened; `locked` for a change of it.

    Raises NotFound.
    """
    rows = workspace.targets.filter(name=name.replace("\0", ""), deleted__isnull=True)
    if locked:
        rows = rows.select_for_update(of=("self",))
    target = rows.select_related("owner", "workspace").first()
    if target is None:
        raise NotFound(
            _("There is no compute target %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": workspace.slug}
        )
    return target


def holders(target: ComputeTarget) -> list[str]:
    """What would lose its place if the target went, in words; empty when nothing would."""
    mine = ComputeTarget.objects.filter(pk=target.pk)
    runs = mine.filter(runs__status__in=(QUEUED, *HELD_STATES)).values_list("runs__pk").count()
    served = mine.filter(deployments__isnull=False).exclude(deployments__state__in=("failed", "retired"))
    names = sorted(set(served.values_list("deployments__endpoint__name", flat=True)))
    held = [f"{runs} run{'s' if runs > 1 else ''} waiting or running"] if runs else []
    return held + ([f"endpoints: {', '.join(names[:5])}"] if names else [])


def list_nodes(slug: str, name: str, *, actor: Actor) -> QuerySet[Node]:
    """Return the nodes of a target by name, each with `online` and `busy`, the runs that it has; removed ones are
    left out. Raises NotFound."""
    target = target_named(get_workspace(slug, actor=actor, action=READ), name)
    return nodes_of(target.pk).annotate(busy=Count("attempts", filter=Q(attempts__ended__isnull=True)))


def resolve(workspace: Workspace, name: str) -> ComputeTarget:
    """Return the target of this name, in a workspace that the caller has opened.

    Raises Invalid `no_such_target` that names the nearest one.
    """
    values = {"workspace": workspace.pk, "name": name.replace("\0", "")}
    for target in read(ComputeTarget, "workspace_id = %(workspace)s AND name = %(name)s AND deleted IS NULL", values):
        return target
    raise no_such(
        name,
        workspace.targets.filter(deleted__isnull=True).values_list("name", flat=True),
        noun="compute target",
        place=workspace.slug,
        field="target",
        none=_("This workspace has no compute."),
        code="no_such_target",
    )


def nodes_of(target_id: int) -> QuerySet[Node]:
    """The nodes of a target that the caller may see, each with `online`; removed ones are left out."""
    rows = Node.objects.filter(target_id=target_id, removed__isnull=True)
    return rows.annotate(online=ExpressionWrapper(_online(), output_field=BooleanField())).order_by("name", "pk")


def require_use(target: ComputeTarget, *, actor: Actor) -> None:
    """Raises Forbidden for an instance that is somebody else's: it runs what its person submits, and nothing else."""
    if target.kind == kinds.INSTANCE and target.owner_id != actor.user_id:
        whose = target.owner.shown_name if target.owner else _("nobody any more")
        raise Forbidden(
            _("%(target)s is the compute instance of %(whose)s.") % {"target": target.name, "whose": whose},
            code="not_your_instance",
            hint=_("Submit to a cluster, or make an instance of your own."),
        )


def log_is_wanted(node: Node) -> bool:
    """Whether somebody has looked at the node's page within the last minute."""
    return node.asked_at is not None and timezone.now() - node.asked_at < LOOKED_AT


def list_samples(node: Node, *, actor: Actor) -> list[Sample]:
    """How busy the node was during the last hour, the oldest first. Of a node that the actor may see."""
    return list(node.samples.filter(at__gt=Now() - timedelta(hours=1)).order_by("at"))


def runs_on(node: Node, *, actor: Actor) -> list[dict[str, Any]]:
    """What runs on the node now, the oldest first: run__pk, run__name, run__status, run__experiment__name, started."""
    # By the relation: runs are built on compute.
    held = Node.objects.filter(pk=node.pk, attempts__isnull=False, attempts__ended__isnull=True).order_by(
        "attempts__pk"
    )
    words = ("run__pk", "run__name", "run__status", "run__experiment__name", "started")
    rows = held.values_list(*(f"attempts__{word}" for word in words))
    return [dict(zip(words, row, strict=True)) for row in rows]


def waits_for(target: ComputeTarget) -> tuple[str, str] | None:
    """(code, sentence) of what runs there wait for when it is the target itself, and not the room on its nodes."""
    if target.kind == kinds.INSTANCE and target.state in lifecycle.DOWN:
        return "compute_stopped", _("%(name)s is stopped. The run starts when it is started.") % {"name": target.name}
    if target.kind == kinds.INSTANCE and target.state != lifecycle.RUNNING:
        return "waiting_for_node", _("%(name)s is being started.") % {"name": target.name}
    if target.kind == kinds.CLUSTER and not Node.objects.filter(_online(), target=target).exists():
        told = {"name": target.name, "reason": words.reason_of(target)}
        if target.reason_code in (placement.NOTHING_FITS, words.FAILING):
            code = "nothing_fits" if target.reason_code == placement.NOTHING_FITS else "waiting_for_node"
            return code, _("%(name)s has no node. %(reason)s") % told
        return "waiting_for_node", _("A node of %(name)s is being started. %(reason)s") % told
    if target.kind == kinds.ATTACHED and (reason := _machine_reason(target)):
        return "waiting_for_node", _("%(name)s is not ready. %(reason)s") % {"name": target.name, "reason": reason}
    return None


def _machine_reason(target: ComputeTarget) -> str:
    """Why an attached machine is not at work, and what to do; empty when it is, and where nobody knows."""
    if Node.objects.filter(_online(), target=target).exists():
        return ""
    mine = ComputeTarget.objects.filter(pk=target.pk, attachment__isnull=False)
    found = mine.values_list("attachment__state", "attachment__code").first()
    return words.sentence({"code": words.MACHINE, "state": found[0], "reason": found[1]}) if found else ""


def stops_at(target: ComputeTarget, nodes: Iterable[Node]) -> datetime | None:
    """When the instance with these nodes stops if nothing happens; None when it has work, or never stops by itself."""
    node = next((one for one in nodes if one.provider), None)
    minutes = int(target.settings.get("idle_minutes") or 0)
    if not minutes or target.state != lifecycle.RUNNING or node is None or node.idle_since is None:
        return None
    at: datetime = node.idle_since + timedelta(minutes=minutes)
    return max(at, target.kept_until) if target.kept_until else at


def list_stops(slug: str, *, actor: Actor) -> dict[int, datetime]:
    """`stops_at` of the instances that stop by themselves if nothing happens, by the id of the target."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    running = {"target__kind": kinds.INSTANCE, "target__state": lifecycle.RUNNING, "target__deleted": None}
    nodes = Node.objects.filter(target__workspace=workspace, removed=None, idle_since__isnull=False, **running)
    found = {node.target_id: stops_at(node.target, [node]) for node in nodes.select_related("target")}
    return {target_id: at for target_id, at in found.items() if at}


def list_happenings(slug: str, name: str, *, actor: Actor, limit: int = 50) -> QuerySet[Happening]:
    """What happened to a target, the newest first. Raises NotFound."""
    target = target_named(get_workspace(slug, actor=actor, action=READ), name)
    return target.happenings.order_by("-pk")[:limit]


def get_node(slug: str, name: str, node_id: str, *, actor: Actor) -> Node:
    """One node of a target, as `list_nodes` does. Raises NotFound."""
    return node_among(list_nodes(slug, name, actor=actor), name, node_id)


def node_among(nodes: QuerySet[Node], name: str, node_id: str) -> Node:
    """The node of this id among the nodes of the target `name`. Raises NotFound, also for one that was removed."""
    node = nodes.filter(pk=node_id.replace("\0", ""), removed__isnull=True).first()
    if node is None:
        raise NotFound(_("%(name)s has no node %(node_id)s.") % {"name": name[:64], "node_id": repr(node_id[:40])})
    return node


def node_of(*, actor: Actor, epoch: str, action: str) -> Node:
    """Return the node that calls, in its present life, for what it says of its services.

    Raises Unauthenticated for one that was removed, Forbidden for anybody else, Conflict `stale_epoch`.
    """
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Send a node token in the Authorization header."))
    if actor.kind != "node":
        raise Forbidden(_("This address takes the token of a node."))
    rows = Node.objects.select_related("target__workspace").filter(pk=actor.node_id, removed__isnull=True)
    node = rows.first()
    if node is None:
        raise Unauthenticated(_("This node was removed."), code="removed", hint=_("Enrol the machine again."))
    authorize(node.target.workspace, actor=actor, action=action)
    if node.epoch != epoch:
        raise Conflict(
            _("Another life of this node has greeted since."), code="stale_epoch", hint=_("Say hello, then go on.")
        )
    return node


def actor_of_token(parsed: tokens.Parsed, *, address: str = "") -> Actor:
    """Return the node behind a node token. Raises Unauthenticated when it is unknown or was removed."""
    ((node, target),) = _BEARER.ask(node=parsed.id) or [(None, None)]
    # Only who knows the secret learns why the token does not work.
    if node is None or not tokens.matches(parsed.secret, node.secret_hash):
        raise Unauthenticated(_("This node token is unknown."), hint=_("Enrol the machine again."))
    if node.removed is not None:
        raise Unauthenticated(
            _("This node was removed on %(removed)s.") % {"removed": format(node.removed, "%Y-%m-%d")},
            code="removed",
            hint=_("Ask an owner of the workspace for a new enrolment."),
        )
    return Actor(
        kind="node",
        name=node.name,
        token_id=node.pk,
        workspace_id=target.workspace_id,
        node_id=node.pk,
        target_id=node.target_id,
        address=address,
    )


_BEARER = Rows(
    """
    SELECT {columns} FROM compute_node node JOIN compute_computetarget target ON target.id = node.target_id
    WHERE node.id = %(node)s
    """,
    {"node": (Node, ("name", "secret_hash", "removed", "target")), "target": (ComputeTarget, ("workspace",))},
)


def actor_of_enrolment(parsed: tokens.Parsed, *, address: str = "") -> Actor:
    """Return the actor that may register nodes of one target. Raises Unauthenticated that says why not."""
    enrolment = Enrolment.objects.select_related("target").filter(pk=parsed.id).first()
    again = _("Ask an owner of the workspace for a new one.")
    if enrolment is None or not tokens.matches(parsed.secret, enrolment.secret_hash):
        raise Unauthenticated(_("This enrolment is unknown."), hint=again)
    if enrolment.revoked is not None:
        raise Unauthenticated(
            _("This enrolment was revoked on %(revoked)s.") % {"revoked": format(enrolment.revoked, "%Y-%m-%d")},
            code="revoked",
            hint=again,
        )
    if enrolment.expires <= timezone.now():
        raise Unauthenticated(
            _("This enrolment expired on %(expires)s.") % {"expires": format(enrolment.expires, "%Y-%m-%d")},
            code="expired",
            hint=again,
        )
    return Actor(
        kind="enrolment",
        name=f"enrolment of {enrolment.target.name}",
        token_id=enrolment.pk,
        workspace_id=enrolment.target.workspace_id,
        target_id=enrolment.target_id,
        address=address,
    )


def built_of(workspace: Workspace, digests: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """By the digest of each environment that nodes keep: (name, version) of what the workspace has it for. The caller
    has authorised the actor."""
    # By the relation and not by its class: environments are built on compute, and not the other way round.
    rows = workspace.environments.filter(versions__locks__sha256__in=digests)
    found = rows.values_list("versions__locks__sha256", "name", "versions__version").distinct()
    names: dict[str, list[tuple[str, int]]] = {}
    for digest, name, version in found.order_by("name", "versions__version")[:MOST_NAMES]:
        names.setdefault(digest, []).append((name, version))
    return names
