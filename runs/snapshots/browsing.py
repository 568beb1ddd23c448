"""The files of a snapshot as a tree that a page draws, and one of them as lines of text. No database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Bytes and lines of a file that are shown in a page; more is downloaded.
MOST_BYTES, MOST_LINES = 512 * 1024, 5000
#: Characters of one line that are shown.
MOST_LINE = 2000
#: Files up to which all folders are open at once.
OPEN = 40
_LOOKED_AT = 8192


@dataclass(frozen=True)
class Node:
    """`kind` is open, close (the end of a folder) or file. Folders have the size and number of all files below."""

    kind: str
    name: str = ""
    path: str = ""
    size: int = 0
    files: int = 0
    shown: bool = False


@dataclass(frozen=True)
class Text:
    """`kind` is text, empty, binary, big or lost; the lines are there for text. `cut`: how many more there are."""

    kind: str
    lines: Sequence[str] = ()
    cut: int = 0


def tree(files: Sequence[Mapping[str, Any]], chosen: str = "") -> list[Node]:
    """The nodes in the order in which they are drawn: folders first, each with its end, then files, by name.

    `shown` says which folders are open (those above `chosen`, and all while there are few files), and which file is it.
    """
    root: dict[str, Any] = {}
    for entry in files:
        place = root
        *folders, name = str(entry["path"]).split("/")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = entry
    return list(_drawn(root, "", chosen, all_open=len(files) <= OPEN))


def _is_folder(found: Mapping[str, Any]) -> bool:
    return not isinstance(found.get("sha256"), str)


def _drawn(place: Mapping[str, Any], above: str, chosen: str, *, all_open: bool) -> Iterator[Node]:
    for name in sorted(place, key=lambda one: (not _is_folder(place[one]), one)):
        found, path = place[name], f"{above}{name}"
        if _is_folder(found):
            inside = list(_drawn(found, f"{path}/", chosen, all_open=all_open))
            below = [node for node in inside if node.kind == "file"]
            here = all_open or chosen.startswith(f"{path}/")
            yield Node("open", name, path, sum(node.size for node in below), len(below), here)
            yield from inside
            yield Node("close")
        else:
            yield Node("file", name, path, int(found["size"]), 1, path == chosen)


def first(files: Sequence[Mapping[str, Any]], script: str = "") -> str:
    """Which file is shown when none was chosen: the script, a README, else the first one; empty without files."""
    paths = [str(entry["path"]) for entry in files]
    if script in paths:
        return script
    return next((path for path in paths if path.lower().startswith("readme")), paths[0] if paths else "")


def text_of(data: bytes) -> Text:
    """A file as lines; not more than a page holds."""
    if b"\0" in data[:_LOOKED_AT]:
        return Text("binary")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Text("binary")
    if not text:
        return Text("empty")
    # By line feeds alone, as git and editors count.
    lines = text.split("\n")
    lines = lines if lines[-1] else lines[:-1]
    shown = [line.rstrip("\r")[:MOST_LINE] for line in lines[:MOST_LINES]]
    return Text("text", shown, max(0, len(lines) - MOST_LINES))
