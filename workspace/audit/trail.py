"""Appending to the trail. Entries are added here and nowhere else, and never changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from studio.kernel.actors import Actor
from studio.kernel.rows import insert
from workspace.audit.models import Entry
from workspace.models import Workspace

#: Longest action and target that a line keeps: names from outside are cut, not refused.
MAX_NAME = 150
MAX_TARGET = 300


@dataclass(frozen=True)
class Deed:
    """What a line tells: who did what to which thing (`target`, for a person), where; None for the site."""

    actor: Actor
    workspace: Workspace | None
    action: str
    target: str = ""
    fields: Iterable[str] | Mapping[str, Any] = ()


def append(*deeds: Deed) -> list[Entry]:
    """Add a line for each. They commit or vanish with the caller's transaction."""
    entries = [_entry(deed) for deed in deeds]
    if len(entries) == 1:
        insert(entries[0])  # nearly always: each deed of a short run adds one
        return entries
    return Entry.objects.bulk_create(entries)


def _entry(deed: Deed) -> Entry:
    actor, fields = deed.actor, deed.fields
    facts = dict(fields) if isinstance(fields, Mapping) else {"changed": list(fields)} if fields else {}
    return Entry(
        workspace=deed.workspace,
        workspace_slug=deed.workspace.slug if deed.workspace else "",
        actor_kind=actor.kind,
        actor_name=_storable(actor.name)[:MAX_NAME],
        credential=actor.token_id,
        address=actor.address[:64],
        action=deed.action,
        target=_storable(deed.target)[:MAX_TARGET],
        fields=facts,
    )


def _storable(text: str) -> str:
    # PostgreSQL keeps no NUL, and a line break in a name would fake a second line in an export.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
