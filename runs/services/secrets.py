"""Secrets of a run: for the node that starts it, those that it names; for its code, what it asks for while it runs.

Always with the rights of whoever submitted it as they are at that moment, and never into a table of runs.
"""

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from runs.config import secret_names
from runs.fencing import refuse_late
from runs.models import Attempt, Run, Status
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Invalid, NotFound, Unauthenticated
from workspace.access import authorize, can
from workspace.audit.services import record
from workspace.secrets import queries as vault
from workspace.secrets.services import open_secrets

MOST_AT_ONCE = 100


def refusal(run: Run) -> tuple[str, str, str] | None:
    """(final state, code, reason) of a run that must not start because of what it names; None when it may."""
    names = secret_names(run.config)
    if not names:
        return None
    if run.submitted_by is None or not can(run.workspace, actor=run.submitted_by.as_actor(), action="secret.use"):
        return (
            Status.CANCELED,
            "submitter_gone",
            "Whoever submitted this run may not use the workspace's secrets any more.",
        )
    try:
        vault.resolve(run.workspace, names)
    except Invalid as gone:
        return Status.FAILED, "secret_gone", f"{gone.message} It was deleted while the run waited."
    return None


def of_attempt(run: Run, attempt: Attempt) -> dict[str, str]:
    """{name: value} of the secrets that the run names, for the node that was given the attempt."""
    names = secret_names(run.config)
    if not names:
        return {}
    if run.submitted_by is None:
        raise Forbidden(_("Whoever submitted this run is gone."))
    node = Actor(kind="node", name=attempt.node.name if attempt.node else "", node_id=attempt.node_id or "")
    facts = {"run": run.pk, "attempt": attempt.no, "secrets": sorted(names)}
    record(actor=node, workspace=run.workspace, action="secret.give", target=", ".join(sorted(names)), fields=facts)
    found = open_secrets(run.workspace, names, actor=run.submitted_by.as_actor())
    return {name: str(value) for name, value in found.items()}


@transaction.atomic
def read_secrets(run_id: str, *, actor: Actor, names: Sequence[str]) -> dict[str, str | None]:
    """{name: value} for running code that asks; None for what is not there.

    Raises NotFound for another run's token, Conflict `stale_attempt` or `final` for code that has lost its run,
    Forbidden when whoever submitted it may not use secrets (any more).
    """
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Send the run's token in the Authorization header."))
    if actor.kind != "run":
        raise Forbidden(_("This address takes the token of a run."))
    if actor.run_id != run_id:
        raise NotFound(_("This token belongs to another run."))
    if len(names) > MOST_AT_ONCE:
        raise Invalid(_("Ask for at most %(most)s secrets at once.") % {"most": MOST_AT_ONCE})
    run = Run.objects.select_related("workspace", "submitted_by").get(pk=run_id)
    authorize(run.workspace, actor=actor, action="secret.read")
    refuse_late(status=run.status, attempt_no=run.attempt_no, actor=actor)
    user = run.submitted_by
    if user is None or not user.is_active:
        raise Forbidden(_("Whoever submitted this run is gone, so it reads no secrets."))
    found = open_secrets(run.workspace, names, actor=user.as_actor())
    facts = {"run": run.pk, "attempt": actor.attempt, "secrets": sorted(found), "for": user.username}
    told = ", ".join(sorted(found)) or "none"
    record(actor=actor, workspace=run.workspace, action="secret.read", target=told[:200], fields=facts)
    return {name: found.get(name) for name in names}
