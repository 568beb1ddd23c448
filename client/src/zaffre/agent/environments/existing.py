"""What is there already: the node's own Python, and interpreters that somebody looks after on the node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from zaffre.agent.environments import pythons
from zaffre.agent.environments.installer import EnvironmentFailed, surroundings
from zaffre.agent.environments.shapes import Environment

_SECONDS = 60
#: Run by the interpreter itself, whatever its packages are.
_LOOK = """
import json, platform
try:
    from importlib import metadata
    found = sorted({"%s==%s" % (one.metadata["Name"], one.version) for one in metadata.distributions()})
except ImportError:
    found = []
print(json.dumps({"version": platform.python_version(), "packages": found}))
"""


def system() -> Environment:
    own = pythons.own()
    return Environment(own.path, str(Path(own.path).parent), False, f"the node's Python {own.version}")


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
        said = subprocess.run(
            [found, "-I", "-c", _LOOK], capture_output=True, env=surroundings(), timeout=_SECONDS, check=True
        ).stdout
        told = json.loads(said)
        version, packages = str(told["version"]), [str(one) for one in told["packages"]]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentFailed(f"{wish!r} on this node cannot be used as a Python: {error}.") from None
    lock = "".join(f"{one}\n" for one in packages)
    note = f"Python {version} at {wish}, as it is, {len(packages)} packages"
    return Environment(os.path.abspath(found), str(Path(found).absolute().parent), False, note, lock)
