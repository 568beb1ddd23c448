"""Names that people give to things, checked in one place for every room of a workspace."""

from collections.abc import Callable

from studio.kernel.errors import Invalid
from workspace.models import Role
from zaffre.protocol import NAME_RE, SLUG_RE

MAX_TITLE = 80
MAX_DESCRIPTION = 4000


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
