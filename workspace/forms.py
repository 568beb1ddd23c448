"""Names and tags that people give to things, checked in one place for every room of a workspace."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid
from workspace.models import Role
from zaffre.protocol import NAME_RE, SLUG_RE

MAX_TITLE = 80
MAX_DESCRIPTION = 4000
MAX_TAGS, MAX_KEY, MAX_VALUE = 1000, 250, 8000


def clean_slug(slug: str) -> str:
    """Return the short name of a workspace. Raises Invalid."""
    if not SLUG_RE.match(slug):
        raise Invalid(
            _(
                "%(slug)s cannot be the short name of a workspace: use 2 to 32 lower-case letters, digits and hyphens, "
                "beginning with a letter or a digit."
            )
            % {"slug": repr(slug[:40])},
            field="slug",
        )
    return slug


def clean_name(name: str, *, noun: str) -> str:
    """Return the name of a resource such as a dataset; `noun` says what, with its article. Raises Invalid."""
    if not NAME_RE.match(name):
        raise Invalid(
            _(
                "%(name)s cannot be the name of %(noun)s: use 1 to 64 letters, digits and . _ - , "
                "beginning with a letter or a digit."
            )
            % {"name": repr(name[:70]), "noun": noun},
            field="name",
        )
    return name


def clean_title(title: str) -> str:
    """Return a name for showing: 1 to 80 characters on one line. Raises Invalid."""
    line = title.strip()
    if not line or len(line) > MAX_TITLE or not line.isprintable():
        raise Invalid(_("A name has 1 to %(most)s characters on one line.") % {"most": MAX_TITLE}, field="name")
    return line


def clean_description(text: str) -> str:
    """Return a description of at most 4000 characters. Raises Invalid."""
    text = text.strip()
    if len(text) > MAX_DESCRIPTION or "\0" in text:
        raise Invalid(
            _("A description has at most %(most)s characters.") % {"most": MAX_DESCRIPTION},
            field="description",
        )
    return text


def clean_role(role: str) -> str:
    """Return a role of a member. Raises Invalid that names the roles."""
    if role not in Role.values:
        raise Invalid(
            _("The role is one of %(values)s, not %(role)s.")
            % {"values": ", ".join(Role.values), "role": repr(role[:20])},
            field="role",
        )
    return role


def split_reference(
    reference: str, *, noun: str, named: Callable[[str], object] | None = None
) -> tuple[str, int | None]:
    """Split `name` or `name:version` into its parts; None (also for `name:latest`) means the newest version.

    Raises Invalid when it is neither.
    """
    name, colon, version = reference.strip().partition(":")
    named(name) if named else clean_name(name, noun=noun)
    if not colon or version == "latest":
        return name, None
    # Digits of other scripts are digits for Python, but no version of ours; ten fill the column.
    if not (version.isascii() and version.isdigit() and len(version) < 10 and int(version) > 0):
        raise Invalid(
            _("%(reference)s has no version number after the colon: write name:3, or the name alone.")
            % {"reference": repr(reference[:80])}
        )
    return name, int(version)


def clean_tags(tags: Mapping[str, Any], *, noun: str = "tag", longest: int = MAX_VALUE) -> dict[str, str]:
    """Return tags (or properties) as texts. Raises Invalid that names the one that cannot be kept."""
    if len(tags) > MAX_TAGS:
        raise Invalid(
            _("%(tags)s of them, and at most %(most)s are kept.") % {"tags": len(tags), "most": MAX_TAGS},
            field=noun,
        )
    return {
        clean_key(key, noun=noun): clean_value(key, value, noun=noun, longest=longest) for key, value in tags.items()
    }


def clean_key(key: object, *, noun: str) -> str:
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise Invalid(
            _("The %(noun)s %(key)s needs a name of 1 to %(most)s visible characters.")
            % {"noun": noun, "key": repr(str(key)[:60]), "most": MAX_KEY},
            field=noun,
        )
    return key


def clean_value(key: object, value: object, *, noun: str, longest: int = MAX_VALUE) -> str:
    text = value if isinstance(value, str) else str(value)
    if len(text) > longest or "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise Invalid(
            _("The %(noun)s %(key)s has at most %(longest)s characters, and none that cannot be stored.")
            % {"noun": noun, "key": repr(str(key)[:60]), "longest": longest},
            field=noun,
        )
    return text
