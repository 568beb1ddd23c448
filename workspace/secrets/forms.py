"""Checking names and values of secrets. No error ever holds a value."""

import re

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid, TooLarge

#: A shorter one cannot be masked in a log: it would be found in every other word.
SHORTEST = 6
#: Bytes of UTF-8, enough for a private key or the credentials file of a cloud.
LONGEST = 25_600
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,126}\Z")


def clean_name(name: str) -> str:
    """Raises Invalid for what cannot name a secret."""
    if not _NAME.match(name):
        raise Invalid(
            _(
                "%(name)s cannot be the name of a secret: use 1 to 127 letters, digits, _ and -, "
                "beginning with a letter or a digit."
            )
            % {"name": repr(name[:70])},
            field="name",
        )
    return name


def clean_value(value: str) -> str:
    """Raises Invalid for a value that cannot be a secret, TooLarge for one that is too long."""
    if len(value.strip()) < SHORTEST:
        raise Invalid(
            _(
                "A secret has at least %(shortest)s characters: a shorter one can be guessed, "
                "and cannot be hidden in logs."
            )
            % {"shortest": SHORTEST},
            code="short_secret",
            hint=_("What is no secret belongs into the environment variables of a run."),
            field="value",
        )
    if "\0" in value:
        raise Invalid(
            _("A secret is a text without NUL characters."), hint=_("Encode other bytes in base64."), field="value"
        )
    if len(value.encode("utf-8", "surrogatepass")) > LONGEST:
        raise TooLarge(
            _("A secret has at most %(longest)s bytes.") % {"longest": LONGEST},
            hint=_("Keep a large file as a dataset."),
        )
    return value
