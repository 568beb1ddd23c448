"""What people may call themselves and how they may set their account up."""

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from studio.kernel.errors import Invalid
from workspace.accounts.models import User

MAX_USERNAME = 150
MAX_PASSWORD = 1024
MAX_DISPLAY_NAME = 80
MAX_TOKEN_NAME = 80
TOKEN_DAYS = 90
MAX_TOKEN_DAYS = 366


def clean_username(username: str) -> str:
    """Return `username` when an account may have it. Raises Invalid."""
    username = User.normalize_username(username.strip())
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError:
        username = ""
    # Names that a path would resolve away cannot have an address of their own.
    if not username or len(username) > MAX_USERNAME or username in {".", ".."}:
        raise Invalid(
            gettext("A user name has 1 to %(most)s letters, digits or @ . + - _ and no spaces.")
            % {"most": MAX_USERNAME},
            field="username",
        )
    return username


def clean_password(password: str, *, user: User, field: str = "password") -> str:
    """Return `password` when it is good enough for `user`. Raises Invalid that says what is wrong with it."""
    if len(password) > MAX_PASSWORD:
        raise Invalid(gettext("A password has at most %(most)s characters.") % {"most": MAX_PASSWORD}, field=field)
    try:
        validate_password(password, user)
    except ValidationError as problem:
        raise Invalid(" ".join(problem.messages), code="weak_password", field=field) from None
    return password


def clean_line(text: str, *, most: int, noun: str, field: str, empty: bool = False) -> str:
    """Return one line of text without its outer blanks. Raises Invalid."""
    line = text.strip()
    if len(line) > most or (not line and not empty) or not all(char.isprintable() for char in line):
        least = 0 if empty else 1
        raise Invalid(
            gettext("%(noun)s has %(least)s to %(most)s characters on one line.")
            % {"noun": noun, "least": least, "most": most},
            field=field,
        )
    return line


def clean_days(days: int) -> int:
    """Return the life of a token in days. Raises Invalid outside of 1 to 366."""
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise Invalid(
            gettext("A token lives 1 to %(most)s days, not %(days)s.") % {"most": MAX_TOKEN_DAYS, "days": days},
            field="days",
        )
    return days


def clean_language(language: str) -> str:
    """Return a language that the pages speak, or "" for the browser's own. Raises Invalid."""
    known = [code for code, _ in settings.LANGUAGES]
    if language and language not in known:
        raise Invalid(
            gettext("The pages speak %(known)s, not %(language)s.")
            % {"known": " and ".join(known), "language": repr(language[:20])},
            field="language",
        )
    return language


def clean_theme(theme: str) -> str:
    """Return a theme of the pages. Raises Invalid."""
    if theme not in User.Theme.values:
        raise Invalid(
            gettext("The theme is one of %(values)s, not %(theme)s.")
            % {"values": ", ".join(User.Theme.values), "theme": repr(theme[:20])},
            field="theme",
        )
    return theme
