"""What a node has on its shelf of environments, for the studio and for who asks the node."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Dict, Optional, Sequence

from zaffre.agent.environments.shelf import Shelf

log = logging.getLogger("zaffre.agent")

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
        self._evicting = threading.Thread()

    def news(self, *, anyway: bool) -> Optional[Dict[str, Any]]:
        """What the studio does not know yet; None when nothing changed, or when the disk does not answer."""
        try:
            # Each use writes a file into the folder.
            self._seen = self._shelf.folder.stat().st_mtime
            return stock(self._shelf) if anyway or self._seen != self._told else None
        except OSError:
            return None

    def evict(self, digests: Sequence[str]) -> None:
        """Have these go, unless they are in use, in a thread: large ones take longer than a lease should wait."""
        if digests and not self._evicting.is_alive():
            self._evicting = threading.Thread(target=self._evict, args=(list(digests),), name="evict", daemon=True)
            self._evicting.start()

    def _evict(self, digests: Sequence[str]) -> None:
        try:
            for one in self._shelf.kept():
                if one.facts.get("digest") in digests and not one.busy and self._shelf.remove(one.key):
                    log.info("removed environment %s, as somebody asked", one.key)
        except OSError as error:
            log.warning("environments that somebody asked to remove stay: %s", error)

    def was_told(self) -> None:
        """The studio has what `news` returned last."""
        self._told = self._seen
