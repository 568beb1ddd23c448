"""Reading runs: what a person or the run's own code may see."""

from typing import Any

from runs.models import Attempt, Run
from studio.kernel import tokens
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound, Unauthenticated
from workspace.access import get_workspace
from zaffre.protocol import FINAL_STATES


def get_run(slug: str, run_id: str, *, actor: Actor, action: str = "run.read") -> Run:
    """Return the run if the actor may do `action` to it. Raises NotFound, Forbidden."""
    workspace = get_workspace(slug, actor=actor, action=action)
    run = Run.objects.select_related("workspace", "experiment").filter(workspace=workspace, pk=run_id).first()
    if run is None or (actor.kind == "run" and actor.run_id != run.pk):
        raise NotFound(f"There is no run {run_id[:40]!r} in {slug}.")
    return run


def run_out(run: Run) -> dict[str, Any]:
    """The run as doors show it."""
    return {
        "id": run.pk,
        "number": run.number,
        "name": run.name,
        "status": run.status,
        "attempt": run.attempt_no,
        "tags": run.tags,
    }


def actor_of_token(parsed: tokens.Parsed, *, address: str = "") -> Actor:
    """Return the actor of a run token. Raises Unauthenticated when the attempt has ended."""
    attempt = Attempt.objects.select_related("run").filter(token_id=parsed.id).first()
    if attempt is None or not tokens.matches(parsed.secret, attempt.secret_hash):
        raise Unauthenticated("This run token is unknown.")
    if attempt.ended is not None and attempt.run.status in FINAL_STATES:
        raise Unauthenticated("This run has ended, and its token with it.")
    return Actor(
        kind="run",
        name=attempt.run.name,
        token_id=parsed.id,
        workspace_id=attempt.run.workspace_id,
        run_id=attempt.run_id,
        attempt=attempt.no,
        address=address,
    )
