"""The built environments of a node: each whole or absent, found by its name, the least used ones going first."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from zaffre.agent.disk import locked, read_json, try_lock, write_json

log = logging.getLogger("zaffre.agent")

GB = 10**9


class Kept(NamedTuple):
    """One environment on the shelf. `size` counts every file as if it were not shared; `used` is seconds since 1970."""

    key: str
    size: int
    used: float
    busy: bool
    facts: Dict[str, Any]


class Shelf:
    """The folder of environments. Threads and agents may share it."""

    def __init__(self, folder: Path, *, limit: float) -> None:
        """`limit` in bytes: what is over it goes, the least recently used first, and never one in use."""
        self.folder, self.limit = folder, limit
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def holding(self, key: str) -> Iterator[Path]:
        """The place of one environment while nobody else builds or removes it. What was cut off there is gone."""
        with locked(self.folder / f".{key}.lock"):
            place = self.folder / key
            if place.is_dir() and not (place / "bin" / "python").exists():
                shutil.rmtree(str(place), ignore_errors=True)  # the Python below it was removed
            yield place

    @contextmanager
    def building(self, key: str) -> Iterator[Path]:
        """A hidden folder to build in; `put` moves what is in it to its place. Call it while `holding`."""
        for stale in self.folder.glob(f".{key}-*"):
            shutil.rmtree(str(stale), ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=str(self.folder)))
        try:
            yield made
        finally:
            shutil.rmtree(str(made), ignore_errors=True)

    def put(self, key: str, built: Path, facts: Dict[str, Any]) -> Dict[str, Any]:
        """Make what was built read-only and move it to its place; returns the facts with its size."""
        told = {**facts, "size": _protect(built)}
        write_json(self._facts(key), told)
        os.rename(str(built), str(self.folder / key))
        return told

    def use(self, key: str, owner: Optional[Path]) -> None:
        """Note that it is used now, and by `owner`, a folder that is there for as long as the use goes on."""
        mark = self.folder / f".{key}.used"
        owners = [one for one in self._owners(key) if one != str(owner)]
        if owner is not None:
            owners.append(str(owner))
        write_json(mark, owners)

    def kept(self) -> List[Kept]:
        """All of them, the most recently used first."""
        found = []
        for place in self.folder.iterdir():
            if place.name.startswith(".") or not place.is_dir():
                continue
            facts = read_json(self._facts(place.name)) or {}
            mark = self.folder / f".{place.name}.used"
            used = mark.stat().st_mtime if mark.exists() else place.stat().st_mtime
            busy = bool(self._owners(place.name))
            found.append(Kept(place.name, int(facts.get("size", 0)), used, busy, facts))
        return sorted(found, key=lambda one: -one.used)

    def make_room(self, *, keep: str = "") -> List[str]:
        """Remove the least recently used ones until the rest is within the limit; returns what went."""
        found = self.kept()
        total, gone = sum(one.size for one in found), []
        for one in reversed(found):
            if total <= self.limit:
                break
            if one.busy or one.key == keep or not self.remove(one.key):
                continue
            total -= one.size
            gone.append(one.key)
            log.info("removed environment %s, unused for %d s", one.key, time.time() - one.used)
        return gone

    def facts(self, key: str) -> Dict[str, Any]:
        """What was written down when it was built."""
        return dict(read_json(self._facts(key)) or {})

    def remove(self, key: str) -> bool:
        """Have it gone; False when somebody uses it, or is just taking or building it."""
        lock = try_lock(self.folder / f".{key}.lock")
        if lock is None:
            return False
        try:
            if self._owners(key):
                return False
            if not (self.folder / key).is_dir():
                return True
            # Renamed first: half an environment must not be found under its name.
            going = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=str(self.folder)))
            os.rename(str(self.folder / key), str(going / "env"))
            for name in (f".{key}.used", f".{key}.json"):
                (self.folder / name).unlink(missing_ok=True)
            shutil.rmtree(str(going), ignore_errors=True)
            return True
        finally:
            os.close(lock)

    def _owners(self, key: str) -> List[str]:
        found = read_json(self.folder / f".{key}.used") or []
        return [str(one) for one in found if Path(str(one)).is_dir()]

    def _facts(self, key: str) -> Path:
        return self.folder / f".{key}.json"


def name_of(*parts: str) -> str:
    """The name of what follows from `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _protect(folder: Path) -> int:
    """Take the right to write from every file, for runs share them; returns the bytes of all."""
    size = 0
    for parent, _, names in os.walk(str(folder)):
        for name in names:
            path = os.path.join(parent, name)
            facts = os.lstat(path)
            size += facts.st_size
            if stat.S_ISREG(facts.st_mode):
                os.chmod(path, stat.S_IMODE(facts.st_mode) & ~0o222)
    return size
