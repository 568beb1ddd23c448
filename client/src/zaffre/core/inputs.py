"""The inputs of the run that this process belongs to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional

from zaffre.errors import UserErrorException

#: The node tells each input's path under its name as it was given.
_PREFIX = "AZUREML_DATAREFERENCE_"


class InputDataset:
    """An input: it acts as the path of the folder that holds its files (`open(data / "a.csv")`, `Path(data)`).

    Where the dataset was made of one file, it is the path of that file (`open(data)`); `/` still begins at the folder.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self._path = Path(path)
        self._folder = self._path.parent if self._path.is_file() else self._path

    def __fspath__(self) -> str:
        return str(self._path)

    def __str__(self) -> str:
        return str(self._path)

    def __repr__(self) -> str:
        return f"InputDataset({self.name!r}, {str(self._path)!r})"

    def __truediv__(self, part: str) -> Path:
        return self._folder / part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask for these before there is a folder
            raise AttributeError(name)
        return getattr(self._path, name)

    def mount(self, mount_point: Optional[str] = None) -> "InputDataset":
        """It is there already: its path is the `mount_point`, also in a `with` block."""
        return self

    @property
    def mount_point(self) -> str:
        return str(self._path)

    def start(self) -> None:
        """Nothing: the files were there before the script."""

    stop = start

    def __enter__(self) -> "InputDataset":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def download(self, target_path: Optional[str] = None, overwrite: bool = False) -> List[str]:
        """The paths of its files; with `target_path` those of copies below that folder.

        Raises UserErrorException for a file that is there, unless `overwrite`.
        """
        if target_path is None:
            return [str(self._folder / path) for path in self.to_path()]
        made = []
        for path in self.to_path():
            target = Path(target_path) / path
            if target.exists() and not overwrite:
                raise UserErrorException(f"{target} is there already.", hint="To replace it: overwrite=True.")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(self._folder / path), str(target))
            made.append(str(target))
        return made

    def to_path(self) -> List[str]:
        """The relative paths of its files."""
        return sorted(str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if path.is_file())


def inputs_of_this_process() -> Dict[str, InputDataset]:
    """The inputs by name, as the node says in the environment."""
    return {
        name[len(_PREFIX) :]: InputDataset(name[len(_PREFIX) :], path)
        for name, path in os.environ.items()
        if name.startswith(_PREFIX)
    }
