"""The one parser of relative paths in the studio: nothing else may judge a name from outside."""

import unicodedata

from studio.kernel.errors import Invalid

MAX_PATH = 1024
MAX_PART = 255


def clean(path: str) -> str:
    """Return `path` when it is a plain relative path; raise Invalid when it could be anything else.

    Refused: absolute paths, `.` and `..` parts, empty parts, backslashes, control characters,
    drive letters, and names longer than a file system holds.
    """
    if not path or len(path) > MAX_PATH:
        raise Invalid(f"A path has 1 to {MAX_PATH} characters.", path=path[:80])
    if "\\" in path or any(unicodedata.category(char) in {"Cc", "Cs"} for char in path):
        raise Invalid("A path may not hold backslashes or control characters.", path=path[:80])
    for part in path.split("/"):
        if part in {"", ".", ".."}:
            raise Invalid(f"The path {path[:80]!r} would leave its folder.", code="unsafe_path", path=path[:80])
        if len(part.encode()) > MAX_PART:
            raise Invalid(f"A part of the path {path[:80]!r} is longer than {MAX_PART} bytes.", path=path[:80])
    if path[1:2] == ":":
        raise Invalid("A path may not begin with a drive letter.", path=path[:80])
    return path
