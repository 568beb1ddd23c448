"""The inputs of the run that this process belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List

#: The node tells each input's folder under its name as it was given.
_PREFIX = "AZUREML_DATAREFERENCE_"


class InputDataset:
    """An input: it acts as the path of the folder that holds its files (`open(data / "a.csv")`, `Path(data)`)."""

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self._folder = Path(folder)

    def __fspath__(self) -> str:
        return str(self._folder)

    def __str__(self) -> str:
        return str(self._folder)

    def __repr__(self) -> str:
        return f"InputDataset({self.name!r}, {str(self._folder)!r})"

    def __truediv__(self, part: str) -> Path:
        return self._folder / part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask for these before there is a folder
            raise AttributeError(name)
        return getattr(self._folder, name)

    def to_path(self) -> List[str]:
        """The relative paths of its files."""
        return sorted(str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if path.is_file())


def inputs_of_this_process() -> Dict[str, InputDataset]:
    """The inputs by name, as the node says in the environment."""
    return {
        name[len(_PREFIX) :]: InputDataset(name[len(_PREFIX) :], folder)
        for name, folder in os.environ.items()
        if name.startswith(_PREFIX)
    }
