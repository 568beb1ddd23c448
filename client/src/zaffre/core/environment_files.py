"""Environments as files of the Azure ML SDK: azureml_environment.json and conda_dependencies.yml in one folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Optional

from zaffre.core.conda_dependencies import DEFAULT_FILE, CondaDependencies
from zaffre.core.environment import Environment
from zaffre.errors import UserErrorException

ENVIRONMENT_FILE = "azureml_environment.json"
_SECONDS = 120


def as_tree(environment: Environment) -> Dict[str, Any]:
    """As azureml_environment.json has it; passwords are left out."""
    python, docker = environment.python, environment.docker
    return {
        "name": environment.name,
        "version": environment.version,
        "environmentVariables": dict(environment.environment_variables),
        "python": {
            "userManagedDependencies": bool(python.user_managed_dependencies),
            "interpreterPath": python.interpreter_path,
            "condaDependenciesFile": python.conda_dependencies_file,
            "baseCondaEnvironment": python.base_conda_environment,
            "condaDependencies": python.conda_dependencies.as_dict(),
        },
        "docker": {
            "enabled": docker.enabled,
            "baseImage": docker.base_image,
            "baseDockerfile": docker.base_dockerfile,
            "sharedVolumes": docker.shared_volumes,
            "shmSize": docker.shm_size,
            "arguments": list(docker.arguments),
            "baseImageRegistry": {"address": docker.base_image_registry.address, "username": None, "password": None},
        },
        "spark": {"repositories": [], "packages": [], "precachePackages": True},
        "inferencingStackVersion": environment.inferencing_stack_version,
    }


def from_tree(found: Any, *, folder: Path, unnamed: str = "") -> Environment:
    """The environment of such a tree, called `unnamed` if it has no name; a conda file that it names lies in `folder`
    or above. Raises UserErrorException."""
    if not isinstance(found, dict) or not (found.get("name") or unnamed):
        raise UserErrorException(f"{ENVIRONMENT_FILE} has no name.")
    made = Environment(str(found.get("name") or unnamed))
    made.version = str(found["version"]) if found.get("version") else None
    made.environment_variables = {str(key): str(one) for key, one in (found.get("environmentVariables") or {}).items()}
    python, docker = found.get("python") or {}, found.get("docker") or {}
    made.python.user_managed_dependencies = bool(python.get("userManagedDependencies"))
    made.python.interpreter_path = str(python.get("interpreterPath") or "python")
    made.python.base_conda_environment = python.get("baseCondaEnvironment")
    made.python.conda_dependencies = packages_of(python, folder)
    made.docker.enabled = docker.get("enabled")
    made.docker.base_image, made.docker.base_dockerfile = docker.get("baseImage"), docker.get("baseDockerfile")
    made.docker.arguments = [str(one) for one in docker.get("arguments") or []]
    made.docker.shm_size, made.docker.shared_volumes = docker.get("shmSize"), bool(docker.get("sharedVolumes", True))
    made.docker.base_image_registry.address = (docker.get("baseImageRegistry") or {}).get("address")
    made.inferencing_stack_version = found.get("inferencingStackVersion")
    return made


def packages_of(python: Dict[str, Any], folder: Path) -> CondaDependencies:
    """Of `condaDependencies`, or of the file that `condaDependenciesFile` names. Raises UserErrorException."""
    tree, file = python.get("condaDependencies"), python.get("condaDependenciesFile")
    if tree is None and file:
        place = next((one for one in (folder / str(file), folder.parent / str(file)) if one.is_file()), None)
        if place is None:
            raise UserErrorException(f"The conda file {file} is not there.")
        return CondaDependencies(conda_dependencies_file_path=str(place))
    return CondaDependencies(_underlying_structure=tree or {})


def save(environment: Environment, folder: Path, *, overwrite: bool) -> None:
    """See Environment.save_to_directory."""
    place = folder.expanduser()
    files = (place / ENVIRONMENT_FILE, place / DEFAULT_FILE)
    present = [one for one in files if one.exists()]
    if present and not overwrite:
        hint = "To replace it: overwrite=True, or --overwrite."
        raise UserErrorException(f"{present[0]} is there already.", hint=hint)
    try:
        place.mkdir(parents=True, exist_ok=True)
        files[0].write_text(json.dumps(as_tree(environment), indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserErrorException(f"{place} cannot be written: {error.strerror or error}.") from None
    environment.python.conda_dependencies.save(str(files[1]))


def load(folder: Path) -> Environment:
    """See Environment.load_from_directory. A conda file beside it wins: it is what people edit."""
    place = folder.expanduser()
    try:
        found = json.loads((place / ENVIRONMENT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserErrorException(f"{place / ENVIRONMENT_FILE} cannot be read: {error}") from None
    made = from_tree(found, folder=place)
    if (place / DEFAULT_FILE).is_file():
        made.python.conda_dependencies = CondaDependencies(conda_dependencies_file_path=str(place / DEFAULT_FILE))
    return made


def exported(name: str) -> Optional[CondaDependencies]:
    """The packages of a conda environment of this machine; None without conda or without that environment."""
    conda = next((one for one in map(shutil.which, ("conda", "mamba", "micromamba")) if one), None)
    if conda is None:
        return None
    words = [conda, "env", "export", "--name", name, "--no-builds"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    if said.returncode:
        return None
    import yaml

    return CondaDependencies(_underlying_structure=yaml.safe_load(said.stdout))
