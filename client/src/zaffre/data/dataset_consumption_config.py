"""A dataset as an input of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    def as_mount(self) -> "DatasetConsumptionConfig":
        return DatasetConsumptionConfig(self.name, self.dataset, "mount")

    def as_download(self) -> "DatasetConsumptionConfig":
        return DatasetConsumptionConfig(self.name, self.dataset, "download")
