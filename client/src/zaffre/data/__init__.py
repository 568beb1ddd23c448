"""How runs are given data, and where they leave theirs."""

from zaffre.data.output_dataset_config import OutputFileDatasetConfig

__all__ = ["OutputFileDatasetConfig"]
