"""The clock of leases: it counts while the machine sleeps and nobody can set it."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since the machine started, suspend included, the same for every process of it."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boottime) if boottime is not None else time.monotonic()
