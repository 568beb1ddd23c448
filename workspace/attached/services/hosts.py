"""The machines of a pool: what people want of them, and what their keeper writes down."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext

from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.kernel.events import publish
from workspace.access import get_workspace
from workspace.attached import credentials, forms, queries, words
from workspace.attached.credentials import clean_credential, clean_secret, require_system
from workspace.attached.models import Host
from workspace.attached.places import Place, fingerprint
from workspace.audit.services import record
from workspace.compute import kinds
from workspace.compute.models import ComputeTarget
from workspace.compute.services import create_target
from workspace.compute.services.happenings import happened
from workspace.models import Workspace
from workspace.secrets import services as vault

CHANGE = "compute.change"
MOST_HOSTS = kinds.MOST_NODES
_WORDS = re.compile(r"[\s,]+")
#: Seconds until a machine that failed is taken again, doubled with each failure in a row.
FIRST_PAUSE, LONGEST_PAUSE = 15, 600
#: After so many tries the studio stops cleaning a machine that left its pool and does not answer.
MOST_TRIES = 20


#: In front of the name of a secret with which the machine before it is logged in to.
_BEFORE_SECRET = re.compile(r"\s+secret=")


@dataclass(frozen=True, slots=True)
class Named:
    """A machine as people name one."""

    host: str
    port: int
    username: str
    secret: str = ""

    def __str__(self) -> str:
        return f"{self.username}@{self.host}:{self.port}{f' secret={self.secret}' if self.secret else ''}"


def _held_by(target_id: int) -> str:
    return f"pool/{target_id}"


@transaction.atomic
def create_pool(slug: str, name: str, *, actor: Actor, given: Mapping[str, Any]) -> ComputeTarget:
    """Make a cluster that takes its nodes from machines over SSH.

    `given` has `hosts` (a list, or words of a text, each `[user@]host[:port] [secret=NAME]`), username, and either
    password or private_key (with private_key_passphrase), with which all are logged in to that name no secret of the
    workspace; optionally `settings` of a cluster, description, tags, trust_first, and forward: they come to the studio
    through the connection. Raises Invalid that names the field, Conflict `taken`.
    """
    workspace = get_workspace(slug, actor=actor, action=CHANGE)
    kept = clean_credential(given)
    places = _places(given, workspace, actor=actor)
    if not places:
        raise Invalid(gettext("Name the machines of the pool, such as gpu-1.local gpu-2.local:2222."), field="hosts")
    settings = {"max_nodes": len(places), **(given.get("settings") or {}), "provider": kinds.SSH}
    kinds.require_hosts(kinds.clean_settings(kinds.CLUSTER, settings)["max_nodes"], len(places))
    more = {key: given[key] for key in ("description", "tags") if given.get(key)}
    made = create_target(workspace, actor=actor, name=name, kind=kinds.CLUSTER, settings=settings, **more)
    credentials.keep(workspace, kept, actor=actor, held_by=_held_by(made.pk))
    _add(made, places, trust_first=bool(given.get("trust_first")), forward=bool(given.get("forward")), actor=actor)
    return made


def _places(given: Mapping[str, Any], workspace: Workspace, *, actor: Actor) -> list[Named]:
    """Each machine that is named, in their order. Raises Invalid."""
    named = given.get("hosts") or []
    # Of a text, a secret belongs to the machine before it.
    lines = _WORDS.split(_BEFORE_SECRET.sub("\0", named)) if isinstance(named, str) else named
    if not isinstance(lines, Sequence) or not all(isinstance(one, str) for one in lines):
        raise Invalid(gettext("hosts is a list of addresses, such as gpu-1.local:22."), field="hosts")
    found: list[Named] = []
    for line in filter(None, (one.strip() for one in lines)):
        word, _, secret = _BEFORE_SECRET.sub("\0", line).partition("\0")
        user, _, place = word.rpartition("@")
        host, port = _split(place)
        user = forms.clean_user(user or str(given.get("username") or ""))
        secret = clean_secret(workspace, secret, actor=actor)
        one = Named(forms.clean_host(host), forms.clean_port(port, field="port"), user, secret)
        if (one.host, one.port) in {(known.host, known.port) for known in found}:
            raise Invalid(gettext("%(word)s is named twice.") % {"word": word[:80]}, field="hosts")
        found.append(one)
    return found


def _split(place: str) -> tuple[str, str]:
    """Host and port; an IPv6 address with a port stands in brackets, as everywhere."""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, port.removeprefix(":") or "22"
    if place.count(":") == 1:
        host, _, port = place.partition(":")
        return host, port
    return place, "22"


def _add(target: ComputeTarget, places: Sequence[Named], *, trust_first: bool, forward: bool, actor: Actor) -> None:
    known = set(target.hosts.values_list("host", "port"))
    for one in places:
        if (one.host, one.port) in known:
            raise Conflict(
                gettext("%(host)s:%(port)s is in the pool already.") % {"host": one.host, "port": one.port},
                code="taken",
                field="hosts",
            )
        Host.objects.create(target=target, trust_first=trust_first, forward=forward, **asdict(one))
    if target.hosts.count() > MOST_HOSTS:
        raise Conflict(
            gettext("A pool has at most %(most)s machines.") % {"most": MOST_HOSTS},
            code="too_many",
            field="hosts",
        )
    names = [str(one) for one in places]
    record(actor=actor, workspace=target.workspace, action="pool.add", target=target.name, fields={"hosts": names})
    publish(f"compute.{target.workspace.slug}", target=target.name)


@transaction.atomic
def add_hosts(slug: str, name: str, *, actor: Actor, given: Mapping[str, Any]) -> None:
    """More machines, which the studio logs in to as it does to the others. Raises Invalid, Conflict."""
    target = _pool(slug, name, actor=actor)
    first = target.hosts.order_by("pk").first()
    known = first.username if first else ""
    places = _places({**given, "username": given.get("username") or known}, target.workspace, actor=actor)
    if not places:
        raise Invalid(gettext("Name a machine, such as gpu-3.local."), field="hosts")
    _add(target, places, trust_first=bool(given.get("trust_first")), forward=bool(given.get("forward")), actor=actor)


@transaction.atomic
def change_hosts(slug: str, name: str, *, actor: Actor, given: Mapping[str, Any]) -> None:
    """Log in with another password or key from now on to all machines that name no secret, as another user if one is
    named."""
    target = _pool(slug, name, actor=actor)
    credentials.keep(target.workspace, clean_credential(given), actor=actor, held_by=_held_by(target.pk))
    user = str(given.get("username") or "").strip()
    changes = {"username": forms.clean_user(user)} if user else {}
    target.hosts.filter(secret="").update(**_AFRESH, **changes)
    record(actor=actor, workspace=target.workspace, action="pool.change", target=name, fields=["credential"])


#: As if nothing had been tried.
_AFRESH: dict[str, Any] = {"code": "", "about": "", "blocked": False, "failures": 0, "retry_at": None}


def _pool(slug: str, name: str, *, actor: Actor) -> ComputeTarget:
    """Held until the commit: how many machines it has decides what may become of one, and of `max_nodes`."""
    get_workspace(slug, actor=actor, action=CHANGE)
    found = queries.get_pool(slug, name, actor=actor)
    return (
        ComputeTarget.objects.select_for_update(of=("self",), no_key=True).select_related("workspace").get(pk=found.pk)
    )


def _host(slug: str, name: str, key: int, *, actor: Actor) -> Host:
    rows = _pool(slug, name, actor=actor).hosts.select_for_update(of=("self",))
    found: Host | None = rows.select_related("target__workspace").filter(pk=key).first()
    if found is None:
        raise NotFound(gettext("The pool of %(name)s has no such machine.") % {"name": name})
    return found


@transaction.atomic
def confirm_host(slug: str, name: str, key: int, *, actor: Actor, shown: str) -> None:
    """Trust the key that the machine showed, which is the one with this fingerprint. Raises Conflict otherwise."""
    found = _host(slug, name, key, actor=actor)
    if not found.shown_key or fingerprint(found.shown_key) != shown:
        raise Conflict(
            gettext("The machine showed another key meanwhile."), code="other_key", hint=gettext("Look at it again.")
        )
    Host.objects.filter(pk=key).update(host_key=found.shown_key, shown_key="", **_AFRESH)
    fields = {"host": found.address, "fingerprint": shown}
    record(actor=actor, workspace=found.target.workspace, action="machine.trust", target=name, fields=fields)
    _tell(found)


@transaction.atomic
def change_host(slug: str, name: str, key: int, *, actor: Actor, given: Mapping[str, Any]) -> None:
    """Log in to one machine in its own way, or in the pool's again: what is given of `username`, `secret`, `forward`.

    An empty secret is the pool's way. Raises Invalid that names the field.
    """
    found = _host(slug, name, key, actor=actor)
    changes: dict[str, Any] = {}
    if given.get("username"):
        changes["username"] = forms.clean_user(str(given["username"]))
    if given.get("secret") is not None:
        changes["secret"] = clean_secret(found.target.workspace, str(given["secret"]), actor=actor)
    if given.get("forward") is not None and bool(given["forward"]) != found.forward:
        if found.node:
            raise Conflict(
                gettext("%(address)s serves a node, which knows the studio by the way of now.")
                % {"address": found.address},
                code="in_use",
            )
        changes |= {"forward": bool(given["forward"]), "forwarded": None}
    if not changes:
        return
    Host.objects.filter(pk=key).update(**_AFRESH, **changes)
    fields = {"host": found.address, **changes}
    record(actor=actor, workspace=found.target.workspace, action="pool.change", target=name, fields=fields)
    _tell(found)


@transaction.atomic
def try_host(slug: str, name: str, key: int, *, actor: Actor) -> None:
    """Forget what went wrong, and try now."""
    found = _host(slug, name, key, actor=actor)
    Host.objects.filter(pk=key).update(**_AFRESH)
    _tell(found)


@transaction.atomic
def remove_host(slug: str, name: str, key: int, *, actor: Actor) -> None:
    """Take a machine out of the pool; what the studio put there is removed. Raises Conflict `in_use`, `too_few`."""
    found = _host(slug, name, key, actor=actor)
    left = found.target.hosts.filter(leaving=False).exclude(pk=key).count()
    if left < found.target.settings["max_nodes"]:
        lower = gettext("Lower max_nodes to %(left)s first.") % {"left": left}
        hint = lower if left else gettext("Delete the cluster instead.")
        raise Conflict(
            gettext("The cluster may have as many nodes as the pool has machines."), code="too_few", hint=hint
        )
    if found.node:
        raise Conflict(
            gettext("%(address)s serves a node.") % {"address": found.address},
            code="in_use",
            hint=gettext("Drain the node first."),
        )
    Host.objects.filter(pk=key).update(leaving=True, **_AFRESH)
    fields = {"host": found.address}
    record(actor=actor, workspace=found.target.workspace, action="pool.remove", target=name, fields=fields)
    _tell(found)


def _tell(found: Host) -> None:
    publish(f"compute.{found.target.workspace.slug}", target=found.target.name)


# --- the keeper's part ------------------------------------------------------------------------------------


@transaction.atomic
def take_host(node: str, *, actor: Actor, new: bool) -> Host | None:
    """The machine that this node has; with `new` else a free one that works. None when there is none."""
    require_system(actor)
    rows = Host.objects.select_related("target__workspace")
    known = rows.filter(node=node).first()
    if known is not None or not new:
        return known
    rows = rows.filter(target__nodes=node, target__deleted__isnull=True)
    due = Q(retry_at__isnull=True) | Q(retry_at__lte=Now())
    free = Q(due, node="", leaving=False, blocked=False)
    usable = rows.filter(free).exclude(host_key="").order_by("failures", "pk")
    while (found := usable.first()) is not None:
        # Whoever was faster has it, and the next one is looked at: one whose row is only written to is no busy machine.
        if Host.objects.filter(free, pk=found.pk).update(node=node, since=Now()):
            found.node = node
            _tell(found)
            return found
    return None


def why_no_host(node: str, *, actor: Actor) -> dict[str, Any]:
    """Why there is no machine for this node, with the reason of each that cannot be used, for words.py."""
    require_system(actor)
    rows = Host.objects.filter(target__nodes=node, leaving=False, node="").order_by("pk")
    told = [(one.address, one.code or ("host_key" if one.shown_key else "")) for one in rows]
    return {"code": words.NO_HOST, "hosts": [[address, code] for address, code in told if code]}


def served_by(found: Host, /, *, actor: Actor) -> str:
    """The id of the node that it serves now, or empty."""
    require_system(actor)
    return Host.objects.filter(pk=found.pk).values_list("node", flat=True).first() or ""


def free_host(found: Host, node: str, /, *, actor: Actor) -> None:
    """It serves this node no more."""
    require_system(actor)
    if Host.objects.filter(pk=found.pk, node=node).update(node="", since=Now()):
        _tell(found)


@transaction.atomic
def note_host(found: Host, /, *, actor: Actor, code: str = "", again: bool = True, **changes: Any) -> None:
    """Write down that it works, or with a `code` why not: then it is tried `again` after a growing pause."""
    require_system(actor)
    # As it is now: a node's keeper and who prepares the machine may meet the same trouble.
    known = Host.objects.select_for_update().filter(pk=found.pk).first()
    if known is None:
        return
    if code:
        seconds = min(FIRST_PAUSE * 2 ** min(known.failures, 10), LONGEST_PAUSE)
        changes |= {"code": code, "blocked": not again, "failures": known.failures + 1}
        changes["retry_at"] = Now() + timedelta(seconds=seconds)
        if not known.code:
            happened(found.target, "host_failed", why={"code": words.HOST_FAILED, "hosts": [[found.address, code]]})
    else:
        changes = _AFRESH | changes
    Host.objects.filter(pk=found.pk).update(**changes)
    _tell(found)
    found.refresh_from_db(fields=[*changes, *(_AFRESH.keys() - changes.keys())])


@transaction.atomic
def gone_host(found: Host, /, *, actor: Actor) -> None:
    """Nothing of ours is left there, or nobody can tell: it is out of the pool."""
    require_system(actor)
    # One after another: of the last two each would see the other, and how to log in would stay.
    target = ComputeTarget.objects.select_for_update(no_key=True).get(pk=found.target_id)
    Host.objects.filter(pk=found.pk).delete()
    if target.deleted and not target.hosts.exists():
        vault.let_go(found.target.workspace, actor=SYSTEM, held_by=_held_by(found.target_id))
    _tell(found)


def host_place(found: Host, /, *, actor: Actor) -> Place:
    """Where it is and how to log in, as people have said by now: a node keeps its row for days.

    Raises Trouble `no_secret` when that cannot be read.
    """
    found.refresh_from_db(fields=["username", "secret", "forward", "host_key"])
    told: dict[str, Any] = {"held_by": _held_by(found.target_id), "secret": found.secret}
    return credentials.opened(found.target.workspace, found.host, found.port, found.username, actor=actor, **told)
