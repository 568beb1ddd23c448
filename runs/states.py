"""The life of a run as one table. Pure: who may do an event is decided elsewhere, and the database decides the race."""

from zaffre.protocol import (
    CANCEL_REQUESTED,
    CANCELED,
    COMPLETED,
    FAILED,
    FINALIZING,
    HELD_STATES,
    PREPARING,
    QUEUED,
    RUNNING,
    STARTING,
)

#: How far an attempt is, in order; it never goes back.
PROGRESS = (STARTING, PREPARING, RUNNING, FINALIZING)

CANCELABLE = frozenset({QUEUED, STARTING, PREPARING, RUNNING, FINALIZING})
#: Reasons that a retry budget covers: the machine's fault, never the script's.
RETRIED = frozenset({"worker_lost", "preempted", "lease_lost"})

#: An attempt whose code never started is given back to the queue this often without costing a retry.
FREE_RETRIES = 5
#: Preemptions are not failures, but a run may not wander for ever.
MOST_PREEMPTIONS = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0


def before(state: str) -> frozenset[str]:
    """The states from which an attempt may report that it is in `state` now. Empty for what no attempt reports."""
    if state not in PROGRESS:
        return frozenset()
    return frozenset(PROGRESS[: PROGRESS.index(state) + 1])


def outcome(*, canceling: bool, decided: bool, reason: str, exit_code: int | None) -> str:
    """The final state of an attempt that reported its result.

    A program that ends well while it is being canceled is canceled all the same: its end was not its own choice. One
    that is `decided` is being ended as failed.
    """
    if decided:
        return FAILED
    if canceling:
        return CANCELED
    return COMPLETED if exit_code == 0 and not reason else FAILED


def pause(retries: int) -> float:
    """Seconds to wait before retry number `retries` (from 1): 5, 10, 20 … 300."""
    return min(_FIRST_PAUSE * 2 ** max(0, retries - 1), _LONGEST_PAUSE)


def given_up(*, canceling: bool, launched: bool, free_used: int, retries_used: int, max_retries: int) -> str:
    """What becomes of a run whose attempt is lost: queued again, canceled or failed."""
    if canceling:
        return CANCELED
    if not launched and free_used < FREE_RETRIES:
        return QUEUED
    return QUEUED if launched and retries_used < max_retries else FAILED


__all__ = [
    "CANCELABLE",
    "CANCEL_REQUESTED",
    "HELD_STATES",
    "MOST_PREEMPTIONS",
    "PROGRESS",
    "RETRIED",
    "before",
    "given_up",
    "outcome",
    "pause",
]
