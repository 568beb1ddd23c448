"""The arithmetic of an append-only log: which bytes of a piece are new, repeated, or out of place. Pure."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/\*\Z")

#: What is kept of one attempt's log.
MOST = 64 * 1024 * 1024
FULL_NOTE = b"\n[zaffre] This log is full: 64 MB are kept, and what follows was left out.\n"


def parse_range(header: str, size: int) -> int:
    """The offset in `Content-Range: bytes a-b/*`. Raises ValueError when it is malformed or not `size` long."""
    match = _RANGE.fullmatch(header.strip())
    if not match:
        raise ValueError(f"Content-Range is `bytes first-last/*`, not {header[:60]!r}")
    first, last = int(match[1]), int(match[2])
    if last - first + 1 != size:
        raise ValueError(f"Content-Range {header[:60]!r} speaks of {last - first + 1} bytes, and the body has {size}")
    return first


@dataclass(frozen=True)
class Fit:
    """How a piece lies on what is held: `repeated` bytes to compare, then `fresh` ones to add."""

    repeated: int
    fresh: int


def fit(*, start: int, size: int, held: int) -> Fit | None:
    """None when the piece begins after what is held: a gap."""
    if start > held:
        return None
    repeated = min(size, held - start)
    return Fit(repeated, size - repeated)
