"""A folder that a run fills."""

from __future__ import annotations

import itertools
from typing import Any, List, Optional

from zaffre.errors import UserErrorException
from zaffre.protocol import OUTPUT_NAME_RE

_numbers = itertools.count(1)
_INSTEAD = "Download it from the run and call Dataset.File.upload_directory, or read it with run.download_files."


class OutputFileDatasetConfig:
    """Give it as an argument of a script: it becomes the path of a folder below `outputs/`, which is there.

    What the script writes into it are files of the run, under `outputs/NAME/`. Raises UserErrorException for a
    destination in a datastore, which the studio does not have, and for a name with other signs than letters, digits
    and . _ -
    """

    def __init__(
        self, name: Optional[str] = None, destination: Any = None, source: Optional[str] = None, **_others: Any
    ) -> None:
        if destination is not None:
            raise UserErrorException(
                "There are no datastores here: an output has no destination of its own.",
                hint="Leave `destination` out. The files are those of the run, below outputs/.",
            )
        if source is not None:
            raise UserErrorException(
                "A folder elsewhere on the node is not collected.", hint="Leave `source` out and write into the folder."
            )
        self.name = str(name) if name else f"output_{next(_numbers)}"
        if not OUTPUT_NAME_RE.match(self.name):
            raise UserErrorException(f"{name!r} cannot be the name of an output: use letters, digits and . _ -")

    @property
    def path(self) -> str:
        """Where its files are among those of the run."""
        return f"outputs/{self.name}"

    def as_upload(self, overwrite: bool = False, source_globs: Optional[List[str]] = None) -> "OutputFileDatasetConfig":
        """The same: the folder is sent when the script ends, wholly: `source_globs` raise UserErrorException."""
        if source_globs is not None:
            raise UserErrorException(
                "All files of an output are kept.", hint="Write what is not to be kept somewhere else."
            )
        return self

    def as_mount(self, disable_metadata_cache: bool = False) -> "OutputFileDatasetConfig":
        """The same: nothing is mounted, the folder is sent when the script ends."""
        return self

    def register_on_complete(self, name: str, description: Optional[str] = None, tags: Any = None) -> Any:
        """Raises UserErrorException: a run's files do not become a dataset by themselves."""
        raise UserErrorException("The files of a run do not become a dataset by themselves.", hint=_INSTEAD)

    def as_input(self, name: Optional[str] = None) -> Any:
        """Raises UserErrorException: there are no pipelines, in which one step reads what another wrote."""
        raise UserErrorException("There are no steps of pipelines that could read it.", hint=_INSTEAD)

    def __repr__(self) -> str:
        return f"OutputFileDatasetConfig({self.name!r})"
