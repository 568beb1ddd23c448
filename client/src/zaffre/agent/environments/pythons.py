"""The Pythons of this machine, and which of them an environment gets. None is ever downloaded."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import threading
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from zaffre.agent.config import interpreter
from zaffre.agent.environments.installer import EnvironmentFailed, surroundings

#: The SDK runs on this one and later ones.
OLDEST = (3, 9)
_VERSION = re.compile(r"3\.(\d+)(?:\.\d+)?\Z")
_SECONDS = 60
_found: Dict[str, "List[Python]"] = {}
_lock = threading.Lock()


class Python(NamedTuple):
    """An interpreter. `version` is whole, such as 3.11.7."""

    path: str
    version: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


class Choice(NamedTuple):
    """The Python of an environment, the lock that it is made from (None: it is to be made), what people must know."""

    python: Python
    lock: Optional[Mapping[str, str]]
    warnings: Tuple[str, ...] = ()


def here(uv: str) -> List[Python]:
    """One interpreter for each minor version that the SDK can use, the node's own first where it is one of them."""
    with _lock:
        if uv not in _found:
            _found[uv] = _look(uv)
        return _found[uv]


def own() -> Python:
    """The Python that the agent itself runs on."""
    return Python(interpreter(), platform.python_version())


def _look(uv: str) -> List[Python]:
    argv = [uv, "python", "list", "--only-installed", "--output-format", "json"]
    rows: List[Dict[str, object]] = []
    try:
        said = subprocess.run(argv, capture_output=True, env=surroundings(), timeout=_SECONDS, check=False).stdout
        rows = json.loads(said or b"[]")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        rows = []  # the node's own is there all the same
    kept = {own().minor: own()}
    for row in rows:
        plain = row.get("implementation") == "cpython" and row.get("variant", "default") == "default"
        version = str(row.get("version") or "")
        if plain and row.get("path") and _VERSION.match(version) and _number(version) >= OLDEST:
            one = Python(str(row["path"]), version)
            kept.setdefault(one.minor, one)
    return [one for one in kept.values() if _number(one.version) >= OLDEST] or [own()]


def choose(
    wish: str,
    locks: Sequence[Mapping[str, str]],
    pythons: Sequence[Python],
    *,
    machine: str,
    fitting: Sequence[str] = (),
) -> Choice:
    """Which Python, and from which lock: one that is there is used wherever its Python, or a later one, is.

    Any of the minor versions `fitting` will do where they are given. A wish that cannot be met gets the nearest
    Python, and a warning. Raises EnvironmentFailed for no wish at all.
    """
    for one in filter(None, (wish, *fitting)):
        if not _VERSION.match(one):
            raise EnvironmentFailed(f"{one!r} is no Python version; write for example 3.11.")
    by_minor = {one.minor: one for one in pythons}
    wanted = list(fitting) or ([_minor(wish)] if wish else [])
    usable = [one for one in locks if one.get("platform") in ("any", machine)]
    usable.sort(key=lambda one: one.get("python") not in wanted)
    for lock in usable:
        if lock["python"] in by_minor:
            return _chosen(wanted, by_minor[lock["python"]], lock)
    for lock in usable:
        later = [one for one in pythons if _number(one.version) > _number(lock["python"])]
        if lock.get("platform") == "any" and later:
            python = min(later, key=lambda one: _number(one.version))
            text = f"This version was resolved for Python {lock['python']}; this node has {python.minor} and used it."
            found = _chosen(wanted, python, lock)
            return found if found.warnings else found._replace(warnings=(text,))
    if not wanted:
        return Choice(pythons[0], None)
    return _chosen(wanted, nearest(wanted, pythons), None)


def nearest(wanted: Sequence[str], pythons: Sequence[Python]) -> Python:
    """The first that is one of them, else the one whose version is closest; of two that are as close, the later one."""
    numbers = [_number(one)[1] for one in wanted]

    def away(one: Python) -> Tuple[int, int]:
        own = _number(one.version)[1]
        distance = min(abs(own - number) for number in numbers)
        return distance, -own if distance else 0

    return min(pythons, key=away)


def _chosen(wanted: Sequence[str], python: Python, lock: Optional[Mapping[str, str]]) -> Choice:
    if not wanted or python.minor in wanted:
        return Choice(python, lock)
    asked = wanted[0] if len(wanted) == 1 else f"{wanted[0]} or another of a range"
    said = f"Python {asked} was asked for and is not to be had here: Python {python.minor} was used, the nearest one."
    return Choice(python, lock, (said,))


def machine() -> str:
    """What a lock that does not count everywhere is for, such as linux-x86_64."""
    return f"{sys.platform}-{platform.machine().lower()}"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _number(version: str) -> Tuple[int, int]:
    parts = version.split(".")
    return int(parts[0]), int(parts[1])
