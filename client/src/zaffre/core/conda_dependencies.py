"""Packages of an environment as the Azure ML SDK names them. What becomes of conda packages, the studio decides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional

from zaffre.errors import UserErrorException

DEFAULT_FILE = "conda_dependencies.yml"
_NAME = re.compile(r"(?:[\w./-]+::)?([A-Za-z0-9_][A-Za-z0-9._-]*)")


class CondaDependencies:
    """Conda packages, pip packages, channels and a version of Python."""

    DEFAULT_NUMBER_OF_CONDA_PACKAGES = 0

    def __init__(
        self, conda_dependencies_file_path: Optional[str] = None, *, _underlying_structure: Optional[Any] = None
    ) -> None:
        """Empty, or as a conda file says. Raises UserErrorException when it cannot be read."""
        self.conda_packages: List[str] = []
        self.pip_packages: List[str] = []
        self.conda_channels: List[str] = []
        self.python_version: Optional[str] = None
        found = _underlying_structure
        if conda_dependencies_file_path is not None:
            found = read_yaml(Path(conda_dependencies_file_path))
        if found is not None:
            self._take(found)

    @classmethod
    def create(
        cls,
        conda_packages: Optional[Iterable[str]] = None,
        pip_packages: Optional[Iterable[str]] = None,
        python_version: Optional[str] = None,
        pin_sdk_version: bool = True,
        pip_indexurl: Optional[str] = None,
    ) -> "CondaDependencies":
        """`pin_sdk_version` means nothing: the SDK is in every environment. Raises UserErrorException for an index."""
        if pip_indexurl:
            _refuse_index()
        made = cls()
        for package in conda_packages or ():
            made.add_conda_package(package)
        for package in pip_packages or ():
            made.add_pip_package(package)
        if python_version:
            made.set_python_version(python_version)
        return made

    def _take(self, found: Any) -> None:
        if not isinstance(found, dict):
            raise UserErrorException("A conda environment has keys such as dependencies.")
        for channel in found.get("channels") or []:
            self.add_channel(str(channel))
        for one in found.get("dependencies") or []:
            if isinstance(one, dict):
                for package in one.get("pip") or []:
                    self.add_pip_package(str(package))
            else:
                self.add_conda_package(str(one))

    # --- changing it ----------------------------------------------------------------------------------------------
    def add_conda_package(self, conda_package: str) -> None:
        """A package as conda names it, such as `scikit-learn=1.5`; `python=3.11` sets the version of Python."""
        text = conda_package.strip()
        name = name_of(text)
        if name == "python":
            # A range (>=3.10,<3.12) stays as it is, for the studio to read; =3.11.4=build is 3.11.4.
            wish = re.sub(r"\[version=|[\[\]'\"\s]", "", _NAME.sub("", text, count=1))
            self.set_python_version(wish.lstrip("=").split("=")[0] if wish.startswith("=") else wish)
        elif name != "pip":
            self.remove_conda_package(name)
            self.conda_packages.append(text)

    def add_pip_package(self, pip_package: str) -> None:
        if pip_package not in self.pip_packages:
            self.pip_packages.append(pip_package)

    def add_channel(self, channel: str) -> None:
        if channel not in self.conda_channels:
            self.conda_channels.append(channel)

    def remove_conda_package(self, conda_package: str) -> None:
        """The package of this name, whatever its version; nothing happens when it is not there."""
        self.conda_packages = [one for one in self.conda_packages if name_of(one) != name_of(conda_package)]

    def remove_pip_package(self, pip_package: str) -> None:
        name = name_of(pip_package)
        self.pip_packages = [one for one in self.pip_packages if name_of(one) != name]

    def remove_channel(self, channel: str) -> None:
        self.conda_channels = [one for one in self.conda_channels if one != channel]

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        """Replace the pip packages."""
        self.pip_packages = []
        for one in pip_requirements:
            self.add_pip_package(one)

    def set_python_version(self, version: str) -> None:
        """A version such as 3.11, or a range such as >=3.10. Nodes take the Python that they have when it is empty."""
        self.python_version = version or None

    def get_python_version(self) -> Optional[str]:
        return self.python_version

    def get_default_number_of_packages(self) -> int:
        return self.DEFAULT_NUMBER_OF_CONDA_PACKAGES

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: Optional[str] = None) -> None:
        """tensorflow, of a version if one is given; which processors it takes is decided by its own package."""
        self.add_pip_package(f"tensorflow=={version}" if version else "tensorflow")

    add_tensorflow_conda_package = add_tensorflow_pip_package

    def set_pip_index_url(self, index_url: str) -> None:
        """Raises UserErrorException: nodes have an index of their own."""
        _refuse_index()

    def set_pip_option(self, pip_option: str) -> None:
        """Raises UserErrorException: options of the installer are the node's."""
        _refuse_index()

    def merge_requirements(self, requirements: Iterable[str]) -> None:
        """Add pip packages; one that is there is replaced."""
        for one in requirements:
            self.remove_pip_package(one)
            self.add_pip_package(one)

    # --- its file -------------------------------------------------------------------------------------------------
    def as_dict(self) -> Dict[str, Any]:
        """As a conda file has it."""
        found: Dict[str, Any] = {"channels": list(self.conda_channels)} if self.conda_channels else {}
        wish = self.python_version or ""
        dependencies: List[Any] = [f"python{'=' if wish[0].isdigit() else ''}{wish}"] if wish else []
        dependencies += self.conda_packages
        if self.pip_packages:
            dependencies.append({"pip": list(self.pip_packages)})
        return {**found, "dependencies": dependencies}

    def serialize_to_string(self) -> str:
        """The text of a conda file."""
        return dump_yaml(self.as_dict())

    def save_to_file(self, base_directory: str, conda_file_path: Optional[str] = None) -> str:
        """Write it below a folder; returns its path below that folder. Raises UserErrorException."""
        name = conda_file_path or DEFAULT_FILE
        self.save(str(Path(base_directory) / name))
        return name

    def save(self, path: Optional[str] = None) -> str:
        """Write it to a file, or into a folder under its usual name; returns the path. Raises UserErrorException."""
        place = Path(path or DEFAULT_FILE).expanduser()
        if place.is_dir():
            place = place / DEFAULT_FILE
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self.serialize_to_string(), encoding="utf-8")
        except OSError as error:
            raise UserErrorException(f"{place} cannot be written: {error.strerror or error}.") from None
        return str(place)

    def __repr__(self) -> str:
        return f"CondaDependencies({self.as_dict()!r})"


def _refuse_index() -> None:
    raise UserErrorException(
        "Nodes have an index of their own, and its options; a run cannot choose others.",
        hint="Set UV_INDEX_URL where the node is started.",
    )


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises UserErrorException."""
    yaml = _yaml()
    try:
        return yaml.safe_load(path.expanduser().read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserErrorException(f"{path} cannot be read: {error}") from None


def dump_yaml(value: Any) -> str:
    return str(_yaml().safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False))


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:  # the packages of a run are those that it asked for
        raise UserErrorException(
            "Conda files need PyYAML, which is not installed here.", hint="pip install pyyaml"
        ) from None
    return yaml


def name_of(package: str) -> str:
    """The name of a package without its version, in its one spelling."""
    found = _NAME.match(package.strip())
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else package.strip().lower()
