"""The clock of leases: it counts while the machine sleeps and nobody can set it."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict


def now() -> float:
    """Seconds since the machine started, suspend included, the same for every process of it."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boottime) if boottime is not None else time.monotonic()


def aging(told: Dict[str, Any]) -> Callable[[], Dict[str, Any]]:
    """A report as it is whenever it is sent: `ago` in it and in its `steps` are the seconds that were right now."""
    since = now()

    def aged(one: Dict[str, Any]) -> Dict[str, Any]:
        return {**one, "ago": round(one["ago"] + now() - since, 3)} if "ago" in one else one

    return lambda: {**aged(told), "steps": [aged(step) for step in told["steps"]]}
