"""Reading what clients say of a run's origin."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid

#: Characters of uncommitted changes that are kept. Clients cut by whole files and name what they left out.
MOST_PATCH = 1024 * 1024
MOST_NAMED = 1000
_MOST_PATH = 1024


def clean_patch(git: Mapping[str, Any]) -> tuple[str, list[str]]:
    """(`git diff`, files that are not in it) of what a client says of its work tree. Raises Invalid."""
    text, left_out = git.get("diff") or "", git.get("left_out") or []
    if not isinstance(text, str) or not isinstance(left_out, list):
        raise Invalid(_("git.diff is a text and git.left_out a list of paths."), field="git")
    if len(text) > MOST_PATCH:
        raise Invalid(
            _("Uncommitted changes have at most %(most)s characters here.") % {"most": MOST_PATCH},
            field="git.diff",
        )
    named = [_kept(path)[:_MOST_PATH] for path in left_out[:MOST_NAMED] if isinstance(path, str)]
    return _kept(text), named


def _kept(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
