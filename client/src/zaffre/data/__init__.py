"""How runs are given data, and where they leave theirs."""

from __future__ import annotations

from typing import Any

from zaffre.data.output_dataset_config import OutputFileDatasetConfig

__all__ = ["OutputFileDatasetConfig"]

#: What scripts ask for beside it, often for isinstance alone.
_PLACES = {"FileDataset": "file_dataset", "TabularDataset": "tabular_dataset", "DataReference": "data_reference"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'zaffre.data' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"zaffre.data.{_PLACES[name]}"), name)
