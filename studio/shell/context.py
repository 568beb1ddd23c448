"""What every page's frame needs. Asked for only by the templates that show it."""

from functools import cached_property
from typing import Any

from django.http import HttpRequest

from studio.kernel.web import actor_of
from studio.shell import queries
from studio.shell.navigation import GROUPS, address
from studio.shell.words import words
from workspace.access import can
from workspace.models import Membership, Workspace
from workspace.queries import my_workspaces


class Frame:
    """The workspace around a page as its reader sees it; nothing is read before it is asked for."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        match = request.resolver_match
        self.page = match.url_name if match else ""
        self.slug = str(match.kwargs.get("ws", "")) if match else ""

    @cached_property
    def mine(self) -> list[Membership]:
        return list(my_workspaces(actor=self.actor)) if self.actor.is_user else []

    @cached_property
    def actor(self) -> Any:
        return actor_of(self.request)

    @cached_property
    def membership(self) -> Membership | None:
        return next((one for one in self.mine if one.workspace.slug == self.slug), None)

    @property
    def workspace(self) -> Workspace | None:
        return self.membership.workspace if self.membership else None

    @cached_property
    def counts(self) -> dict[str, int]:
        return queries.counts(self.workspace, actor=self.actor) if self.workspace else {}

    def may(self, action: str) -> bool:
        """Whether the reader may do `action` here: for showing or hiding what a page offers."""
        known = self.__dict__.setdefault("_may", {})
        if action not in known:
            mine = self.membership
            known[action] = mine is not None and can(mine.workspace, actor=self.actor, action=action, role=mine.role)
        return known[action]

    @cached_property
    def groups(self) -> list[dict[str, Any]]:
        shown = []
        for group in GROUPS:
            entries = [
                {
                    "url": url,
                    "label": entry.label,
                    "key": entry.key,
                    "count": self.counts.get(entry.count),
                    "on": self.page in (entry.page, *entry.below),
                }
                for entry in group.entries
                if (url := address(entry.page, self.slug)) and (not entry.action or self.may(entry.action))
            ]
            shown.append({"label": group.label, "entries": entries})
        return [group for group in shown if group["entries"]]


def frame(request: HttpRequest) -> dict[str, Any]:
    # Of a page that is rendered in parts they share one.
    known = request.__dict__.setdefault("_frame", None) or Frame(request)
    request.__dict__["_frame"] = known
    return {"frame": known, "words": words}
