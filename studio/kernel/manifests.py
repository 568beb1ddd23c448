"""Manifests: lists of {path, sha256, size} under which files are kept."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from studio.kernel import blobs, paths
from studio.kernel.errors import Invalid, TooLarge
from zaffre.protocol import BLOBS_MISSING, SHA256_RE, FileEntry


def check(files: Iterable[Mapping[str, Any]], *, workspace_id: int, max_files: int, max_bytes: int) -> list[FileEntry]:
    """Return the manifest in canonical order, with sizes as stored.

    Raises as `clean` and `sized`.
    """
    return sized(clean(files, max_files=max_files), workspace_id=workspace_id, max_bytes=max_bytes)


def clean(files: Iterable[Mapping[str, Any]], *, max_files: int) -> list[FileEntry]:
    """Return the entries in canonical order, without sizes; enough for `digest`, and without a look at the database.

    Raises Invalid for unsafe or doubled paths, TooLarge for too many files.
    """
    entries: dict[str, FileEntry] = {}
    for item in files:
        path, sha256 = paths.clean(str(item.get("path", ""))), str(item.get("sha256", ""))
        if not SHA256_RE.match(sha256):
            raise Invalid(f"The entry for {path} has no valid sha256.", path=path)
        if path in entries:
            raise Invalid(f"The path {path} appears twice.", path=path)
        entries[path] = FileEntry(path=path, sha256=sha256, mode=_mode(item.get("mode")))
    for path in entries:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in entries:
                raise Invalid(f"{parent} is both a file and a folder.", path=parent)
            parent = parent.rpartition("/")[0]
    if len(entries) > max_files:
        raise TooLarge(f"{len(entries)} files, and at most {max_files} are allowed.", code="too_many_files")
    return [entries[path] for path in sorted(entries)]


def sized(entries: list[FileEntry], *, workspace_id: int, max_bytes: int) -> list[FileEntry]:
    """Give each of the `clean` entries its size as stored, and return them.

    Raises Invalid for blobs that this workspace does not hold, TooLarge over the limit (naming the biggest files).
    """
    known = blobs.sizes({entry["sha256"] for entry in entries}, workspace_id=workspace_id)
    refuse_absent([entry["path"] for entry in entries if entry["sha256"] not in known])
    for entry in entries:
        entry["size"] = known[entry["sha256"]]
    total = total_size(entries)
    if total > max_bytes:
        biggest = sorted(entries, key=lambda entry: -entry["size"])[:10]
        raise TooLarge(
            f"The files are {total} bytes together, and at most {max_bytes} are allowed.",
            hint="Leave big files out with .zaffreignore, and give data as a dataset.",
            biggest=[{"path": entry["path"], "size": entry["size"]} for entry in biggest],
        )
    return entries


def refuse_absent(absent: list[str]) -> None:
    """Raise Invalid `blobs_missing` if there are such paths, whose contents are not held."""
    if absent:
        raise Invalid(
            f"The contents of {len(absent)} file(s) were not uploaded, {absent[0]} first.",
            code=BLOBS_MISSING,
            hint="Ask blobs/missing, upload what it names, then send the manifest again.",
            paths=absent[:50],
        )


def _mode(told: object) -> int:
    """One of the two modes that are kept; what is no number means nothing."""
    return 0o755 if isinstance(told, int) and told & 0o100 else 0o644


def digest(files: Iterable[FileEntry]) -> str:
    """The SHA-256 that names this content: equal trees have equal digests."""
    lines = [[entry["path"], entry["sha256"], entry.get("mode", 0o644)] for entry in files]
    return hashlib.sha256(json.dumps(lines, ensure_ascii=False).encode()).hexdigest()


def total_size(files: Iterable[FileEntry]) -> int:
    return sum(entry["size"] for entry in files)
