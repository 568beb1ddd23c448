"""A folder as a snapshot: which files belong to it, and sending what the studio does not have."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from zaffre.errors import SnapshotException, UserErrorException
from zaffre.files import LocalFile, send
from zaffre.progress import size_text
from zaffre.protocol import ALWAYS_OUT, IGNORE_FILES, MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_FILES
from zaffre.transport import Client, workspace_path

if TYPE_CHECKING:
    import pathspec

#: A folder with more is surely the wrong one: we stop counting.
_GIVE_UP = 100_000
_NAMED = 10


@dataclass
class Listing:
    """The files of a folder that would be sent, and the ignore file that chose them (None without one)."""

    root: Path
    files: List[LocalFile]
    ignore_file: Optional[str]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def biggest(self) -> List[LocalFile]:
        return sorted(self.files, key=lambda file: (-file.size, file.path))[:_NAMED]

    @property
    def problem(self) -> Optional[str]:
        """Why it cannot be a snapshot, None when it can."""
        if len(self.files) > MAX_SNAPSHOT_FILES:
            return f"{len(self.files)} files, and a snapshot has at most {MAX_SNAPSHOT_FILES}"
        if self.size > MAX_SNAPSHOT_BYTES:
            return f"{size_text(self.size)}, and a snapshot has at most {size_text(MAX_SNAPSHOT_BYTES)}"
        return None


def list_folder(folder: Path, *, rules: bool = True) -> Listing:
    """The files below `folder` that its ignore file lets through (all of them with `rules=False`).

    Links to files inside of the folder count as what they point to. Raises SnapshotException for other
    links, for a folder that is none, and for one that cannot be read.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise SnapshotException(f"There is no folder {folder}.")
    root = root.resolve()
    name = next((one for one in IGNORE_FILES if (root / one).is_file()), None) if rules else None
    found: List[LocalFile] = []
    _walk(root, "", name, (), found, rules)
    found.sort(key=lambda file: file.path)
    return Listing(root, found, name)


def check(listing: Listing) -> None:
    """Raise SnapshotException when the files are too many or too large; it names the biggest first."""
    problem = listing.problem
    if problem is None:
        return
    many = len(listing.files) > MAX_SNAPSHOT_FILES
    lines = _fullest(listing) if many else [f"{size_text(file.size):>8}  {file.path}" for file in listing.biggest]
    listed = "\n".join(f"  {line}" for line in lines)
    raise SnapshotException(
        f"{listing.root} holds {problem}. The biggest:\n{listed}\n",
        hint=f"List what is not code in {listing.ignore_file or IGNORE_FILES[0]} (like .gitignore), and upload data "
        "with `zaffre dataset create`.",
        code="too_large",
    )


def make_snapshot(client: Client, workspace: str, folder: Path, *, script: Optional[str] = None) -> Dict[str, Any]:
    """Send `folder` and return the studio's {id, digest, file_count, size}. Raises as `list_code`, Refused."""
    address = workspace_path(workspace)
    files = send(client, f"{address}/blobs", list_code(folder, script=script).files)
    made = client.post(f"{address}/snapshots", {"files": files})
    return dict(made)


def list_code(folder: Path, *, script: Optional[str] = None) -> Listing:
    """The files of `folder` that would be sent, none of them read yet; `script` is one of them, if it is named.

    Raises SnapshotException when they are none, too many or too large, UserErrorException without the script.
    """
    listing = list_folder(folder)
    if script is not None:
        require_script(listing, script)
    check(listing)
    if not listing.files:
        raise SnapshotException(f"{listing.root} holds no file to send.")
    return listing


