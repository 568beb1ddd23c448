"""What people and code say about a run, checked in one place."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid, NotFound
from workspace.forms import clean_tags

MAX_NAME, MAX_DESCRIPTION = 256, 5000
MAX_EXPERIMENT_NAME, MAX_EXPERIMENT_TAG = 500, 20_000
#: Control characters, halves of characters, and line ends of other scripts.
_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
_GIT = {"remote": 500, "branch": 250, "commit": 64}


def clean_run_name(name: str) -> str:
    """Return the name of a run: 1 to 256 visible characters on one line. Raises Invalid."""
    line = name.strip()
    if not line or len(line) > MAX_NAME or not line.isprintable():
        raise Invalid(
            _("The name of a run has 1 to %(most)s characters on one line.") % {"most": MAX_NAME}, field="name"
        )
    return line


def clean_experiment_name(name: str) -> str:
    """Return the name of an experiment: 1 to 500 characters on one line, such as `/Users/ann/digits`. Raises Invalid.

    It is part of the address of a page, so no part of it is `.` or `..`, which browsers take away.
    """
    if not name.strip() or len(name) > MAX_EXPERIMENT_NAME or not _is_line(name):
        raise Invalid(
            _("The name of an experiment has 1 to %(most)s characters on one line, unlike %(name)s.")
            % {"most": MAX_EXPERIMENT_NAME, "name": repr(name[:70])},
            field="name",
        )
    if {".", ".."} & set(name.split("/")):
        raise Invalid(
            _("%(name)s cannot be the name of an experiment: a part is only dots.") % {"name": repr(name[:70])},
            field="name",
        )
    return name


def clean_experiment_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of an experiment. Raises Invalid that names the one that cannot be kept."""
    return clean_tags(tags, longest=MAX_EXPERIMENT_TAG, noun="tag")


def _is_line(text: str) -> bool:
    return not any(unicodedata.category(char) in _INVISIBLE for char in text)


def clean_description(text: str) -> str:
    """Return a run's description, Markdown of at most 5000 characters. Raises Invalid."""
    if len(text) > MAX_DESCRIPTION or "\0" in text:
        raise Invalid(
            _("A description has at most %(most)s characters.") % {"most": MAX_DESCRIPTION},
            field="description",
        )
    return text.strip()


def clean_git(git: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of the code's origin: remote, branch, commit, dirty. Anything else is left out."""
    if not isinstance(git, Mapping):
        raise Invalid(_("git is an object with remote, branch, commit and dirty."), field="git")
    kept: dict[str, Any] = {}
    for key, most in _GIT.items():
        value = git.get(key)
        if isinstance(value, str) and value and value.isprintable():
            kept[key] = value[:most]
    if "dirty" in git:
        kept["dirty"] = bool(git["dirty"])
    return kept


def clean_text(text: str, most: int) -> str:
    """A text from a node or from code, for keeping: cut, and without what PostgreSQL cannot store."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:most]


def no_such_run(slug: str, run_id: str) -> NotFound:
    return NotFound(
        _("There is no run %(run_id)s in %(slug)s.") % {"run_id": repr(run_id[:40]), "slug": slug}, run=run_id[:40]
    )
