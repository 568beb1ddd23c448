"""What a logged model may be called and hold. Values in, values out."""

import re
import secrets
from collections.abc import Mapping

from studio.kernel.errors import Invalid, NotFound

MAX_NAME = 500
MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_PARAMS = 2000
MAX_TAGS = 500
_ID = re.compile(r"m-[0-9a-f]{32}\Z")
_FORBIDDEN = "/:.%\"'"
_FIRST = ("calm", "bold", "swift", "bright", "quiet", "clever", "gentle", "lucky")
_SECOND = ("heron", "otter", "maple", "falcon", "willow", "lynx", "cedar", "finch")


def new_id() -> str:
    return f"m-{secrets.token_hex(16)}"


def is_id(text: str) -> bool:
    return bool(_ID.match(text))


def clean_name(text: str | None) -> str:
    """A name of its own when None. Raises Invalid for one that cannot stand in a path."""
    if text is None:
        return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.randbelow(1000)}"
    if not text or len(text) > MAX_NAME or not text.isprintable() or any(char in _FORBIDDEN for char in text):
        shown = ", ".join(f"'{char}'" for char in _FORBIDDEN)
        raise Invalid(
            f"Invalid model name ({text[:80]!r}) provided. Model name must be a non-empty string of at most {MAX_NAME} "
            f"characters and cannot contain the following characters: ({shown})",
            field="name",
        )
    return text


def clean_pairs(pairs: Mapping[str, str], *, noun: str, longest: int) -> dict[str, str]:
    """Parameters or tags. Raises Invalid for a key or a value that is too long, naming it."""
    for key, value in pairs.items():
        if not key or len(key) > MAX_KEY or not key.isprintable():
            raise Invalid(f"The {noun} key {key[:80]!r} is empty, longer than {MAX_KEY} characters or not printable.")
        if len(value) > longest:
            raise Invalid(f"The {noun} {key!r} has {len(value)} characters, and at most {longest} are kept.")
    return dict(pairs)


def no_such_logged_model(model_id: str) -> NotFound:
    return NotFound(f"Logged model with ID '{model_id[:80]}' not found.")
