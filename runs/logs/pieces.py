"""The pieces of a log: where each lies, and what stands for those that are left out. Pure."""

import re

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/\*\Z")


def parse_range(header: str, size: int) -> int:
    """The offset in `Content-Range: bytes a-b/*`. Raises ValueError when it is malformed or not `size` long."""
    match = _RANGE.fullmatch(header.strip())
    if not match:
        raise ValueError(f"Content-Range is `bytes first-last/*`, not {header[:60]!r}")
    first, last = int(match[1]), int(match[2])
    if last - first + 1 != size:
        raise ValueError(f"Content-Range {header[:60]!r} speaks of {last - first + 1} bytes, and the body has {size}")
    return first


def left_out(size: int, *, head: int, tail: int) -> bytes:
    """The line that stands in a log for bytes that are not kept."""
    kept = f"the first {_amount(head)} and the last {_amount(tail)} of a log are kept"
    return f"\n[zaffre] {size:,} bytes were left out here: {kept}.\n".encode()


def _amount(size: int) -> str:
    return f"{size / 1024**2:g} MB" if size >= 1024**2 else f"{size} bytes"
