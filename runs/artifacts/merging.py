"""One tree of files out of the folders of several nodes. No Django, no database.

A path belongs to the node of the lowest rank that left something there; what another node left under the same name,
with other bytes, lies in a folder of its own below the first folder of the path. So the tree is the same in whichever
order the nodes come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zaffre.protocol import FileEntry


@dataclass
class Merged:
    """What is to be written under its own path and what `aside`, in the node's own folder; the rows that move there
    before, {path: where it lies from now on}; and where nothing of the node lies aside any more."""

    files: list[FileEntry] = field(default_factory=list)
    aside: list[FileEntry] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


def path_of(path: str, rank: int) -> str:
    """Where a file of this node lies beside that of another: `outputs/a.txt` as `outputs/node_1/a.txt`."""
    first, _, rest = path.partition("/")
    return f"{first}/node_{rank}/{rest}" if rest else f"node_{rank}/{first}"


def merged(files: Sequence[FileEntry], held: Mapping[str, tuple[int, str]], *, rank: int) -> Merged:
    """What a node leaves, beside what is `held`: {path: (rank, sha256)}."""
    found = Merged()
    for entry in files:
        path = entry["path"]
        owner, sha256 = held.get(path, (rank, ""))
        if owner > rank and sha256 != entry["sha256"]:
            found.moved[path] = path_of(path, owner)
        if owner >= rank:
            found.files.append(entry)
        elif sha256 != entry["sha256"]:
            found.aside.append({**entry, "path": path_of(path, rank)})
            continue
        if rank:  # that of the lowest rank never has to give way
            found.gone.append(path_of(path, rank))
    return found
