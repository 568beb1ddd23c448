"""Colours that people give to runs."""

import random
from typing import Any

from django.utils.translation import gettext as _

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
        _("A colour is a number from 0 to %(colours)s, %(shuffled)s, or null for the usual one.")
        % {"colours": COLOURS - 1, "shuffled": repr(SHUFFLED)},
        field="colour",
    )
