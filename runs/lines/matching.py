"""Finding text in bytes, block by block, in linear time whatever the pattern is. Pure."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import re2

#: Bytes that are looked at in one go: short enough that other threads of the process are not kept waiting.
BLOCK = 256 * 1024
#: A line without an end is looked at in parts of this size, and a hit over the edge of two parts is not found.
LONGEST_LINE = 4 * 1024 * 1024
#: Lines that hold the text are counted up to here; the answer says "at least".
MOST_COUNTED = 100_000
#: Characters of a pattern, and what it may weigh once it is compiled.
MOST_PATTERN = 1000
MOST_MEMORY = 8 * 1024 * 1024
#: Characters that are shown before and behind a hit.
AROUND = 120
#: Colours and movements of a terminal: nobody looks for these.
ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)?)")
#: What "the first error" is: how Python, shells, loggers and CUDA say that something broke.
FIRST_ERROR = (
    r"^Traceback \(most recent call last\)|^\s*(?:\w+\.)*\w*(?:Error|Exception)(?::|$)"
    r"|\b(?:ERROR|FATAL|CRITICAL|PANIC)\b|^\s*(?:error|Error|fatal|panic):"
    r"|[Ss]egmentation fault|[Oo]ut of memory|command not found"
)

Find = Callable[[bytes, int], tuple[int, int] | None]


@dataclass(frozen=True)
class Hit:
    """A line that holds the text: its number, what stands around the first hit, and where in that the hit is."""

    line: int
    text: str
    start: int
    end: int


@dataclass
class Found:
    hits: list[Hit] = field(default_factory=list)
    #: How many lines hold the text, each counted once; when not `whole`, there are at least so many.
    count: int = 0
    whole: bool = True
    #: The number of the line to go on from: there are more hits than were asked for, or the time was over.
    next: int | None = None
    #: The line of the last hit: parts of one line that is very long count once.
    last: int = 0


def finder(query: str, *, regex: bool = False, case: bool = False) -> Find:
    """What finds (start, end) of the text from a place in a block. Raises ValueError with what is wrong."""
    if not query or len(query) > MOST_PATTERN:
        raise ValueError(f"a search has between 1 and {MOST_PATTERN} characters")
    wanted = query.encode("utf-8", "replace")
    if not regex and case:
        return lambda data, at: None if (start := data.find(wanted, at)) < 0 else (start, start + len(wanted))
    options = re2.Options()
    options.never_nl = True
    options.log_errors = False
    options.max_mem = MOST_MEMORY
    flags = b"(?m)" if case else b"(?mi)"
    try:
        compiled = re2.compile(flags + (wanted if regex else re2.escape(wanted)), options)
    except re2.error as error:
        told = error.args[0]
        raise ValueError(told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)) from None

    def find(data: bytes, at: int) -> tuple[int, int] | None:
        found: Any = compiled.search(data, at)
        return found.span() if found else None

    return find


def look_through(
    found: Found,
    pieces: Iterable[bytes],
    find: Find,
    *,
    first: int,
    limit: int,
    until: float,
    stopped: Callable[[], bool] = lambda: False,
    wanted: Callable[[int], bool] = lambda line: True,
) -> bool:
    """Add what lies in bytes that follow each other and begin in line `first`; `until` is of the monotonic clock.

    Only lines that are `wanted` count. Returns whether all of them were looked at. Something is looked at in any case,
    so that who comes again and again arrives.
    """
    line, rest, looked = first, b"", False
    for piece in pieces:
        for at in range(0, len(piece), BLOCK):
            if found.count >= MOST_COUNTED or (looked and time.monotonic() > until) or stopped():
                found.whole = False
                if line > first:  # else it is one line without an end, in which nobody can begin
                    found.next = found.next or line
                return False
            data = rest + piece[at : at + BLOCK]
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) < LONGEST_LINE:
                rest = data
                continue
            block, rest = (data[:whole], data[whole:]) if whole else (data, b"")
            looked = True
            line = _look(found, ESCAPES.sub(b"", block) if b"\x1b" in block else block, find, line, limit, wanted)
    _look(found, ESCAPES.sub(b"", rest), find, line, limit, wanted)
    return True


def _look(found: Found, block: bytes, find: Find, line: int, limit: int, wanted: Callable[[int], bool]) -> int:
    """Take the hits of a block that begins in `line`; returns the line in which the next one begins."""
    at = counted = 0
    while at < len(block) and found.count < MOST_COUNTED and (hit := find(block, at)):
        start, end = hit
        if start >= len(block):
            break  # behind the last end of a line there is no line
        line += block.count(b"\n", counted, start)
        counted = start
        if found.last != line and wanted(line):
            if len(found.hits) < limit:
                found.hits.append(_hit(block, line, start, end))
            elif found.next is None:
                found.next = line
            found.count, found.last = found.count + 1, line
        at = block.find(b"\n", end) + 1 or len(block)
    return line + block.count(b"\n", counted)


def _hit(block: bytes, line: int, start: int, end: int) -> Hit:
    begin = max(block.rfind(b"\n", 0, start), block.rfind(b"\r", 0, start)) + 1
    stop = min((place for place in (block.find(b"\n", end), block.find(b"\r", end)) if place >= 0), default=len(block))
    end = min(end, stop)
    before = block[max(begin, start - 4 * AROUND) : start].decode("utf-8", "replace")[-AROUND:]
    middle = block[start : min(end, start + 4 * AROUND)].decode("utf-8", "replace")[:AROUND]
    after = block[end : min(stop, end + 4 * AROUND)].decode("utf-8", "replace")[:AROUND]
    return Hit(line, before + middle + after, len(before), len(before) + len(middle))
