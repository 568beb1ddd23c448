"""The folder `outputs` of a run that a process carries on by hand: what is written there meanwhile is the run's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import List, Tuple

from zaffre.files import LocalFile
from zaffre.snapshot import list_folder

NAME = "outputs"


class OutputsFolder:
    """`outputs` of the current folder, which is made, from now on.

    What lies there already is not the run's: it may be of others, and sending it was never asked for.
    """

    def __init__(self) -> None:
        self.folder = Path(NAME).absolute()
        with suppress(OSError):  # of a folder that cannot be written into, the script that wants to will say so
            self.folder.mkdir(exist_ok=True)
        self._before = {file.place: _state(file) for file in self._files()}

    def written(self) -> List[LocalFile]:
        """The files that are new or others than they were."""
        return [file for file in self._files() if self._before.get(file.place) != _state(file)]

    def _files(self) -> List[LocalFile]:
        found = list_folder(self.folder, rules=False).files if self.folder.is_dir() else []
        for file in found:
            file.path = f"{NAME}/{file.path}"
        return found


def _state(file: LocalFile) -> Tuple[int, int, int]:
    known = file.place.stat()
    return known.st_ino, known.st_mtime_ns, known.st_size
