"""A dataset as an input of a run."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from zaffre.core.dataset import FileDataset


class DatasetConsumptionConfig:
    """Give it in `ScriptRunConfig(inputs={name: …})`. Nodes fetch the files before the script starts, either way."""

    def __init__(self, name: str, dataset: "FileDataset", mode: str = "download") -> None:
        self.name = name
        self.dataset = dataset
        self.mode = mode

    @property
    def reference(self) -> str:
        """name:version of the dataset."""
        return self.dataset.reference

    def as_mount(self, path_on_compute: Optional[str] = None) -> "DatasetConsumptionConfig":
        """The word of a script becomes the path of the folder, or of the file that the dataset was made of.

        The studio chooses where, and warns of a path here."""
        _warn_of(path_on_compute)
        return DatasetConsumptionConfig(self.name, self.dataset, "mount")

    def as_download(self, path_on_compute: Optional[str] = None) -> "DatasetConsumptionConfig":
        """As `as_mount`."""
        _warn_of(path_on_compute)
        return DatasetConsumptionConfig(self.name, self.dataset, "download")


def _warn_of(path: Optional[str]) -> None:
    if path:
        told = f"The path {path} has no effect: the studio chooses the folder, and the script is told of it."
        warnings.warn(told, UserWarning, stacklevel=3)
