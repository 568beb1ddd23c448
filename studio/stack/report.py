"""What a person sees while things are set up and started: one line per step, with its time."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds since the epoch at which the first part of a command began; later parts of it inherit it.
STARTED = float(os.environ.get("ZAFFRE_STARTED") or time.time())


def elapsed() -> float:
    return time.time() - STARTED


def say(text: str) -> None:
    """Print one line with the time since the command began."""
    print(f"[{elapsed():6.1f} s] {text}", flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a step on a terminal while it runs; when it is done, print it with its own time."""
    begun = time.monotonic()
    waiting = sys.stdout.isatty()
    if waiting:
        print(f"[{elapsed():6.1f} s] {text} …", end="\r", flush=True)
    try:
        yield
    except BaseException:
        if waiting:
            print(flush=True)
        raise
    erase = "\033[K" if waiting else ""
    print(f"[{elapsed():6.1f} s] {text} ({time.monotonic() - begun:.1f} s){erase}", flush=True)
