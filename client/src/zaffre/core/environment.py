"""An environment: the packages and variables that code runs with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.errors import UserErrorException
from zaffre.protocol import EnvironmentSpec
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace

__all__ = ["CondaDependencies", "Environment"]


class PythonSection:
    """Where the packages come from."""

    def __init__(self) -> None:
        #: True: the node's own Python with what is installed there.
        self.user_managed_dependencies = False
        self.conda_dependencies = CondaDependencies()


class Environment:
    """A named set of packages. `version` is None until it is registered; variables are given to runs, not stored."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version: Optional[str] = None
        self.description = ""
        self.python = PythonSection()
        self.environment_variables: Dict[str, str] = {}

    @classmethod
    def from_pip_requirements(cls, name: str, file_path: str) -> "Environment":
        """The packages of a requirements file. Raises UserErrorException when it cannot be read."""
        made = cls(name)
        made.python.conda_dependencies.pip_packages = read_requirements(Path(file_path))
        return made

    @classmethod
    def get(cls, workspace: "Workspace", name: str, version: Optional[Any] = None) -> "Environment":
        """A registered environment, the newest version without one. Raises NotFound."""
        address = f"{workspace.path}/environments/{segment(name)}"
        if version is None:
            version = workspace.client.get(address)["version"]
        return cls.from_json(workspace.client.get(f"{address}/versions/{segment(version)}"))

    @staticmethod
    def list(workspace: "Workspace") -> "Dict[str, Environment]":
        """The newest version of each environment by name; its packages are read by `get`."""
        found = workspace.client.get(f"{workspace.path}/environments")["environments"]
        return {one["name"]: Environment.get(workspace, one["name"], one["version"]) for one in found}

    @classmethod
    def from_json(cls, found: Dict[str, Any]) -> "Environment":
        """As the studio tells it."""
        made = cls(found["name"])
        made.version = str(found["version"])
        spec = found.get("spec") or {}
        made.python.user_managed_dependencies = spec.get("kind") == "system"
        made.python.conda_dependencies.pip_packages = [str(one) for one in spec.get("requirements") or []]
        made.python.conda_dependencies.python_version = spec.get("python") or None
        return made

    @property
    def spec(self) -> EnvironmentSpec:
        """As the studio takes it."""
        if self.python.user_managed_dependencies:
            return {"kind": "system"}
        packages = self.python.conda_dependencies
        found: EnvironmentSpec = {"kind": "pip", "requirements": [str(one) for one in packages.pip_packages]}
        if packages.python_version:
            found["python"] = packages.python_version
        return found

    def register(self, workspace: "Workspace") -> "Environment":
        """Store it under its name, as a new version when its packages are others; returns it with its version."""
        body = {"name": self.name, "description": self.description, "spec": self.spec}
        found = workspace.client.post(f"{workspace.path}/environments", body)
        self.version = str(found["version"])
        return self

    def clone(self, new_name: str) -> "Environment":
        """An unregistered copy under another name."""
        made = Environment(new_name)
        made.python.user_managed_dependencies = self.python.user_managed_dependencies
        made.python.conda_dependencies.pip_packages = list(self.python.conda_dependencies.pip_packages)
        made.python.conda_dependencies.python_version = self.python.conda_dependencies.python_version
        made.environment_variables = dict(self.environment_variables)
        return made

    def __repr__(self) -> str:
        return f"Environment({self.name!r}, version={self.version!r})"


def read_requirements(path: Path) -> List[str]:
    """The requirement lines of a file, without comments. Raises UserErrorException."""
    try:
        lines = path.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserErrorException(f"{path} cannot be read: {error}.") from None
    found = [line.partition(" #")[0].strip() for line in lines]
    return [line for line in found if line and not line.startswith("#")]
