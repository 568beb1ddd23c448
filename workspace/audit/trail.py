"""Appending to the trail. Entries are added here and nowhere else, and never changed."""

from collections.abc import Iterable, Mapping
from typing import Any

from studio.kernel.actors import Actor
from workspace.audit.models import Entry
from workspace.models import Workspace

#: Longest action and target that a line keeps: names from outside are cut, not refused.
MAX_NAME = 150
MAX_TARGET = 300


def append(
    *,
    actor: Actor,
    action: str,
    workspace: Workspace | None = None,
    target: str = "",
    fields: Iterable[str] | Mapping[str, Any] = (),
) -> Entry:
    """Add one line. It commits or vanishes with the caller's transaction."""
    facts = dict(fields) if isinstance(fields, Mapping) else {"changed": list(fields)} if fields else {}
    return Entry.objects.create(
        workspace=workspace,
        workspace_slug=workspace.slug if workspace else "",
        actor_kind=actor.kind,
        actor_name=_storable(actor.name)[:MAX_NAME],
        credential=actor.token_id,
        address=actor.address[:64],
        action=action,
        target=_storable(target)[:MAX_TARGET],
        fields=facts,
    )


def _storable(text: str) -> str:
    # PostgreSQL keeps no NUL, and a line break in a name would fake a second line in an export.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
