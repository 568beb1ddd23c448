"""Names and tags that people give to things, checked in one place for every room of a workspace."""

from collections.abc import Callable, Mapping
from typing import Any

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
            f"{slug[:40]!r} cannot be the short name of a workspace: use 2 to 32 lower-case letters, digits "
            "and hyphens, beginning with a letter or a digit.",
            field="slug",
        )
    return slug


def clean_name(name: str, *, noun: str) -> str:
    """Return the name of a resource such as a dataset; `noun` says what, with its article. Raises Invalid."""
    if not NAME_RE.match(name):
        raise Invalid(
            f"{name[:70]!r} cannot be the name of {noun}: use 1 to 64 letters, digits and . _ - , "
            "beginning with a letter or a digit.",
            field="name",
        )
    return name


def clean_title(title: str) -> str:
    """Return a name for showing: 1 to 80 characters on one line. Raises Invalid."""
    line = title.strip()
    if not line or len(line) > MAX_TITLE or not line.isprintable():
        raise Invalid(f"A name has 1 to {MAX_TITLE} characters on one line.", field="name")
    return line


def clean_description(text: str) -> str:
    """Return a description of at most 4000 characters. Raises Invalid."""
    text = text.strip()
    if len(text) > MAX_DESCRIPTION or "\0" in text:
        raise Invalid(f"A description has at most {MAX_DESCRIPTION} characters.", field="description")
    return text


def clean_role(role: str) -> str:
    """Return a role of a member. Raises Invalid that names the roles."""
    if role not in Role.values:
        raise Invalid(f"The role is one of {', '.join(Role.values)}, not {role[:20]!r}.", field="role")
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
        raise Invalid(f"{reference[:80]!r} has no version number after the colon: write name:3, or the name alone.")
    return name, int(version)


def clean_tags(tags: Mapping[str, Any], *, noun: str = "tag", longest: int = MAX_VALUE) -> dict[str, str]:
    """Return tags (or properties) as texts. Raises Invalid that names the one that cannot be kept."""
    if len(tags) > MAX_TAGS:
        raise Invalid(f"{len(tags)} of them, and at most {MAX_TAGS} are kept.", field=noun)
    return {
        clean_key(key, noun=noun): clean_value(key, value, noun=noun, longest=longest) for key, value in tags.items()
    }


def clean_key(key: object, *, noun: str) -> str:
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise Invalid(f"The {noun} {str(key)[:60]!r} needs a name of 1 to {MAX_KEY} visible characters.", field=noun)
    return key


def clean_value(key: object, value: object, *, noun: str, longest: int = MAX_VALUE) -> str:
    text = value if isinstance(value, str) else str(value)
    if len(text) > longest or "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise Invalid(
            f"The {noun} {str(key)[:60]!r} has at most {longest} characters, and none that cannot be stored.",
            field=noun,
        )
    return text
