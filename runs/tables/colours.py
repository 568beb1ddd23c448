"""Colours that people give to runs."""

import random
from typing import Any

from runs.models import COLOURS
from studio.kernel.errors import Invalid

SHUFFLED = "shuffled"


def palette(asked: Any, count: int) -> list[int | None]:
    """The colours of `count` runs: one for all, SHUFFLED for random ones that differ, None for the usual.

    Raises Invalid.
    """
    if asked == SHUFFLED:
        dealt: list[int | None] = []
        while len(dealt) < count:
            dealt += random.sample(range(COLOURS), COLOURS)
        return dealt[:count]
    if asked is None or (type(asked) is int and 0 <= asked < COLOURS):
        return [asked] * count
    raise Invalid(
        f"A colour is a number from 0 to {COLOURS - 1}, {SHUFFLED!r}, or null for the usual one.", field="colour"
    )
