"""Tags and filters that every template has without loading them."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django import template
from django.http import HttpRequest
from django.utils.translation import get_language, gettext, pgettext
from rest_framework.utils.encoders import JSONEncoder

from runs.tables import cells
from studio.kernel.sizes import size_text
from studio.shell.client import install_command
from studio.shell.navigation import address

register = template.Library()

KINDS = {
    "completed": "ok",
    "succeeded": "ok",
    "healthy": "ok",
    "ready": "ok",
    "online": "ok",
    "failed": "bad",
    "unhealthy": "bad",
    "offline": "bad",
    "canceled": "warn",
    "cancel_requested": "warn",
    "not_responding": "warn",
    "running": "live",
    "preparing": "live",
    "starting": "live",
    "finalizing": "live",
    "transitioning": "live",
    "leaving": "warn",
    "unreachable": "warn",
    "free": "ok",
    "busy": "live",
    "confirm": "warn",
    "installing": "live",
    "connecting": "live",
    "unusable": "bad",
    "preempted": "warn",
    "creating": "live",
    "restarting": "live",
    "stopping": "warn",
}


@lru_cache
def _names(language: str | None) -> dict[str, str]:
    """By state, in the active language, which is `language`: made once, for a table has a state in each row."""
    return {
        "not_started": gettext("Not started"),
        "queued": gettext("Queued"),
        "starting": gettext("Starting"),
        "preparing": gettext("Preparing"),
        "running": gettext("Running"),
        "finalizing": gettext("Finalizing"),
        "cancel_requested": gettext("Canceling"),
        "completed": gettext("Completed"),
        "succeeded": gettext("Succeeded"),
        "failed": gettext("Failed"),
        "canceled": gettext("Canceled"),
        "not_responding": gettext("Not responding"),
        "transitioning": gettext("Changing"),
        "healthy": gettext("Healthy"),
        "unhealthy": gettext("Unhealthy"),
        "retired": gettext("Retired"),
        "waiting": gettext("Waiting"),
        "ready": gettext("Ready"),
        "stopped": gettext("Stopped"),
        "online": gettext("Online"),
        "offline": gettext("Offline"),
        "empty": gettext("No deployment"),
        **_of_compute(),
        "owner": pgettext("role", "owner"),
        "contributor": pgettext("role", "contributor"),
        "reader": pgettext("role", "reader"),
        "labeler": pgettext("role", "labeler"),
        "snapshot": gettext("Code"),
        "environment": gettext("Environment"),
        "data": gettext("Data"),
        "outputs": gettext("Outputs"),
    }


def _of_compute() -> dict[str, str]:
    return {
        "idle": gettext("Idle"),
        "invited": gettext("Machines invited"),
        "invitation_revoked": gettext("Invitation revoked"),
        "target_changed": gettext("Settings changed"),
        "environment_evicted": gettext("Environment removed"),
        "node_joined": gettext("Node joined"),
        "node_drained": gettext("Node drained"),
        "node_undrained": gettext("Node takes runs again"),
        "node_removed": gettext("Node removed"),
        "node_added": gettext("Node added"),
        "node_ready": gettext("Node ready"),
        "node_leaves": gettext("Node leaves"),
        "node_gone": gettext("Node gone"),
        "host_failed": gettext("Machine failed"),
        "free": gettext("Free"),
        "busy": gettext("Serves a node"),
        "unreachable": gettext("Unreachable"),
        "growing": gettext("Growing"),
        "coming": gettext("Coming up"),
        "shrinking": gettext("Shrinking"),
        "steady": gettext("Steady"),
        "at_max": gettext("At its maximum"),
        "below_min": gettext("Below its minimum"),
        "above_max": gettext("Above its maximum"),
        "nothing_fits": gettext("Nothing fits"),
        "failing": gettext("Nodes fail"),
        "kept": gettext("Kept running"),
        "leaving": gettext("Leaving"),
        "unusable": gettext("Unusable"),
        "preempted": gettext("Preempted"),
        "creating": gettext("Creating"),
        "restarting": gettext("Restarting"),
        "stopping": gettext("Stopping"),
        "connecting": gettext("Connecting"),
        "confirm": gettext("Waits for you"),
        "installing": gettext("Installing"),
        "detaching": gettext("Detaching"),
        "leftover": gettext("Not cleaned up"),
        "local": pgettext("compute", "local"),
        "instance": pgettext("compute", "compute instance"),
        "cluster": pgettext("compute", "cluster"),
        "attached": pgettext("compute", "attached machine"),
        "joined": pgettext("compute", "joined machines"),
        "dedicated": gettext("dedicated"),
        "lowpriority": gettext("low priority"),
    }


@register.filter
def word(state: Any) -> str:
    """The name of a state, role or step in the page's language."""
    text = str(state)
    return _names(get_language()).get(text, text.replace("_", " "))


@register.filter
def kind(state: Any) -> str:
    """The colour of a state: ok, bad, warn, live or idle."""
    return KINDS.get(str(state), "idle")


@register.filter
def iso(moment: Any) -> str:
    """A time for <time-ago>."""
    return moment.isoformat() if isinstance(moment, datetime) else str(moment or "")


@register.filter
def size(count: Any) -> str:
    """Bytes for people: 1.2 MB."""
    return size_text(count)


@register.filter
def number(value: Any) -> str:
    """A metric with five significant digits; the exact value belongs into a title."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return str(value) if isinstance(value, int) else f"{value:.5g}"


@register.filter
def middle(text: Any, most: int = 24) -> str:
    """Cut a long text in its middle: the end often is what differs."""
    return cells.middle(str(text), most)


@register.filter
def first_line(text: Any) -> str:
    """What comes before the first end of a line; the rest stands where there is room for it."""
    return str(text).partition("\n")[0]


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """The value of a key that a template cannot write."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.filter
def pretty(value: Any) -> str:
    """As JSON with every value as the API writes it."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, cls=JSONEncoder)


@register.filter
def lines(items: Any) -> str:
    """One item a line. A tag of a template ends where its line ends, so `join` cannot be given a line's end."""
    return "\n".join(str(item) for item in items or [])


@register.filter
def share(value: Any) -> str:
    """A part of 1 as a percentage; empty when it is not known."""
    return f"{100 * value:.0f} %" if isinstance(value, (int, float)) else ""


@register.filter
def may(frame: Any, action: str) -> bool:
    """{% if frame|may:"run.submit" %}: asks the rule book."""
    return bool(frame.may(action))


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The page's own query string with some of its words changed; an empty value removes one."""
    request: HttpRequest = context["request"]
    words = {**request.GET.dict(), **changes}
    return "?" + urlencode({key: value for key, value in words.items() if value not in (None, "")})


@register.simple_tag(takes_context=True)
def site_url(context: template.Context) -> str:
    """The studio's address as the reader has it, for commands to copy."""
    request: HttpRequest = context["request"]
    return f"{request.scheme}://{request.get_host()}"


@register.simple_tag(takes_context=True)
def install_client(context: template.Context, extra: str = "") -> str:
    """The command that installs the client from this studio, as the reader reaches it."""
    return install_command(site_url(context), extra)


@register.simple_tag
def page(name: str, *words: Any) -> str:
    """The address of a page, empty when the studio has no such page: what is not there is not linked."""
    return address(name, *(str(word) for word in words))
