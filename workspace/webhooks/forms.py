"""Checking what people give for a webhook."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid
from workspace.references import did_you_mean
from workspace.webhooks.events import EVENTS

MAX_SECRET = 200
_NAME = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")


def clean_name(name: str) -> str:
    if not _NAME.match(name):
        raise Invalid(
            _(
                "Webhook name %(name)s is invalid. It has 1 to 63 letters, digits and . _ - , "
                "and begins and ends with a letter or a digit."
            )
            % {"name": repr(name[:70])},
            field="name",
        )
    return name


def clean_events(events: Iterable[str]) -> list[str]:
    """The events without repeats, in the order of EVENTS. Raises Invalid for none, and for one that there is not."""
    given = list(events)
    for one in given:
        if one not in EVENTS:
            near = get_close_matches(one, EVENTS, n=1)
            raise Invalid(
                _("There is no event %(one)s.") % {"one": repr(one[:60])} + did_you_mean(near[0] if near else None),
                hint=_("There are %(events)s.") % {"events": ", ".join(EVENTS)},
                field="events",
            )
    if not given:
        raise Invalid(
            _("Webhook events must be a non-empty list."),
            hint=_("There are %(events)s.") % {"events": ", ".join(EVENTS)},
            field="events",
        )
    return [one for one in EVENTS if one in given]


def clean_secret(secret: str) -> str:
    if len(secret) > MAX_SECRET or not secret.isprintable():
        raise Invalid(_("A secret has at most %(most)s visible characters.") % {"most": MAX_SECRET}, field="secret")
    return secret
