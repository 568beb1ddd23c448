"""Parsing of limits, for pages and the API."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid
from workspace.quotas.ledger import AMOUNTS

MOST = 1_000_000


def clean_amounts(given: Mapping[str, Any]) -> dict[str, int | None]:
    """{runs, cpus, gpus, nodes} of what was given; empty and None mean no limit. Raises Invalid by the field."""
    found: dict[str, int | None] = {}
    for name in AMOUNTS:
        value = given.get(name)
        if isinstance(value, str):
            text = value.strip()
            value = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text or None
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST):
            raise Invalid(
                _("%(name)s is a whole number from 0 to %(most)s, or nothing for no limit.")
                % {"name": name, "most": MOST},
                field=name,
            )
        found[name] = value
    return found
