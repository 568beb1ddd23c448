"""Reading what is known of secrets: names, dates, versions. Values come from the services, which write that down."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Prefetch, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from studio.kernel import keyring
from studio.kernel.actors import Actor
from studio.kernel.envelope import Sealed, opens
from studio.kernel.errors import Forbidden, NotFound
from workspace.access import get_workspace
from workspace.models import Workspace
from workspace.references import no_such
from workspace.secrets.models import Secret, SecretVersion


def list_secrets(slug: str, *, actor: Actor) -> QuerySet[Secret]:
    """Return the secrets of the workspace by name."""
    workspace = get_workspace(slug, actor=actor, action="secret.list")
    return _own(workspace).select_related("updated_by").order_by("name")


def list_deleted(slug: str, *, actor: Actor) -> QuerySet[Secret]:
    """Return the deleted secrets that can be restored, the last one first."""
    workspace = get_workspace(slug, actor=actor, action="secret.list")
    rows = Secret.objects.filter(workspace=workspace, held_by="", deleted__gt=Now() - kept())
    return rows.select_related("deleted_by").order_by("-deleted")


def get_secret(slug: str, name: str, *, actor: Actor) -> Secret:
    """Return one secret with its versions, the newest first. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action="secret.list")
    versions = SecretVersion.objects.select_related("created_by").defer("wrapped", "content").order_by("-number")
    rows = _own(workspace).select_related("created_by", "updated_by").prefetch_related(Prefetch("versions", versions))
    found = rows.filter(name=name.replace("\0", "")).first()
    if found is None:
        raise NotFound(_("There is no secret %(name)s in %(slug)s.") % {"name": repr(name[:127]), "slug": slug})
    return found


def resolve(workspace: Workspace, names: Iterable[str]) -> dict[str, Secret]:
    """Return the secrets of these names, in a workspace that the caller has opened.

    Raises Invalid `no_such_secret` that names the nearest one.
    """
    wanted = list(dict.fromkeys(names))
    found = {one.name: one for one in _own(workspace).filter(name__in=wanted)}
    for name in wanted:
        if name not in found:
            known = _own(workspace).values_list("name", flat=True)
            raise no_such(
                name,
                known,
                noun="secret",
                place=workspace.slug,
                field="config.secrets",
                none="Make it in the workspace's key vault first.",
            )
    return found


def missing_keys(*, actor: Actor) -> list[str]:
    """The keys that secrets were encrypted with and that the ring lacks, or has under another value.

    For the studio's own hand. Raises BadRing when the ring cannot be read.
    """
    if actor.kind != "system":
        raise Forbidden(_("Only the studio itself looks at its key ring."))
    keyring.read()
    # One row of each key is enough to see whether it is the right one.
    rows = SecretVersion.objects.order_by("kek_id", "-pk").distinct("kek_id").select_related("secret")
    return [row.kek_id for row in rows if not opens(sealed(row), context=context(row))]


def count_by_key(*, actor: Actor) -> dict[str, int]:
    """How many values each key of the ring holds, in all workspaces. For the studio's own hand."""
    if actor.kind != "system":
        raise Forbidden(_("Only the studio itself looks at its key ring."))
    return dict(SecretVersion.objects.values("kek_id").annotate(n=Count("pk")).values_list("kek_id", "n"))


def sealed(row: SecretVersion) -> Sealed:
    return Sealed(row.kek_id, bytes(row.wrapped), bytes(row.content))


def context(row: SecretVersion) -> str:
    """What the row's value is bound to."""
    return f"secret\0{row.secret.workspace_id}\0{row.secret_id}\0{row.number}"


def kept() -> timedelta:
    """How long a deleted secret can be restored."""
    return timedelta(seconds=settings.SECRET_BIN_SECONDS)


def _own(workspace: Workspace) -> QuerySet[Secret]:
    return Secret.objects.filter(workspace=workspace, held_by="", deleted__isnull=True)
