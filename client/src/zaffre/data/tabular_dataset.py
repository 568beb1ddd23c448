"""TabularDataset, where scripts import it from."""

from zaffre.absent import absent_class

__all__ = ["TabularDataset"]

TabularDataset = absent_class(
    "TabularDataset",
    "There are no tabular datasets here.",
    "Register the file with Dataset.File.from_files, give it to the script as an input and read it with pandas.",
)
