"""Writing down who did what, in the transaction of the deed."""

from collections.abc import Iterable, Mapping
from typing import Any

from studio.kernel.actors import Actor
from workspace.audit import trail
from workspace.audit.trail import Deed
from workspace.models import Workspace


def record(
    *,
    actor: Actor,
    workspace: Workspace | None,
    action: str,
    target: str,
    fields: Iterable[str] | Mapping[str, Any] = (),
) -> None:
    """Write one line of the audit trail; call it inside the transaction that makes it true.

    `action` is `noun.verb`, `target` names the thing for a person, `fields` are the names of changed
    fields or a few small facts (never a secret's value). `workspace` is None for what concerns the site.
    """
    trail.append(Deed(actor, workspace, action, target, fields))


def record_all(deeds: Iterable[Deed]) -> None:
    """`record` for many deeds at once, whose actors may be several."""
    trail.append(*deeds)
