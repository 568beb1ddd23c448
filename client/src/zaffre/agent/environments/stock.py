"""What a node has on its shelf of environments, for the studio and for who asks the node."""

from __future__ import annotations

import time
from typing import Any, Dict, Optional

from zaffre.agent.environments.shelf import Shelf

#: Of more the most recently used are named; all are counted.
MOST_NAMED = 50


def stock(shelf: Shelf) -> Dict[str, Any]:
    """{limit, size, count, kept: [{digest, python, packages, size, idle_seconds, busy}]}, sizes in bytes.

    `digest` is that of the lock that it was made from; the most recently used one comes first. Raises OSError.
    """
    found, moment = shelf.kept(), time.time()
    kept = [
        {
            "digest": str(one.facts.get("digest", "")),
            "python": str(one.facts.get("python", "")),
            "packages": one.facts.get("packages", 0),
            "size": one.size,
            "idle_seconds": max(0, int(moment - one.used)),
            "busy": one.busy,
        }
        for one in found[:MOST_NAMED]
    ]
    return {"limit": int(shelf.limit), "size": sum(one.size for one in found), "count": len(found), "kept": kept}


class Stock:
    """Tells it when something came, went or was used, and whenever somebody looks. For one thread."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._told = self._seen = 0.0

    def news(self, *, anyway: bool) -> Optional[Dict[str, Any]]:
        """What the studio does not know yet; None when nothing changed, or when the disk does not answer."""
        try:
            # Each use writes a file into the folder.
            self._seen = self._shelf.folder.stat().st_mtime
            return stock(self._shelf) if anyway or self._seen != self._told else None
        except OSError:
            return None

    def was_told(self) -> None:
        """The studio has what `news` returned last."""
        self._told = self._seen
