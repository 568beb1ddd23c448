"""Keeping secrets, and giving their values to those who may have them: each time a line in the trail."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext

from studio.kernel import envelope
from studio.kernel.actors import Actor
from studio.kernel.envelope import Hidden
from studio.kernel.errors import Conflict, Forbidden, NotFound
from studio.kernel.ids import ulid
from workspace.access import authorize, get_workspace
from workspace.audit.services import record
from workspace.forms import clean_description
from workspace.models import Workspace
from workspace.secrets import forms, queries
from workspace.secrets.models import Secret, SecretVersion

#: Secrets that a workspace may have, deleted ones not counted, and versions that are kept of each.
MOST = 1000
MOST_VERSIONS = 20
_BATCH = 200


@transaction.atomic
def set_secret(slug: str, name: str, *, actor: Actor, value: str, description: str | None = None) -> Secret:
    """Make the secret, or give it a new value as its next version; no description leaves the one there is.

    Raises Invalid `short_secret`, TooLarge, and Conflict `too_many`.
    """
    workspace = get_workspace(slug, actor=actor, action="secret.set")
    name, value = forms.clean_name(name), forms.clean_value(value)
    return _put(workspace, name, value, actor=actor, held_by="", description=description)


@transaction.atomic
def create_secret(slug: str, name: str, *, actor: Actor, value: str, description: str = "") -> Secret:
    """`set_secret` for who means a new one. Raises Conflict `taken` when there is one of this name."""
    workspace = get_workspace(slug, actor=actor, action="secret.set")
    if Secret.objects.filter(workspace=workspace, name=name, held_by="", deleted__isnull=True).exists():
        raise Conflict(
            gettext("There is a secret %(name)s already.") % {"name": name},
            code="taken",
            hint=gettext("Open it to give it a new value."),
            field="name",
        )
    return set_secret(slug, name, actor=actor, value=value, description=description)


def _put(workspace: Workspace, name: str, value: str, *, actor: Actor, held_by: str, description: str | None) -> Secret:
    rows = Secret.objects.filter(workspace=workspace, name=name, held_by=held_by, deleted__isnull=True)
    if not rows.exists():
        _make(workspace, name, actor=actor, held_by=held_by)
    # The row is the lock: two new values at once get two numbers.
    secret = rows.select_for_update(of=("self",), no_key=True).get()
    changes = {} if description is None else {"description": clean_description(description)}
    number = secret.latest + 1
    Secret.objects.filter(pk=secret.pk).update(
        latest=F("latest") + 1, updated=Now(), updated_by_id=actor.user_id, **changes
    )
    made = SecretVersion(secret=secret, number=number, created_by_id=actor.user_id)
    sealed = envelope.seal(value, context=queries.context(made))
    made.kek_id, made.wrapped, made.content = sealed.kek_id, sealed.wrapped, sealed.content
    made.save(force_insert=True)
    SecretVersion.objects.filter(secret=secret, number__lte=number - MOST_VERSIONS).delete()
    facts = {"version": number, **({"held_by": held_by} if held_by else {})}
    record(actor=actor, workspace=workspace, action="secret.set", target=name, fields=facts)
    secret.refresh_from_db()
    return secret


def _make(workspace: Workspace, name: str, *, actor: Actor, held_by: str) -> None:
    if Secret.objects.filter(workspace=workspace, deleted__isnull=True).count() >= MOST:
        raise Conflict(
            gettext("A workspace has at most %(most)s secrets.") % {"most": MOST},
            code="too_many",
            hint=gettext("Delete one first."),
        )
    by = {"created_by_id": actor.user_id}
    try:
        with transaction.atomic():
            Secret.objects.create(id=ulid(), workspace=workspace, name=name, held_by=held_by, **by)
    except IntegrityError:
        return  # a twin made it at this moment: this one becomes its next version


@transaction.atomic
def describe_secret(slug: str, name: str, *, actor: Actor, description: str) -> Secret:
    """Say what it is for. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action="secret.set")
    found = queries.get_secret(slug, name, actor=actor)
    Secret.objects.filter(pk=found.pk).update(description=clean_description(description))
    record(actor=actor, workspace=workspace, action="secret.change", target=name, fields=["description"])
    return queries.get_secret(slug, name, actor=actor)


@transaction.atomic
def reveal_secret(slug: str, name: str, *, actor: Actor, version: int | None = None) -> Hidden:
    """The value, of the newest version when none is named. Raises NotFound, Unavailable without the ring's key."""
    workspace = get_workspace(slug, actor=actor, action="secret.reveal")
    found = queries.get_secret(slug, name, actor=actor)
    number = version or found.latest
    row = SecretVersion.objects.select_related("secret").filter(secret=found, number=number).first()
    if row is None:
        raise NotFound(
            gettext("The secret %(name)s has no version %(number)s; it has %(latest)s, and keeps %(most)s.")
            % {"name": name, "number": number, "latest": found.latest, "most": MOST_VERSIONS}
        )
    record(actor=actor, workspace=workspace, action="secret.reveal", target=name, fields={"version": number})
    return envelope.unseal(queries.sealed(row), context=queries.context(row))


