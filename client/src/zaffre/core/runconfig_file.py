"""Run configurations as files: the YAML of the Azure ML SDK v1, with a few keys of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Type, Union

from zaffre.core import environment_files
from zaffre.core.environment import Environment
from zaffre.core.runconfig import UNNAMED, RunConfiguration
from zaffre.core.runconfig_sections import (
    Data,
    DataReferenceConfiguration,
    DockerConfiguration,
    HistoryConfiguration,
    MpiConfiguration,
    PyTorchConfiguration,
    Section,
    TensorflowConfiguration,
)
from zaffre.errors import UserErrorException

SUFFIX = ".runconfig"
#: Where a file may lie below the folder of the code, the first that has it counts.
FOLDERS = (".zaffre", ".azureml", "aml_config", "")
_MOST_BYTES = 1 << 20

#: (attribute, key): values that stand in the file as they are.
_PLAIN = (
    ("script", "script"),
    ("command", "command"),
    ("arguments", "arguments"),
    ("framework", "framework"),
    ("communicator", "communicator"),
    ("node_count", "nodeCount"),
    ("max_run_duration_seconds", "maxRunDurationSeconds"),
    ("priority", "priority"),
    ("job_name", "jobName"),
    ("auto_prepare_environment", "autoPrepareEnvironment"),
)
_SECTIONS = (
    ("history", "history", HistoryConfiguration),
    ("mpi", "mpi", MpiConfiguration),
    ("pytorch", "pytorch", PyTorchConfiguration),
    ("tensorflow", "tensorflow", TensorflowConfiguration),
    ("docker", "docker", DockerConfiguration),
)
_NAMED: Tuple[Tuple[str, str, Type[Section]], ...] = (
    ("data", "data", Data),
    ("data_references", "dataReferences", DataReferenceConfiguration),
)
#: Keys that the files of others do not have; written when they say something.
_OURS = (
    ("inputs", "inputs"),
    ("secrets", "secrets"),
    ("resources", "resources"),
    ("distribution", "distribution"),
    ("max_retries", "maxRetries"),
    ("max_user_retries", "maxUserRetries"),
    ("tags", "tags"),
)


def find(path: Union[str, Path], name: Optional[str] = None) -> Path:
    """The file of a run configuration. Raises UserErrorException that says where it was looked for."""
    place = Path(path).expanduser()
    if name is None:
        if place.is_file():
            return place
        raise UserErrorException(f"There is no run configuration {path}.")
    file = name if name.endswith(SUFFIX) else f"{name}{SUFFIX}"
    if "/" in file or "\\" in file:
        raise UserErrorException(f"A run configuration is named without folders, unlike {name!r}.")
    for folder in FOLDERS:
        if (place / folder / file).is_file():
            return place / folder / file
    there = sorted({found.stem for folder in FOLDERS for found in (place / folder).glob(f"*{SUFFIX}")})
    hint = (
        f"There are: {', '.join(there)}."
        if there
        else "Save one with RunConfiguration.save(path, name), or zaffre run submit --save NAME."
    )
    raise UserErrorException(f"There is no run configuration {name!r} in {place}, its .zaffre or .azureml.", hint=hint)


def load(path: Union[str, Path], name: Optional[str] = None) -> RunConfiguration:
    """See RunConfiguration.load."""
    file = find(path, name)
    found = _tree_of(file)
    try:
        return from_tree(found, folder=file.parent)
    except UserErrorException as error:
        raise UserErrorException(f"{file}: {error.message}", hint=error.hint) from None


def _tree_of(file: Path) -> Any:
    yaml = _yaml()
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise UserErrorException(f"{file} is larger than {_MOST_BYTES} bytes.")
        return yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserErrorException(f"{file} cannot be read: {error}") from None


def save(config: RunConfiguration, path: Union[str, Path, None] = None, name: Optional[str] = None) -> str:
    """See RunConfiguration.save."""
    place = Path(path or ".").expanduser()
    if name is None:
        if place.suffix != SUFFIX:
            raise UserErrorException("A run configuration is saved under a name.", hint='save(path=".", name="first")')
        file = place
    else:
        folder = ".zaffre" if (place / ".zaffre").is_dir() and not (place / ".azureml").is_dir() else ".azureml"
        file = place / folder / (name if name.endswith(SUFFIX) else f"{name}{SUFFIX}")
    text = _yaml().safe_dump(as_tree(config), sort_keys=False, allow_unicode=True, default_flow_style=False)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserErrorException(f"{file} cannot be written: {error.strerror or error}.") from None
    return str(file)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:  # the packages of a run are those that it asked for
        raise UserErrorException(
            "Run configurations as files need PyYAML, which is not installed here.", hint="pip install pyyaml"
        ) from None
    return yaml


# --- trees -----------------------------------------------------------------------------------------------------------


def as_tree(config: RunConfiguration) -> Dict[str, Any]:
    """A run configuration as dictionaries, lists and texts, in the order of the file."""
    from zaffre.core.runconfig_body import _inputs_and_words

    inputs, words = _inputs_and_words(config)  # datasets among the arguments become names
    found: Dict[str, Any] = {key: _listed(getattr(config, name)) for name, key in _PLAIN}
    found["arguments"] = words
    found["target"] = config.target if isinstance(config.target, str) else config.target.name
    found["environment"] = _environment_tree(config)
    found.update({key: getattr(config, name).as_tree() for name, key, _ in _SECTIONS})
    for name, key, _ in _NAMED:
        found[key] = {word: one.as_tree() for word, one in getattr(config, name).items() if isinstance(one, Section)}
    for name, key in _OURS:
        value = getattr(config, name)
        if name == "inputs":
            value = {word: dict(one) for word, one in inputs.items() if word not in found["data"]}
        if value:
            found[key] = value
    return {**found, **{key: value for key, value in config.other.items() if "." not in key}}


def from_tree(found: Any, *, folder: Path) -> RunConfiguration:
    """A run configuration out of what stands in a file; files that it names are looked for in `folder`.

    Raises UserErrorException that names the part which cannot be meant.
    """
    if not isinstance(found, dict):
        raise UserErrorException("A run configuration has keys with values.")
    config = RunConfiguration()
    unknown: List[str] = []
    left = dict(found)
    for name, key in (*_PLAIN, *_OURS):
        value = left.pop(key, None)
        if value is not None:
            setattr(config, name, value)
    if left.get("target") is not None:
        config.target = left["target"]
    left.pop("target", None)
    _read_environment(config, left.pop("environment", None), folder, unknown)
    for name, key, kind in _SECTIONS:
        setattr(config, name, kind.from_tree(left.pop(key, None), unknown, key))
    for name, key, of_one in _NAMED:
        named = left.pop(key, None) or {}
        if not isinstance(named, dict):
            raise UserErrorException(f"`{key}` has names with what is meant by them.")
        setattr(config, name, {word: of_one.from_tree(one, unknown, f"{key}.{word}") for word, one in named.items()})
    config.other = {**left, **_deep(found, unknown)}
    if not isinstance(config.arguments, list):
        raise UserErrorException("`arguments` is a list of words.")
    return config


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _deep(found: Dict[str, Any], unknown: List[str]) -> Dict[str, Any]:
    """{where: value} of keys inside of known parts that nobody knows: they are told, and not written again."""
    told: Dict[str, Any] = {}
    for where in unknown:
        value: Any = found
        for part in where.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        told[where] = value
    return told


# --- the environment -------------------------------------------------------------------------------------------------


def _environment_tree(config: RunConfiguration) -> Dict[str, Any]:
    environment, own = config.environment, {str(key): str(value) for key, value in config.environment_variables.items()}
    if isinstance(environment, str):
        name, _, version = environment.partition(":")
        return {"name": name, "version": version or None, "environmentVariables": own}
    found = environment_files.as_tree(environment)
    found["name"] = None if environment.name == UNNAMED else environment.name
    found["environmentVariables"] = {**environment.environment_variables, **own}
    return found


def _read_environment(config: RunConfiguration, found: Any, folder: Path, unknown: List[str]) -> None:
    if found is None:
        return
    if isinstance(found, str):
        config.environment = found
        return
    if not isinstance(found, dict):
        raise UserErrorException("`environment` is a name, or has keys such as name and python.")
    config.environment_variables = {
        str(key): str(value) for key, value in (found.get("environmentVariables") or {}).items()
    }
    name, version, python = found.get("name"), found.get("version"), found.get("python")
    if name and not python:
        config.environment = f"{name}:{version}" if version else str(name)
        return
    config.environment = made = environment_files.from_tree(found, folder=folder, unnamed=UNNAMED)
    made.environment_variables = {}
    unknown += [f"environment.{key}" for key in ("spark", "databricks") if _says(found.get(key))]


def environment_of_conda(file: Path) -> Environment:
    """The environment that a conda file describes, without a name. Raises UserErrorException."""
    made = Environment(UNNAMED)
    made.python.conda_dependencies = environment_files.packages_of({"condaDependenciesFile": file.name}, file.parent)
    return made


def _says(part: Any) -> bool:
    """Whether a part of an environment that is not read asks for something."""
    return isinstance(part, dict) and any(isinstance(one, list) and one for one in part.values())
