"""An environment: the packages and variables that code runs with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.core.curated import stand_in
from zaffre.core.environment_sections import (
    DEFAULT_CPU_IMAGE,
    DEFAULT_GPU_IMAGE,
    ContainerRegistry,
    DockerSection,
    PythonSection,
    SparkSection,
    dockerfile_text,
)
from zaffre.errors import NotFound, UserErrorException
from zaffre.protocol import EnvironmentSpec
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.environment_builds import EnvironmentBuild
    from zaffre.core.workspace import Workspace

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "ContainerRegistry",
    "DockerSection",
    "Environment",
    "PythonSection",
    "SparkSection",
]


class Environment:
    """A named set of packages. `version` is None until it is registered; `warnings` are what its runs will be told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version: Optional[str] = None
        self.description = ""
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.environment_variables: Dict[str, str] = {}
        self.inferencing_stack_version: Optional[str] = None
        self.warnings: List[str] = []

    # --- making one -------------------------------------------------------------------------------------------------
    @classmethod
    def from_pip_requirements(cls, name: str, file_path: str, pip_version: Optional[str] = None) -> "Environment":
        """The packages of a requirements file. Raises UserErrorException when it cannot be read."""
        made = cls(name)
        made.python.conda_dependencies.pip_packages = read_requirements(Path(file_path))
        return made

    @classmethod
    def from_conda_specification(cls, name: str, file_path: str) -> "Environment":
        """The packages of a conda file. Raises UserErrorException when it cannot be read."""
        made = cls(name)
        made.python.conda_dependencies = CondaDependencies(conda_dependencies_file_path=file_path)
        return made

    @classmethod
    def from_existing_conda_environment(cls, name: str, conda_environment_name: str) -> "Optional[Environment]":
        """The packages of a conda environment of this machine; None when there is no conda or no such environment."""
        from zaffre.core.environment_files import exported

        found = exported(conda_environment_name)
        if found is None:
            return None
        made = cls(name)
        made.python.conda_dependencies = found
        return made

    @classmethod
    def from_docker_image(
        cls,
        name: str,
        image: str,
        container_registry: Optional[ContainerRegistry] = None,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> "Environment":
        """An image, with further packages in it when a file names some."""
        made = cls._around(name, conda_specification, pip_requirements)
        made.docker.base_image = image
        made.docker.base_image_registry = container_registry or ContainerRegistry()
        return made

    @classmethod
    def from_dockerfile(
        cls,
        name: str,
        dockerfile: str,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> "Environment":
        """An image that nodes build; `dockerfile` is its text, or the path of a file."""
        made = cls._around(name, conda_specification, pip_requirements)
        made.docker.base_dockerfile = dockerfile_text(dockerfile)
        return made

    @classmethod
    def _around(cls, name: str, conda_specification: Optional[str], pip_requirements: Optional[str]) -> "Environment":
        made = cls(name)
        if conda_specification:
            made.python.conda_dependencies = CondaDependencies(conda_dependencies_file_path=conda_specification)
        elif pip_requirements:
            made.python.conda_dependencies.pip_packages = read_requirements(Path(pip_requirements))
        else:
            made.python.user_managed_dependencies = True
        return made

    # --- in the workspace -------------------------------------------------------------------------------------------
    @classmethod
    def get(
        cls, workspace: "Workspace", name: str, version: Optional[Any] = None, label: Optional[str] = None
    ) -> "Environment":
        """A registered environment, the newest version without one (or with the label `latest`).

        One that the original service kept ready (`AzureML-…`) is made anew, and a warning says of what, until it is
        registered. Raises NotFound.
        """
        if label not in (None, "latest", "Latest"):
            raise UserErrorException(
                f"Environments have no label {label!r}.", hint="Give a version, or label='latest'."
            )
        address = f"{workspace.path}/environments/{segment(name)}"
        if version is None or name.lower().startswith("azureml-"):
            try:
                newest = workspace.client.get(address)["version"]
            except NotFound:
                if (made := stand_in(name)) is None:
                    raise
                return made
            version = newest if version is None else version
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
        kind, packages = spec.get("kind"), made.python.conda_dependencies
        made.python.user_managed_dependencies = kind in ("system", "interpreter", "docker")
        made.python.interpreter_path = spec.get("interpreter") or "python"
        made.docker.base_image, made.docker.base_dockerfile = spec.get("image"), spec.get("dockerfile")
        packages.pip_packages = [str(one) for one in spec.get("requirements") or []]
        packages.python_version = spec.get("python") or None
        if kind == "conda":
            packages.conda_packages = [str(one) for one in spec.get("dependencies") or []]
            packages.conda_channels = [str(one) for one in spec.get("channels") or []]
            # They are among the requirements, too, by their names for pip: registering this gives the same version.
        made.environment_variables = {str(key): str(one) for key, one in (spec.get("variables") or {}).items()}
        made.warnings = [str(one) for one in spec.get("warnings") or []]
        return made

    @property
    def spec(self) -> EnvironmentSpec:
        """As the studio takes it."""
        found: Any = self.docker.spec(self.python)
        if found is None and self.python.user_managed_dependencies:
            path = self.python.interpreter_path
            found = {"kind": "system"} if path in ("", "python", None) else {"kind": "interpreter", "interpreter": path}
        if found is None:
            found = self._packages()
        if self.environment_variables:
            found["variables"] = {str(key): str(one) for key, one in self.environment_variables.items()}
        return found

    def _packages(self) -> Dict[str, Any]:
        packages = self.python.conda_dependencies
        if self.python.conda_dependencies_file:
            packages = CondaDependencies(conda_dependencies_file_path=self.python.conda_dependencies_file)
        found: Dict[str, Any] = {"kind": "pip", "requirements": [str(one) for one in packages.pip_packages]}
        if packages.conda_packages:
            found.update(kind="conda", channels=packages.conda_channels, dependencies=packages.conda_packages)
        if packages.python_version:
            found["python"] = packages.python_version
        return found

    def register(self, workspace: "Workspace") -> "Environment":
        """Store it under its name, as a new version when its packages are others; returns it with its version."""
        body = {"name": self.name, "description": self.description, "spec": self.spec}
        found = workspace.client.post(f"{workspace.path}/environments", body)
        self.version = str(found["version"])
        self.warnings = [str(one) for one in (found.get("spec") or {}).get("warnings") or []]
        return self

    def clone(self, new_name: str) -> "Environment":
        """An unregistered copy under another name."""
        from copy import deepcopy

        made = deepcopy(self)
        made.name, made.version = new_name, None
        return made

    @staticmethod
    def add_private_pip_wheel(workspace: "Workspace", file_path: str, exist_ok: bool = False) -> str:
        """Raises UserErrorException: packages come from the index of the nodes."""
        raise UserErrorException(
            "Wheels are not kept by the studio.",
            hint="Put it on the index of the nodes (UV_INDEX_URL), name it as name @ https://…, or keep its code "
            "in the folder of the script.",
        )

    # --- building it ------------------------------------------------------------------------------------------------
    def build(self, workspace: "Workspace", image_build_compute: Optional[str] = None) -> "EnvironmentBuild":
        """Have a node of a compute target make it now, registering it when it is not; returns the build, which goes on.

        Without a target it is `local`, or the only one. Raises Invalid for what needs no building.
        """
        from zaffre.core.environment_builds import start

        return start(self, workspace, target=image_build_compute or "")

    def build_local(self, workspace: "Workspace", platform: Optional[str] = None, **_: Any) -> str:
        """Make it on this machine, from the studio's lock where it has one; returns the path of its Python.

        Needs uv here. Raises UserErrorException when it cannot be made.
        """
        from zaffre.core.environment_builds import make_here

        return make_here(self, workspace)

    def get_image_details(self, workspace: "Workspace") -> Dict[str, Any]:
        """Of a registered version: its `lock` (None before it was resolved) and its `builds`, newest first."""
        from zaffre.core.environment_builds import details

        return details(self, workspace)

    # --- its files --------------------------------------------------------------------------------------------------
    def save_to_directory(self, path: str, overwrite: bool = False) -> None:
        """Write azureml_environment.json and conda_dependencies.yml into a folder. Raises UserErrorException when one
        is there and `overwrite` is False."""
        from zaffre.core.environment_files import save

        save(self, Path(path), overwrite=overwrite)

    @classmethod
    def load_from_directory(cls, path: str) -> "Environment":
        """What `save_to_directory` wrote. Raises UserErrorException."""
        from zaffre.core.environment_files import load

        return load(Path(path))

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