def require_script(listing: Listing, script: str) -> None:
    """Raise UserErrorException, with the nearest name, unless `script` is one of the files."""
    paths = [file.path for file in listing.files]
    wanted = os.path.normpath(script).replace(os.sep, "/")
    if wanted in paths:
        return
    if (listing.root / wanted).is_file() and not wanted.startswith("../"):
        left_out = listing.ignore_file or "the list of folders that are never sent"
        raise UserErrorException(f"{script} is left out of the snapshot by {left_out}.", code="no_such_script")
    near = get_close_matches(wanted, paths, n=1, cutoff=0.5) or [
        path for path in paths if path.rpartition("/")[2] == wanted.rpartition("/")[2]
    ]
    hint = f"Did you mean {near[0]}?" if near else "Scripts are named relative to the folder that is sent."
    raise UserErrorException(f"There is no script {script} in {listing.root}.", hint=hint, code="no_such_script")


# --- walking -------------------------------------------------------------------------------------------

#: Ignore rules with the folder that they are relative to, the deepest last.
Rules = Tuple[Tuple[str, "pathspec.GitIgnoreSpec"], ...]


def _walk(root: Path, below: str, name: Optional[str], rules: Rules, found: List[LocalFile], choose: bool) -> None:
    folder = root / below if below else root
    try:
        entries = sorted(os.scandir(str(folder)), key=lambda entry: entry.name)
    except OSError as error:
        raise SnapshotException(f"{folder} cannot be read: {error.strerror}.") from None
    if choose and below and any(entry.name == "pyvenv.cfg" for entry in entries):
        return  # an environment of Python, whatever it is called
    if name is not None and any(entry.name == name for entry in entries):
        rules = (*rules, (below, _read_rules(folder / name)))
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if choose and (entry.name in ALWAYS_OUT or _ignored(path, is_folder, rules)):
            continue
        if is_folder:
            _walk(root, path, name, rules, found, choose)
            continue
        file = _file(root, path, entry)
        if file is not None:
            found.append(file)
        if len(found) > _GIVE_UP:
            raise SnapshotException(
                f"{root} holds more than {_GIVE_UP} files.", hint="Is it the folder that you mean?", code="too_large"
            )


def _file(root: Path, path: str, entry: "os.DirEntry[str]") -> Optional[LocalFile]:
    """The file behind an entry; None for sockets and the like."""
    place = Path(entry.path)
    if entry.is_symlink():
        place = _inside(root, path, place)
    facts = place.stat()
    if not stat.S_ISREG(facts.st_mode):
        return None
    try:
        path.encode()
    except UnicodeEncodeError:
        raise SnapshotException(f"The name of {path!r} is not UTF-8.", hint="Rename it.") from None
    return LocalFile(path, place, facts.st_size, 0o755 if facts.st_mode & 0o100 else 0o644)


def _inside(root: Path, path: str, place: Path) -> Path:
    """What a link to a file of the same folder points to. Raises SnapshotException for every other link."""
    hint = f"Replace it by what it points to, or list it in {IGNORE_FILES[0]}."
    try:
        target = place.resolve(strict=True)
    except (OSError, RuntimeError):
        raise SnapshotException(f"The link {path} points to nothing.", hint=hint, code="bad_link") from None
    if root not in target.parents:
        raise SnapshotException(f"The link {path} leads out of {root}.", hint=hint, code="bad_link")
    if target.is_dir():
        raise SnapshotException(f"{path} is a link to a folder.", hint=hint, code="bad_link")
    return target


def _read_rules(path: Path) -> "pathspec.GitIgnoreSpec":
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, ValueError) as error:
        raise SnapshotException(f"The rules in {path} cannot be used: {error}") from None


def _ignored(path: str, is_folder: bool, rules: Rules) -> bool:
    """As git decides: the last rule that matches counts, and those of a deeper folder come later."""
    for base, spec in reversed(rules):
        inner = path[len(base) + 1 :] if base else path
        verdict = spec.check_file(f"{inner}/" if is_folder else inner).include
        if verdict is not None:
            return verdict
    return False


def _fullest(listing: Listing) -> Sequence[str]:
    """The folders with the most files."""
    counts: Dict[str, int] = {}
    for file in listing.files:
        folder = file.path.partition("/")[0] if "/" in file.path else "."
        counts[folder] = counts.get(folder, 0) + 1
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_NAMED]
    return [f"{count:>8} files  {folder}" for folder, count in most]
