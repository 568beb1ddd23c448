"""The `zaffre` package for every environment: a copy of the agent's own, without the agent."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import List

_PACKAGE = Path(__file__).resolve().parent.parent
_LEFT_OUT = {"agent", "__pycache__"}


def provide(cache: Path) -> Path:
    """A folder for PYTHONPATH that holds `zaffre`, named by the hash of its content; made when it is not there."""
    files = _files()
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    place = cache / "sdk" / digest.hexdigest()[:16]
    if place.is_dir():
        return place
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=str(place.parent)))
    for path in files:
        target = building / "zaffre" / path.relative_to(_PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(path), str(target))
    try:
        os.rename(str(building), str(place))
    except OSError:  # another thread or agent was faster
        shutil.rmtree(str(building), ignore_errors=True)
        if not place.is_dir():
            raise
    return place


def _files() -> List[Path]:
    found = []
    for folder, folders, names in os.walk(str(_PACKAGE)):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        found += [Path(folder, name) for name in sorted(names) if not name.endswith((".pyc", ".pyo"))]
    return found
