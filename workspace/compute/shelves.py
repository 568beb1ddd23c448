"""What nodes keep of environments: what an agent said of it, made safe to keep, and as pages and programs see it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from workspace.compute.forms import line_of

MOST_NAMED = 50
#: Within what time a node that is heard of has removed what it was asked to; then it cannot.
EVICTION = timedelta(minutes=10)
_MOST_BYTES = 10**15
_MOST_SECONDS = 10**9
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def clean_shelf(told: object, *, now: datetime) -> dict[str, Any]:
    """{at, limit, size, count, kept: [{digest, python, packages, size, used, busy}]}, sizes in bytes, `used` a moment.

    Empty for what is no such thing. A node's clock may be wrong, so it tells how long ago and not when.
    """
    if not isinstance(told, Mapping):
        return {}
    kept = told.get("kept")
    named = [one for one in kept[:MOST_NAMED] if isinstance(one, Mapping)] if isinstance(kept, list) else []
    return {
        "at": now.isoformat(),
        **{key: _whole(told.get(key), _MOST_BYTES) for key in ("limit", "size", "count")},
        "kept": [_entry(one, now) for one in named],
    }


def still_evicting(evicting: Mapping[str, str], shelf: Mapping[str, Any], *, now: datetime) -> dict[str, str]:
    """What is still to go, now that the node keeps this: not what is gone, nor what a run has taken meanwhile."""
    there = {one["digest"] for one in shelf.get("kept", []) if not one["busy"]}
    asked = now - EVICTION
    return {digest: at for digest, at in evicting.items() if digest in there and datetime.fromisoformat(at) > asked}


def _entry(told: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    digest = told.get("digest")
    used = now - timedelta(seconds=_whole(told.get("idle_seconds"), _MOST_SECONDS))
    return {
        "digest": digest if isinstance(digest, str) and _DIGEST.match(digest) else "",
        "python": line_of(told.get("python"), 20),
        "packages": _whole(told.get("packages"), 10**6),
        "size": _whole(told.get("size"), _MOST_BYTES),
        "used": used.isoformat(),
        "busy": told.get("busy") is True,
    }


def _whole(value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return max(0, min(value, most))
