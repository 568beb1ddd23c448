"""Packages of an environment. The studio installs with pip; the conda names that scripts use are kept for pip."""

from __future__ import annotations

from typing import Iterable, List, Optional

from zaffre.errors import UserErrorException


class CondaDependencies:
    """Pip packages and a version of Python. Conda packages cannot be installed, and adding one says so."""

    def __init__(self) -> None:
        self.pip_packages: List[str] = []
        self.python_version: Optional[str] = None

    @classmethod
    def create(
        cls,
        conda_packages: Optional[Iterable[str]] = None,
        pip_packages: Optional[Iterable[str]] = None,
        python_version: Optional[str] = None,
    ) -> "CondaDependencies":
        """Raises UserErrorException for conda packages other than `python=…`."""
        made = cls()
        for package in conda_packages or ():
            made.add_conda_package(package)
        for package in pip_packages or ():
            made.add_pip_package(package)
        if python_version:
            made.set_python_version(python_version)
        return made

    def add_pip_package(self, package: str) -> None:
        if package not in self.pip_packages:
            self.pip_packages.append(package)

    def add_conda_package(self, package: str) -> None:
        name, _, version = package.replace("==", "=").partition("=")
        if name.strip() == "python":
            self.set_python_version(version.strip())
            return
        raise UserErrorException(
            f"The conda package {package!r} cannot be installed: environments are made with pip.",
            hint="Use add_pip_package with its name on PyPI.",
        )

    def set_python_version(self, version: str) -> None:
        """A version such as 3.11. Nodes take the Python that they have when it is empty."""
        self.python_version = version or None
