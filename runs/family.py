"""Runs that code began below its own: how they are marked, and what code may see of its family. No database."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio.kernel.actors import Actor

if TYPE_CHECKING:
    from runs.models import Run


def mark_of(actor: Actor) -> dict[str, Any]:
    """What a run's `config` says of the code that began it; empty for one that a person began."""
    return {"code_of": actor.run_id, "code_attempt": actor.attempt} if actor.kind == "run" else {}


def made_by(config: Mapping[str, Any], *, actor: Actor) -> bool:
    """Whether the run with this `config` was begun by the code that calls, in this attempt."""
    return actor.kind == "run" and {key: config.get(key) for key in ("code_of", "code_attempt")} == mark_of(actor)


def may_meet(run: "Run", *, actor: Actor, read: bool) -> bool:
    """Whether code may read (else: change) this run: its own, those that it began, and to read its direct children."""
    if actor.kind != "run" or actor.run_id == run.pk or made_by(run.config, actor=actor):
        return True
    return read and actor.run_id in (run.parent_id, run.config.get("code_of"))