@transaction.atomic
def delete_secret(slug: str, name: str, *, actor: Actor) -> None:
    """Give it to nobody any more; it can be restored for a while. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action="secret.delete")
    found = queries.get_secret(slug, name, actor=actor)
    rows = Secret.objects.filter(pk=found.pk, deleted__isnull=True)
    if rows.update(deleted=Now(), deleted_by_id=actor.user_id):
        record(actor=actor, workspace=workspace, action="secret.delete", target=name, fields={"version": found.latest})


@transaction.atomic
def restore_secret(slug: str, name: str, *, actor: Actor) -> Secret:
    """Bring back the one of this name that was deleted last. Raises NotFound, and Conflict `taken`."""
    workspace = get_workspace(slug, actor=actor, action="secret.delete")
    gone = queries.list_deleted(slug, actor=actor).filter(name=name.replace("\0", "")).first()
    if gone is None:
        raise NotFound(
            gettext("There is no deleted secret %(name)s in %(slug)s that could be restored.")
            % {"name": repr(name[:127]), "slug": slug}
        )
    try:
        with transaction.atomic():
            Secret.objects.filter(pk=gone.pk, deleted__isnull=False).update(deleted=None, deleted_by=None)
    except IntegrityError:
        raise Conflict(
            gettext("Another secret is called %(name)s meanwhile.") % {"name": name},
            code="taken",
            hint=gettext("Delete that one first."),
            field="name",
        ) from None
    record(actor=actor, workspace=workspace, action="secret.restore", target=name)
    return queries.get_secret(slug, name, actor=actor)


# --- values for the studio's own use -----------------------------------------------------------------------


def open_secrets(workspace: Workspace, names: Iterable[str], *, actor: Actor) -> dict[str, Hidden]:
    """{name: value} of those that are there, for somebody who may use them: the submitter of a run.

    The caller writes down what the values are for. Raises Forbidden, and Unavailable without the ring's key.
    """
    authorize(workspace, actor=actor, action="secret.use")
    return _values(workspace, names, held_by="")


@transaction.atomic
def hold_secret(workspace: Workspace, name: str, *, actor: Actor, held_by: str, value: str) -> None:
    """Keep what a thing of the workspace needs, such as the key of a machine; the caller has checked the actor."""
    _put(workspace, name, value, actor=actor, held_by=held_by, description=None)


def held_secrets(workspace: Workspace, *, actor: Actor, held_by: str) -> dict[str, Hidden]:
    """What `hold_secret` keeps for this thing. For the studio's own hand."""
    if actor.kind != "system":
        raise Forbidden(gettext("Only the studio itself uses what is kept for its parts."))
    return _values(workspace, None, held_by=held_by)


def let_go(workspace: Workspace, *, actor: Actor, held_by: str) -> None:
    """Remove what was kept for a thing that goes, at once; the caller has checked the actor and writes it down."""
    Secret.objects.filter(workspace=workspace, held_by=held_by).exclude(held_by="").delete()


def _values(workspace: Workspace, names: Iterable[str] | None, *, held_by: str) -> dict[str, Hidden]:
    rows = SecretVersion.objects.select_related("secret").filter(
        secret__workspace=workspace, secret__held_by=held_by, secret__deleted__isnull=True, number=F("secret__latest")
    )
    if names is not None:
        rows = rows.filter(secret__name__in=list(names))
    return {row.secret.name: envelope.unseal(queries.sealed(row), context=queries.context(row)) for row in rows}


def purge(*, actor: Actor) -> int:
    """Remove for good what was deleted long enough ago; return how many. The relay's part."""
    if actor.kind != "system":
        raise Forbidden(gettext("Only the studio itself empties the key vault."))
    gone, _ = Secret.objects.filter(deleted__lt=Now() - queries.kept()).delete()
    return gone


def rewrap_all(to: str, *, actor: Actor) -> int:
    """Put every data key under the ring's key `to`, row by row; return how many were under another one.

    May be stopped and begun again at any time, while secrets are read and set. Raises Unavailable that names a key
    which the ring lacks; what was done until then stays done.
    """
    if actor.kind != "system":
        raise Forbidden(gettext("Only the studio itself changes keys."))
    done, last = 0, 0
    while True:
        rows = SecretVersion.objects.select_related("secret").exclude(kek_id=to).filter(pk__gt=last).order_by("pk")
        batch = list(rows[:_BATCH])
        if not batch:
            return done
        for row in batch:
            made = envelope.rewrap(queries.sealed(row), to=to, context=queries.context(row))
            # Only what we have read: another one may be at work, too.
            same = SecretVersion.objects.filter(pk=row.pk, kek_id=row.kek_id)
            done += same.update(kek_id=made.kek_id, wrapped=made.wrapped)
            last = row.pk
