"""What becomes of a deployment, from what is known of its replicas: values in, a verdict out."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.endpoints.states import (
    FAILED,
    HEALTHY,
    READY,
    TRANSITIONING,
    UNHEALTHY,
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A replica that is wanted."""

    id: str
    state: str
    #: Seconds since its node spoke of it last, or since it failed; None while no node has it.
    quiet: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    state: str
    reason: str = ""
    #: Replicas whose node is silent, those that have failed, and how many new ones are needed.
    lost: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    add: int = 0


def judge(state: str, wanted: int, copies: Sequence[Copy], *, lease: float, again: float) -> Verdict:
    """Say what a live deployment of `wanted` replicas is now, and what is to be done about its copies.

    A new one fails with its first failed copy, so that what it should replace goes on. One that was healthy
    gets another copy for each that failed, `again` seconds later. A copy of a node that was silent for longer
    than `lease` is replaced.
    """
    failed = [one for one in copies if one.state == FAILED]
    if state == TRANSITIONING and failed:
        return Verdict(FAILED, failed[0].reason or "A replica failed.", given_up=tuple(one.id for one in failed))
    lost = tuple(one.id for one in copies if one.state != FAILED and one.quiet is not None and one.quiet > lease)
    given_up = tuple(one.id for one in failed if one.quiet is None or one.quiet > again)
    kept = [one for one in copies if one.id not in lost and one.id not in given_up]
    ready = sum(one.state == READY for one in kept)
    add = max(0, wanted - len(kept))
    if ready >= wanted:
        return Verdict(HEALTHY, lost=lost, given_up=given_up)
    said = next((one.reason for one in kept if one.state != READY and one.reason), "")
    if state == TRANSITIONING:
        return Verdict(TRANSITIONING, said, lost, given_up, add)
    return Verdict(UNHEALTHY, f"{ready} of {wanted} replicas are ready. {said}".strip(), lost, given_up, add)
