"""Attaching machines and letting them go: what people want of one, and what its keeper writes down."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Conflict
from studio.kernel.events import publish
from workspace.access import get_workspace
from workspace.attached import credentials, forms, queries, states
from workspace.attached.credentials import clean_credential, require_system, told
from workspace.attached.models import Attachment
from workspace.attached.places import Place, fingerprint
from workspace.audit.services import record
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.queries import holders
from workspace.compute.services import create_enrolment, create_target, delete_target
from workspace.secrets import services as vault

#: For the time that an installation may take, and no longer.
ENROLMENT = timedelta(minutes=30)
MOST_LOG = 64 * 1024
CHANGE = "compute.change"


@transaction.atomic
def attach_machine(slug: str, name: str, *, actor: Actor, given: Mapping[str, Any]) -> Attachment:
    """Have the studio reach a machine and keep an agent on it, as a compute target of this name.

    `given` has address, username and either password or private_key (with private_key_passphrase); optionally
    port, slots, studio_url, forward and trust_first. Raises Invalid that names the field, Conflict `taken`.
    """
    workspace = get_workspace(slug, actor=actor, action=CHANGE)
    forward = bool(given.get("forward"))
    checked = {
        "host": forms.clean_host(str(given.get("address") or "")),
        "port": forms.clean_port(told(given, "port", 22), field="port"),
        "username": forms.clean_user(str(given.get("username") or "")),
        "slots": forms.clean_port(told(given, "slots", 1), field="slots", most=forms.MOST_SLOTS),
        "studio_url": "" if forward else forms.clean_studio_url(str(given.get("studio_url") or settings.PUBLIC_URL)),
        "trust_first": bool(given.get("trust_first")),
    }
    kept = clean_credential(given)
    target = create_target(workspace, actor=actor, name=name, kind=ComputeTarget.Kind.ATTACHED)
    made = Attachment.objects.create(target=target, by_key="private_key" in kept, steps=states.fresh(), **checked)
    _keep(made, kept, actor=actor)
    facts = {"address": checked["host"], "username": checked["username"]}
    record(actor=actor, workspace=workspace, action="machine.attach", target=name, fields=facts)
    return made


def _held_by(target: ComputeTarget) -> str:
    return f"compute/{target.pk}"


def _keep(found: Attachment, kept: Mapping[str, str], *, actor: Actor) -> None:
    credentials.keep(found.target.workspace, kept, actor=actor, held_by=_held_by(found.target))


@transaction.atomic
def change_credential(slug: str, name: str, *, actor: Actor, given: Mapping[str, Any]) -> Attachment:
    """Log in with another password or key from now on, and as another user if one is named. Raises Invalid."""
    found = _of(slug, name, actor=actor)
    kept = clean_credential(given)
    user = str(given.get("username") or "").strip()
    _keep(found, kept, actor=actor)
    changes = {"by_key": "private_key" in kept, **({"username": forms.clean_user(user)} if user else {})}
    record(actor=actor, workspace=found.target.workspace, action="machine.change", target=name, fields=["credential"])
    return _ask(found, **changes)


@transaction.atomic
def confirm_key(slug: str, name: str, *, actor: Actor, shown: str) -> Attachment:
    """Trust the key that the machine showed, which is the one with this fingerprint. Raises Conflict otherwise."""
    found = _of(slug, name, actor=actor)
    if not found.shown_key or fingerprint(found.shown_key) != shown:
        raise Conflict(_("The machine showed another key meanwhile."), code="other_key", hint=_("Look at it again."))
    record(
        actor=actor,
        workspace=found.target.workspace,
        action="machine.trust",
        target=name,
        fields={"fingerprint": shown},
    )
    return _ask(found, host_key=found.shown_key, shown_key="")


@transaction.atomic
def try_again(slug: str, name: str, *, actor: Actor) -> Attachment:
    """Begin from the first step, now."""
    return _ask(_of(slug, name, actor=actor))


@transaction.atomic
def detach_machine(slug: str, name: str, *, actor: Actor) -> Attachment:
    """Let the machine go: nothing new is started there at once, then its agent and its folder are removed.

    Raises Conflict `in_use` while something runs or waits there.
    """
    found = _of(slug, name, actor=actor)
    if held := holders(found.target):
        raise Conflict(
            _("%(name)s is in use: %(held)s.") % {"name": name, "held": "; ".join(held)},
            code="in_use",
            hint=_("Cancel what runs or waits there, and delete the endpoints that it serves."),
        )
    Node.objects.filter(target=found.target, removed__isnull=True).update(removed=Now())
    record(actor=actor, workspace=found.target.workspace, action="machine.detach", target=name)
    return _ask(found, detaching=True, state=states.DETACHING)


@transaction.atomic
def forget_machine(slug: str, name: str, *, actor: Actor) -> None:
    """Stop trying to clean a machine that is away: what it has stays there. Raises Conflict unless it is detaching."""
    found = _of(slug, name, actor=actor)
    if not found.detaching:
        raise Conflict(_("Detach it first, so that nothing is left on the machine."), code="attached")
    record(actor=actor, workspace=found.target.workspace, action="machine.forget", target=name)
    _end(found)


def _end(found: Attachment) -> None:
    target = found.target
    vault.let_go(target.workspace, actor=SYSTEM, held_by=_held_by(target))
    found.delete()
    delete_target(target.workspace.slug, target.name, actor=SYSTEM)


def _of(slug: str, name: str, *, actor: Actor) -> Attachment:
    get_workspace(slug, actor=actor, action=CHANGE)
    found = queries.get_attachment(slug, name, actor=actor)
    return Attachment.objects.select_for_update(of=("self",)).select_related("target__workspace").get(pk=found.pk)


def _ask(found: Attachment, **changes: Any) -> Attachment:
    changes.setdefault("state", states.DETACHING if found.detaching else states.CONNECTING)
    changes |= {"code": "", "about": "", "failures": 0, "steps": states.fresh()}
    Attachment.objects.filter(pk=found.pk).update(asked=F("asked") + 1, since=Now(), **changes)
    _tell(found)
    found.refresh_from_db()
    return found


def _tell(found: Attachment) -> None:
    publish(f"compute.{found.target.workspace.slug}", target=found.target.name)


# --- the keeper's part ------------------------------------------------------------------------------------


@transaction.atomic
def note(found: Attachment, /, *, actor: Actor, **changes: Any) -> bool:
    """Write down what came of it; False when somebody wants something else since, or it is gone."""
    require_system(actor)
    if "log" in changes:
        changes["log"] = changes["log"][-MOST_LOG:]
    if "state" in changes and changes["state"] != found.state:
        changes["since"] = Now()
    if not Attachment.objects.filter(pk=found.pk, asked=found.asked).update(**changes):
        return False
    for name, value in changes.items():
        if name != "since":
            setattr(found, name, value)
    _tell(found)
    return True


def place_of(found: Attachment, *, actor: Actor) -> Place:
    """Where it is and how to log in. Raises Trouble `no_secret` when that cannot be read."""
    held = _held_by(found.target)
    return credentials.opened(found.target.workspace, found.host, found.port, found.username, actor=actor, held_by=held)


def invite(found: Attachment, *, actor: Actor) -> str:
    """A token with which its agent joins; good for the time of an installation."""
    require_system(actor)
    target = found.target
    return create_enrolment(target.workspace.slug, target.name, actor=SYSTEM, valid=ENROLMENT)[1]


@transaction.atomic
def settle(found: Attachment, *, actor: Actor, node_id: str) -> None:
    """Its node is this one; invitations end, and earlier lives of the machine are removed."""
    require_system(actor)
    target = found.target
    target.enrolments.filter(revoked__isnull=True).update(revoked=Now())
    Node.objects.filter(target=target, removed__isnull=True).exclude(pk=node_id).update(removed=Now())
    # The keeper asks this row whether the agent works without its connection.
    found.node = Node.objects.filter(pk=node_id).first()
    Attachment.objects.filter(pk=found.pk).update(node=found.node)


@transaction.atomic
def detached(found: Attachment, *, actor: Actor) -> None:
    """Nothing of ours is left on the machine."""
    require_system(actor)
    if Attachment.objects.select_for_update().filter(pk=found.pk, asked=found.asked).exists():
        _end(found)
