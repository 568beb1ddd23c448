"""The parts of an environment, with the names of the Azure ML SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.errors import UserErrorException

#: What scripts name as the floor of a conda environment. They are passed over: packages are installed on the node.
DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"

#: Bases of the original service: what they hold besides Python, nodes have or do not need.
_ORIGINAL_BASES = "mcr.microsoft.com/azureml/"


class PythonSection:
    """Where the packages come from."""

    def __init__(self) -> None:
        #: True: a Python that is there, with what is installed in it; `interpreter_path` says which.
        self.user_managed_dependencies = False
        self.interpreter_path = "python"
        self.conda_dependencies = CondaDependencies()
        self.conda_dependencies_file: Optional[str] = None
        self.base_conda_environment: Optional[str] = None


class ContainerRegistry:
    """Where images come from. Nodes log in by themselves; what is set here is kept in files and not sent."""

    def __init__(self) -> None:
        self.address: Optional[str] = None
        self.username: Optional[str] = None
        self.password: Optional[str] = None


class DockerSection:
    """A container image around the code, for nodes that have an engine."""

    def __init__(self) -> None:
        #: False: the image is not used even if one is named. None: used when one is named.
        self.enabled: Optional[bool] = None
        self.base_image: Optional[str] = None
        self.base_dockerfile: Optional[str] = None
        self.base_image_registry = ContainerRegistry()
        self.arguments: List[str] = []
        self.shared_volumes = True
        self.shm_size: Optional[str] = None
        self.gpu_support = True

    def spec(self, python: PythonSection) -> Optional[Dict[str, Any]]:
        """How the studio is told of it; None when the code runs on the node itself."""
        image, dockerfile = self.base_image or "", dockerfile_text(self.base_dockerfile or "")
        if self.enabled is False or not (dockerfile or image) or image.startswith(_ORIGINAL_BASES):
            return None
        found: Dict[str, Any] = {"kind": "docker"}
        if python.user_managed_dependencies and python.interpreter_path:
            found["interpreter"] = python.interpreter_path
        found["dockerfile" if dockerfile else "image"] = dockerfile or image
        if not python.user_managed_dependencies:
            packages = python.conda_dependencies
            wished = {
                "python": packages.python_version,
                "requirements": [str(one) for one in packages.pip_packages],
                "dependencies": [str(one) for one in packages.conda_packages],
            }
            found.update({key: value for key, value in wished.items() if value})
        return found


def dockerfile_text(given: str) -> str:
    """The text of a Dockerfile, which is given as that or by its path. Raises UserErrorException."""
    if not given or "\n" in given or given.lstrip().upper().startswith("FROM "):
        return given
    try:
        return Path(given).read_text(encoding="utf-8")
    except OSError as error:
        raise UserErrorException(f"{given} cannot be read: {error.strerror or error}.") from None


class SparkSection:
    """Kept in files; there is no Spark here."""

    def __init__(self) -> None:
        self.repositories: List[str] = []
        self.packages: List[Any] = []
        self.precache_packages = True
