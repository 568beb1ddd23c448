"""Making and deleting endpoints, and their two keys."""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext

from registry.endpoints.models import Deployment, Endpoint
from registry.endpoints.services.telling import hint_nodes, reroute, tell
from studio.gateway.wire import key_hash
from studio.kernel import crypto, tokens
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.kernel.ids import ulid
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.forms import clean_description, clean_name
from workspace.models import Workspace

KEYS = ("primary", "secondary")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of an endpoint in clear: to be shown, never to be kept or logged."""

    primary: str
    secondary: str


@transaction.atomic
def create_endpoint(slug: str, *, actor: Actor, name: str, description: str = "") -> Endpoint:
    """Make an endpoint with two new keys. Raises Invalid for its name, Conflict `taken` when there is one already."""
    workspace = get_workspace(slug, actor=actor, action="endpoint.create")
    name, description = clean_name(name, noun="an endpoint"), clean_description(description)
    endpoint, made = Endpoint.objects.get_or_create(
        workspace=workspace, name=name, defaults={"description": description, "created_by_id": actor.user_id}
    )
    if not made:
        raise Conflict(
            gettext("There is an endpoint %(name)s in %(slug)s already.") % {"name": name, "slug": slug},
            code="taken",
            hint=gettext("Deploy to it."),
        )
    for which in KEYS:
        _renew(endpoint, which)
    record(actor=actor, workspace=workspace, action="endpoint.create", target=name)
    tell(slug, name)
    reroute()
    return endpoint


def _renew(endpoint: Endpoint, which: str) -> None:
    text, _ = tokens.new("ept", ulid())
    changes = {
        f"{which}_sealed": crypto.seal(text, bound_to=_place(endpoint, which)),
        f"{which}_hash": key_hash(text),
    }
    Endpoint.objects.filter(pk=endpoint.pk).update(**changes)
    for field, value in changes.items():
        setattr(endpoint, field, value)


def _place(endpoint: Endpoint, which: str) -> str:
    return f"endpoint {endpoint.pk} {which}"


def _opened(endpoint: Endpoint) -> Keys:
    return Keys(
        primary=crypto.unseal(endpoint.primary_sealed, bound_to=_place(endpoint, "primary")),
        secondary=crypto.unseal(endpoint.secondary_sealed, bound_to=_place(endpoint, "secondary")),
    )


def locked(workspace: Workspace, name: str) -> Endpoint:
    """The endpoint, held until the commit. Raises NotFound. The caller has opened the workspace."""
    rows = Endpoint.objects.select_for_update(of=("self",), no_key=True).select_related("workspace")
    endpoint = rows.filter(workspace=workspace, name=name.replace("\0", "")).first()
    if endpoint is None:
        raise NotFound(
            gettext("There is no endpoint %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": workspace.slug}
        )
    return endpoint


@transaction.atomic
def show_keys(slug: str, name: str, *, actor: Actor) -> Keys:
    """Return both keys. A write, because who looked is written down. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action="endpoint.keys")
    endpoint = locked(workspace, name)
    record(actor=actor, workspace=workspace, action="endpoint.show_keys", target=name)
    return _opened(endpoint)


@transaction.atomic
def regenerate_key(slug: str, name: str, *, actor: Actor, which: str) -> Keys:
    """Make one of the keys anew and return both; the old one opens nothing as soon as the gateways know.

    Raises NotFound, Invalid unless `which` is primary or secondary.
    """
    workspace = get_workspace(slug, actor=actor, action="endpoint.keys")
    if which not in KEYS:
        raise Invalid(
            gettext("The keys are primary and secondary, not %(which)s.") % {"which": repr(which[:20])}, field="which"
        )
    endpoint = locked(workspace, name)
    _renew(endpoint, which)
    record(actor=actor, workspace=workspace, action="endpoint.regenerate_key", target=name, fields={"key": which})
    reroute()
    return _opened(endpoint)


@transaction.atomic
def delete_endpoint(slug: str, name: str, *, actor: Actor) -> None:
    """Delete an endpoint with its deployments; their replicas are ended by their nodes. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action="endpoint.delete")
    endpoint = locked(workspace, name)
    targets = set(
        Deployment.objects.filter(endpoint=endpoint, replicas__wanted=True).values_list("target_id", flat=True)
    )
    endpoint.delete()
    record(actor=actor, workspace=workspace, action="endpoint.delete", target=name)
    for target_id in sorted(targets):
        hint_nodes(target_id)
    tell(slug, name)
    reroute()
