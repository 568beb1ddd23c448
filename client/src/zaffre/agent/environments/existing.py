"""What is there already: the node's own Python, and interpreters that somebody looks after on the node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from zaffre.agent.environments import pythons
from zaffre.agent.environments.installer import EnvironmentFailed, surroundings
from zaffre.agent.environments.shapes import Environment
from zaffre.agent.notes import Said

_SECONDS = 60
#: Run by the interpreter itself, whatever its packages are.
_LOOK = """
import json, platform, sys
try:
    from importlib import metadata
    pairs = ((one.metadata["Name"], one.version) for one in metadata.distributions())
    found = sorted({"%s==%s" % pair for pair in pairs if pair[0]})
except ImportError:
    found = []
print(json.dumps({"version": platform.python_version(), "packages": found, "path": sys.path}))
"""


class _Told(NamedTuple):
    """What an interpreter said of itself, and the folders of its packages with the times of their last change."""

    version: str
    packages: List[str]
    folders: Tuple[Tuple[str, float], ...]


_told: Dict[str, _Told] = {}
_lock = threading.Lock()


def system() -> Environment:
    """The node's own Python, as it is. A run needs no list of its packages, so one that cannot be had is a warning."""
    own = pythons.own()
    said: Said = {"code": "own", "python": own.version}
    where = str(Path(own.path).parent)
    try:
        told = _look(own.path)
    except _NoPython as error:
        warning = f"The packages of the node's own Python could not be written down: {error}."
        return Environment(own.path, where, False, said, warnings=(warning,))
    lock = _lock_of(told, f"the node's own Python {told.version}, {own.path}")
    return Environment(own.path, where, False, {**said, "packages": len(told.packages)}, lock)


def interpreter(wish: str) -> Environment:
    """The Python at a path of this node, or a command on its PATH, as it is; its packages are written down.

    Raises EnvironmentFailed when it is not there or is no Python.
    """
    if wish in ("", "python"):
        return system()
    path = os.path.expanduser(wish)
    found = path if os.sep in path else shutil.which(path)
    if not found or not os.access(found, os.X_OK) or Path(found).is_dir():
        raise EnvironmentFailed(
            f"This node has no interpreter {wish!r}. The environment uses one that is there and installs nothing."
        )
    try:
        told = _look(found)
    except _NoPython as error:
        raise EnvironmentFailed(f"{wish!r} on this node cannot be used as a Python: {error}.") from None
    said: Said = {"code": "interpreter", "python": told.version, "at": wish, "packages": len(told.packages)}
    lock = _lock_of(told, f"Python {told.version}, {wish}")
    return Environment(os.path.abspath(found), str(Path(found).absolute().parent), False, said, lock)


class _NoPython(Exception):
    """It did not say what it is."""


def _look(path: str) -> _Told:
    """Ask an interpreter for its packages: once, and again when something was installed or removed beside it.

    Raises _NoPython.
    """
    with _lock:
        known = _told.get(path)
        if known is None or known.folders != _changed([folder for folder, _ in known.folders]):
            known = _told[path] = _asked(path)
        return known


def _asked(path: str) -> _Told:
    # -I, because the code of a run has a home folder of its own and so sees no packages of a user's.
    argv = [path, "-I", "-c", _LOOK]
    try:
        said = subprocess.run(argv, capture_output=True, env=surroundings(), timeout=_SECONDS, check=True).stdout
        told = json.loads(said)
        version, packages = str(told["version"]), [str(one) for one in told["packages"]]
        folders = [path, *map(str, told["path"])]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise _NoPython(error) from None
    return _Told(version, packages, _changed(folders))


def _changed(folders: List[str]) -> Tuple[Tuple[str, float], ...]:
    """An installer makes and removes folders, which changes the time of the one that they lie in."""
    return tuple((one, os.stat(one).st_mtime if os.path.exists(one) else 0.0) for one in folders)


def _lock_of(told: _Told, what: str) -> str:
    """The packages as lines of requirements, below a comment that says how they were found."""
    if not told.packages:
        return ""
    head = f"# Found in {what}: nothing was resolved or installed for the run."
    return "".join(f"{one}\n" for one in (head, *told.packages))
