"""Who may do what. The only module that decides it.

One table, action by action, after the authorization matrix in docs/decisions/access.md. A stranger
gets NotFound, so that a workspace's existence stays hidden; a member without the right gets Forbidden.
"""

from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound, Unauthenticated
from studio.kernel.rows import read
from workspace.models import Membership, Role, Workspace

ADMIN = "site-admin"  # allowed without a membership; everything else needs one (rule 4 of the matrix)

_OWNERS: set[str] = {Role.OWNER}
_WRITERS = _OWNERS | {Role.CONTRIBUTOR}
_READERS = _WRITERS | {Role.READER}
_EVERYBODY = _READERS | {Role.LABELER}

ACTIONS: dict[str, set[str]] = {
    "workspace.read": _EVERYBODY | {ADMIN},
    "workspace.change": _OWNERS,
    "workspace.delete": _OWNERS,
    "member.list": _READERS | {ADMIN},
    "member.change": _OWNERS,
    "audit.read": _OWNERS | {ADMIN},
    "webhook.manage": _OWNERS,
    "dataset.read": _READERS,
    "dataset.create": _WRITERS,
    "dataset.delete": _WRITERS,
    "environment.read": _READERS,
    "environment.create": _WRITERS,
    "environment.build": _WRITERS,
    "secret.list": _WRITERS,
    "secret.set": _WRITERS,
    "secret.use": _WRITERS,
    "secret.reveal": _OWNERS,
    "secret.delete": _OWNERS,
    "compute.read": _READERS | {ADMIN},
    "compute.change": _OWNERS,
    "instance.use": _WRITERS,
    "node.register": _OWNERS | {ADMIN},
    "quota.read": _READERS | {ADMIN},
    "quota.change": _OWNERS,
    "quota.limit": {ADMIN},
    "blob.write": _WRITERS,
    "snapshot.create": _WRITERS,
    "snapshot.read": _READERS,
    "run.submit": _WRITERS,
    "run.read": _READERS,
    "run.edit": _WRITERS,
    "run.cancel": _WRITERS,
    "run.prioritize": _WRITERS,
    "run.prioritize_any": _OWNERS,
    "run.write": _WRITERS,
    "run.delete": _WRITERS,
    "run.delete_any": _OWNERS,
    "table.arrange": _WRITERS,
    "report.read": _READERS,
    "report.create": _WRITERS,
    "report.edit": _WRITERS,
    "report.delete": _WRITERS,
    "tensorboard.open": _READERS,
    "model.read": _READERS,
    "model.create": _WRITERS,
    "model.edit": _WRITERS,
    "model.delete": _OWNERS,
    "endpoint.read": _READERS,
    "endpoint.create": _WRITERS,
    "endpoint.keys": _WRITERS,
    "endpoint.score": _WRITERS,
    "endpoint.delete": _WRITERS,
}

#: What a run's own token may do in its workspace; the run itself is matched by runs.queries.
RUN_TOKEN_ACTIONS = {
    "run.read",
    "run.edit",
    "run.write",
    "snapshot.read",
    "blob.write",
    "dataset.read",
    "environment.read",
    "model.read",
    "model.create",
    "model.edit",
    "secret.read",
}
#: What a node's token may do; which run or replica is matched by the function that is called.
NODE_TOKEN_ACTIONS = {"node.claim", "node.renew", "replica.sync", "board.sync", "environment.make"}
#: The role of %(user)s in the workspace that is read.
_OWN_ROLE = "(SELECT role FROM workspace_membership WHERE workspace_id = workspace_workspace.id AND user_id = %(user)s)"
#: What the studio's own hand may do besides everything a member may.
_KNOWN = set(ACTIONS) | RUN_TOKEN_ACTIONS | NODE_TOKEN_ACTIONS


def role_of(workspace: Workspace, *, actor: Actor) -> str | None:
    """The actor's role in the workspace, None for a stranger."""
    if not actor.is_user:
        return None
    return (
        Membership.objects.filter(workspace=workspace, user_id=actor.user_id or 0)
        .values_list("role", flat=True)
        .first()
    )


def can(workspace: Workspace, *, actor: Actor, action: str, role: str | None = None) -> bool:
    """Say whether `actor` may do `action`, for showing or hiding what a page offers.

    `role` is the actor's own in the workspace, where the caller has read it a moment ago.
    """
    try:
        _judge(workspace, role or role_of(workspace, actor=actor), actor=actor, action=action)
    except (Forbidden, NotFound, Unauthenticated):
        return False
    return True


def authorize(workspace: Workspace, *, actor: Actor, action: str, role: str | None = None) -> None:
    """Return quietly when `actor` may do `action`. `role` as for `can`.

    Raises Unauthenticated for nobody, NotFound for a stranger, Forbidden for a member whose role
    does not suffice or a token that is for something else.
    """
    _judge(workspace, role or role_of(workspace, actor=actor), actor=actor, action=action)


def _judge(workspace: Workspace, role: str | None, *, actor: Actor, action: str) -> None:
    if action not in _KNOWN:
        raise AssertionError(f"{action} is missing in the rule book")
    if actor.kind == "system":
        return
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Log in, or send a token in the Authorization header."))
    if actor.kind in {"run", "node", "enrolment"}:
        _authorize_machine(workspace, actor=actor, action=action)
        return
    allowed = ACTIONS.get(action, set())
    if role in allowed or (actor.is_admin and ADMIN in allowed):
        return
    if role is None and not actor.is_admin:
        raise NotFound(
            _("There is no workspace %(slug)s, or you are not a member of it.") % {"slug": repr(workspace.slug)}
        )
    if role is None:
        raise Forbidden(
            _("Site administrators run the site; they do not read a workspace's data."),
            hint=_("Ask an owner of the workspace to add you as a member."),
        )
    raise Forbidden(
        _("Your role in %(workspace)s is %(role)s, and %(action)s needs %(allowed)s.")
        % {
            "workspace": workspace.slug,
            "role": role,
            "action": action,
            "allowed": " or ".join(sorted(allowed - {ADMIN})),
        },
        hint=_("Ask an owner of the workspace."),
        action=action,
    )


def _authorize_machine(workspace: Workspace, *, actor: Actor, action: str) -> None:
    if actor.workspace_id != workspace.pk:
        raise NotFound(_("There is no such workspace."))
    allowed = {"run": RUN_TOKEN_ACTIONS, "node": NODE_TOKEN_ACTIONS, "enrolment": {"node.register"}}[actor.kind]
    if action not in allowed:
        raise Forbidden(
            _("A %(kind)s token may not do %(action)s.") % {"kind": actor.kind, "action": action}, action=action
        )


def get_workspace(slug: str, *, actor: Actor, action: str) -> Workspace:
    """Return the workspace if `actor` may do `action` in it; raises as `authorize` does."""
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Log in, or send a token in the Authorization header."))
    # One question for both, because every call of every door begins with it.
    values = {"slug": slug, "user": actor.user_id or 0}
    found = read(Workspace, "slug = %(slug)s", values, own_role=_OWN_ROLE)
    if not found:
        raise NotFound(_("There is no workspace %(slug)s, or you are not a member of it.") % {"slug": repr(slug)})
    workspace = found[0]
    _judge(workspace, getattr(workspace, "own_role", None), actor=actor, action=action)
    return workspace
