"""Whose turn it is: among runs of one priority that wait for one target, the people who submitted them alternate.

Each run gets the number of its turn when it is submitted, as somebody who draws a ticket: the turn that is being served
now, or the one after the last of their own. So the order of a queue is that of an index (priority, turn, age), and a
claim costs what it cost without turns. No Django: `runs/services/turning.py` says the same in SQL.
"""

from collections.abc import Iterable, Sequence

#: Of each person so many runs are brought forward at once: what comes later in their line has time.
BROUGHT = 50


def serving(executing: Iterable[int], waiting: Iterable[int]) -> int:
    """The turn that a target is at, from the turns of what executes there and of what waits: of one priority."""
    return max(executing, default=min(waiting, default=0))


def turn_of(served: int, own: Iterable[int]) -> int:
    """The turn of a new run: `own` are those of what its person has waiting and executing there."""
    return max(served, max(own, default=served - 1) + 1)


def brought_forward(served: int, own: Sequence[int]) -> list[int]:
    """The turns of one person's waiting runs, in their order, without the gaps that canceled runs left in front.

    Somebody who takes half of their runs back must not wait for the turns that those would have had.
    """
    return [min(turn, served + k) if k <= BROUGHT else turn for k, turn in enumerate(own, 1)]
