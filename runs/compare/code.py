"""How the files of two snapshots differ, by their hashes, and what of a file can be shown. No database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runs.compare.textdiff import TextDiff, diff

#: Bytes and lines of a file that is compared line by line.
MOST_BYTES, MOST_LINES = 512 * 1024, 20_000
#: Rows of one file that are put into a page.
MOST_ROWS = 3000
_LOOKED_AT = 8192


@dataclass(frozen=True)
class Change:
    """`state` is added, removed, changed or moved (the same bytes at another path, which was `before`)."""

    path: str
    state: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    before: str = ""


@dataclass(frozen=True)
class FileDiff:
    """`kind` is text, binary or big; `diff` is there for text only."""

    kind: str
    diff: TextDiff | None = None
    cut: int = 0


def changes(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> tuple[list[Change], int]:
    """What is not the same in two lists of files, by path, and how many files are."""
    before = {entry["path"]: entry for entry in old}
    after = {entry["path"]: entry for entry in new}
    gone = {path: entry for path, entry in before.items() if path not in after}
    by_hash = {entry["sha256"]: path for path, entry in sorted(gone.items(), reverse=True) if entry["size"]}
    found: list[Change] = []
    same = 0
    for path, entry in after.items():
        held = before.get(path)
        if held is not None and held["sha256"] == entry["sha256"]:
            same += 1
        elif held is not None:
            found.append(Change(path, "changed", held, entry))
        elif (came := by_hash.pop(entry["sha256"], None)) is not None:
            found.append(Change(path, "moved", gone.pop(came), entry, before=came))
        else:
            found.append(Change(path, "added", None, entry))
    found += [Change(path, "removed", entry, None) for path, entry in gone.items()]
    return sorted(found, key=lambda one: one.path), same


def is_big(change: Change) -> bool:
    return any(entry["size"] > MOST_BYTES for entry in (change.old, change.new) if entry)


def compare(old: bytes, new: bytes) -> FileDiff:
    """The difference of two files that are not big."""
    texts = [_text(data) for data in (old, new)]
    if texts[0] is None or texts[1] is None:
        return FileDiff("binary")
    lines = [_lines(text) for text in texts if text is not None]
    if max(len(one) for one in lines) > MOST_LINES:
        return FileDiff("big")
    found = diff(lines[0], lines[1])
    return FileDiff("text", found, cut=_cut(found))


def _text(data: bytes) -> str | None:
    if b"\0" in data[:_LOOKED_AT]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> list[str]:
    # By line feeds alone, as git and editors count.
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _cut(found: TextDiff) -> int:
    """Take away what is more than a page shows; return how many rows that were."""
    left, gone = MOST_ROWS, 0
    for hunk in found.hunks:
        gone += max(0, len(hunk.pairs) - left)
        del hunk.pairs[left:]
        left -= len(hunk.pairs)
    found.hunks = [hunk for hunk in found.hunks if hunk.pairs]
    return gone
