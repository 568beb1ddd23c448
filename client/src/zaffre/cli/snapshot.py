"""zaffre snapshot check"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zaffre.cli.common import noun, table, tell, verb
from zaffre.progress import size_text


def add(nouns: Any) -> None:
    verbs = noun(nouns, "snapshot", "The code that a run is given.")
    check = verb(verbs, "check", _check, "Which files of a folder would be sent; nothing is sent.")
    check.add_argument("folder", nargs="?", default=".", metavar="DIR")
    check.add_argument("--all", action="store_true", help="list every file, not only the biggest")


def _check(options: argparse.Namespace) -> int:
    from zaffre.snapshot import list_folder

    listing = list_folder(Path(options.folder))
    shown = listing.files if options.all or options.json else listing.biggest
    value = {
        "folder": str(listing.root),
        "ignore_file": listing.ignore_file,
        "file_count": len(listing.files),
        "size": listing.size,
        "problem": listing.problem,
        "files": [{"path": file.path, "size": file.size} for file in shown],
    }

    def text() -> str:
        rules = f"the rules of {listing.ignore_file}" if listing.ignore_file else "no ignore file"
        head = f"{len(listing.files)} files, {size_text(listing.size)}, after {rules}."
        rows = [(size_text(file.size), file.path) for file in shown]
        told = f"{head}\n\n{table(('size', 'file'), rows, empty='')}"
        return f"{told}\n\nToo much: {listing.problem}." if listing.problem else told

    tell(options, value, text)
    return 1 if listing.problem else 0
