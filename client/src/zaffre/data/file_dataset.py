"""FileDataset, where scripts import it from."""

from zaffre.core.dataset import FileDataset

__all__ = ["FileDataset"]
